"""What somebody sends who means harm: with an account of their own, or with none."""

import asyncio

import aiohttp
import pytest

from intercom.store.kinds import Role
from intercom.store.models import Unit
from tests.web.admin.rig import PASSWORD, Rig, browsing

FORM = "application/x-www-form-urlencoded"


async def raw(rig: Rig, head: str, body: bytes) -> str:
    """Send a request of which no more comes; give the first line of the answer."""
    host, port = rig.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = f"{head}\r\nHost: {host}:{port}\r\nOrigin: {rig.url}\r\n\r\n"
    writer.write(lines.encode() + body)
    try:
        async with asyncio.timeout(3):
            return (await reader.readline()).decode()
    finally:
        writer.close()


async def cookie_of(rig: Rig, username: str) -> str:
    """Log in; give the cookie."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            rig.url + "/admin/login",
            data={"username": username, "password": PASSWORD},
            headers={"Origin": rig.url},
            allow_redirects=False,
        ) as answer,
    ):
        return f"admin={answer.cookies['admin'].value}"


async def add_resident(rig: Rig) -> str:
    """Let Anna live in a property; give it."""
    place = await rig.add_property()
    async with rig.database.writing() as session:
        unit = Unit(property_id=place, label="H0101")
        session.add(unit)
        await session.flush()
    await rig.add_account("anna", "Anna Lund", Role.RESIDENT, unit_id=unit.id)
    return place


async def test_a_large_body_is_not_read_of_whoever_may_not_send_it(rig):
    place = await add_resident(rig)
    cookie = await cookie_of(rig, "anna")

    answer = await raw(
        rig,
        f"POST /admin/p/{place}/import HTTP/1.1\r\nCookie: {cookie}\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: 12000000",
        b"a=&" * 100,
    )

    assert " 404 " in answer


async def test_a_form_of_a_million_fields_is_refused(rig, client):
    place = await rig.add_property()
    await client.get(f"/admin/p/{place}/import")
    many = {f"a{number}": "" for number in range(2000)}

    shown = await client.post(f"/admin/p/{place}/import", many)

    assert shown.status == 400


@pytest.mark.parametrize("charset", ["punycode", "nothing", "zlib", "utf-16"])
async def test_a_form_is_read_as_utf_8_whatever_it_calls_itself(rig, charset):
    body = f"username=kari&password={PASSWORD.replace(' ', '+')}"
    headers = {"Origin": rig.url, "Content-Type": f"{FORM}; charset={charset}"}

    async with (
        aiohttp.ClientSession() as session,
        session.post(
            rig.url + "/admin/login", data=body, headers=headers, allow_redirects=False
        ) as answer,
    ):
        assert answer.status == 303


@pytest.mark.parametrize("charset", ["punycode", "nothing", "utf-16"])
async def test_a_form_in_parts_is_read_as_utf_8_whatever_they_call_themselves(rig, charset):
    part = 'Content-Disposition: form-data; name="{}"\r\nContent-Type: text/plain; charset={}'
    parts = [
        f"--x\r\n{part.format(name, charset)}\r\n\r\n{value}\r\n"
        for name, value in (("username", "kari"), ("password", PASSWORD))
    ]
    headers = {"Origin": rig.url, "Content-Type": "multipart/form-data; boundary=x"}

    async with (
        aiohttp.ClientSession() as session,
        session.post(
            rig.url + "/admin/login",
            data="".join(parts) + "--x--\r\n",
            headers=headers,
            allow_redirects=False,
        ) as answer,
    ):
        assert answer.status == 303


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\na\r\n--x--\r\n", b"--y--", b"--x\r\nA\r\n\r\n\xff--x--"]
)
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "multipart/form-data"])
async def test_parts_that_are_none_are_a_bad_request(rig, kind, body):
    headers = {"Origin": rig.url, "Content-Type": kind}

    async with (
        aiohttp.ClientSession() as session,
        session.post(rig.url + "/admin/login", data=body, headers=headers) as answer,
    ):
        assert answer.status in {400, 401}


@pytest.mark.parametrize(
    "path",
    [
        "/admin/p/%00/doors",
        "/admin/p/{}/doors/%00",
        "/admin/p/{}/units?q=%00",
        "/admin/p/{}/units?q=%ED%A0%80",
        "/admin/p/{}/people?q=%FF&page=%00",
        "/admin/p/{}/units/%D9%A3",
        "/admin/p/{}/units/99999999999999999999",
        "/admin/password/%00",
        "/admin/login?next=%00%ED%A0%80",
    ],
)
async def test_an_address_that_no_database_takes_is_no_fault_of_the_service(rig, client, path):
    place = await rig.add_property()

    shown = await client.get(path.format(place))

    assert shown.status in {200, 400, 404, 410}


async def test_a_secret_goes_to_no_other_machine_than_it_was_given_for(rig, client):
    place = await rig.add_property()
    fields = {
        "name": "Gate",
        "pulse_s": "3",
        "driver": "http",
        "url": "https://10.0.0.7/open",
        "method": "GET",
        "authentication": "basic",
        "username": "admin",
        "relay_number": "1",
    }
    await client.get(f"/admin/p/{place}/doors/new")
    await client.post(f"/admin/p/{place}/doors/new", fields | {"password": "s3cret"})
    path = f"/admin/p/{place}/doors/{place}-gate"
    await client.get(path)

    kept = await client.post(path, fields | {"name": "The gate"})
    assert kept.url.endswith("done=property.done.door_saved")

    await client.get(path)
    for other in (
        {"url": "https://evil.example/open"},
        {"url": "http://10.0.0.7/open"},
    ):
        shown = await client.post(path, fields | other)
        assert shown.faults == ["Skriv passordet til panelets nettside."]
        assert "s3cret" not in shown.text


async def test_who_is_logged_out_elsewhere_is_out_at_the_next_click(rig, client):
    async with browsing(rig) as other:
        await other.log_in()
        await other.get("/admin/me")
        await other.post(
            "/admin/me/password",
            password=PASSWORD,
            new_password="tre små troll i skogen",
            password_again="tre små troll i skogen",
        )

    assert (await client.get("/admin/me")).url.startswith("/admin/login")
