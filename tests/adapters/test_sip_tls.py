"""SIP over TLS with certificates made here: who is let in, whom we believe, and reloading."""

import os
import ssl

import pytest

from intercom.adapters.sip.stream_limits import StreamLimits
from intercom.adapters.sip.tls import Tls, TlsFiles, TlsSession
from intercom.errors import ConfigError
from intercom.sip.address import Address, Transport
from tests.adapters.sip_rig import HOST, until
from tests.adapters.stream_rig import (
    Authority,
    client_of,
    listening_router,
    request,
    server_of,
)
from tests.adapters.test_sip_stream import invite

NAME = "sip.intercom.example"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def files(authority):
    return TlsFiles(*authority.issue("intercom", NAME, HOST), ca=authority.file)


def subject_of(client) -> str:
    certificate = client.writer.get_extra_info("ssl_object").getpeercert()
    return dict(pair for part in certificate["subject"] for pair in part)["commonName"]


async def test_a_request_is_answered_over_tls(authority, files):
    context = authority.client_context()
    async with (
        listening_router(files=files) as router,
        client_of(router.tls_port, context=context, name=NAME) as panel,
    ):
        panel.send(request(transport="TLS"))

        assert (await panel.message()).startswith("SIP/2.0 200")
        assert router.peer_name(Address(*panel.local, Transport.TLS)) is None


async def test_older_versions_of_tls_are_refused(authority, files):
    context = authority.client_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with listening_router(files=files) as router:
        with pytest.raises(ssl.SSLError):
            async with client_of(router.tls_port, context=context, name=NAME):
                pass


async def test_a_client_s_certificate_is_demanded_and_says_who_it_is(authority, files, tmp_path):
    demanding = TlsFiles(files.certificate, files.key, client_ca=authority.file)
    pair = authority.issue("panel-a", "panel-a.intercom.example", file="panel")
    context = authority.client_context(pair)
    async with (
        listening_router(files=demanding) as router,
        client_of(router.tls_port, context=context, name=NAME) as panel,
    ):
        panel.send(request(transport="TLS"))
        await panel.message()

        address = Address(*panel.local, Transport.TLS)
        assert router.peer_name(address) == "panel-a.intercom.example"


async def test_a_certificate_without_other_names_is_known_by_its_common_name(authority, files):
    demanding = TlsFiles(files.certificate, files.key, client_ca=authority.file)
    context = authority.client_context(authority.issue("panel-a", file="panel"))
    async with (
        listening_router(files=demanding) as router,
        client_of(router.tls_port, context=context, name=NAME) as panel,
    ):
        panel.send(request(transport="TLS"))
        await panel.message()

        assert router.peer_name(Address(*panel.local, Transport.TLS)) == "panel-a"


@pytest.mark.parametrize("has_foreign_one", [False, True])
async def test_a_client_without_a_good_certificate_is_refused(
    authority, files, tmp_path, has_foreign_one
):
    demanding = TlsFiles(files.certificate, files.key, client_ca=authority.file)
    foreign = Authority(tmp_path).issue("panel-a", file="foreign") if has_foreign_one else None
    context = authority.client_context(foreign)
    async with (
        listening_router(files=demanding) as router,
        client_of(router.tls_port, context=context, name=NAME) as stranger,
    ):
        stranger.send(request(transport="TLS"))

        assert await stranger.read() == b""
        await until(lambda: router.streams.size == 0)


async def test_a_carrier_with_the_name_that_was_asked_for_is_called(authority, files):
    context = authority.server_context(authority.issue("carrier", "sip.carrier.example", file="c"))
    async with listening_router(files=files) as router, server_of(context=context) as carrier:
        invite(router, Address(HOST, carrier.port, Transport.TLS, "sip.carrier.example"))
        message = await (await carrier.client()).message()

        assert message.startswith("INVITE ")
        assert f"Via: SIP/2.0/TLS {HOST}:{router.tls_port}" in message
        assert f"<sip:b@{HOST}:{router.tls_port};transport=tls>" in message


async def test_what_a_carrier_proves_does_not_make_it_a_panel_of_that_name(authority, files):
    context = authority.server_context(authority.issue("carrier", "panel-a.example", file="c"))
    async with listening_router(files=files) as router, server_of(context=context) as carrier:
        there = Address(HOST, carrier.port, Transport.TLS, "panel-a.example")
        invite(router, there)
        await (await carrier.client()).message()

        assert router.peer_name(there) is None


async def test_a_carrier_that_asks_for_it_is_shown_our_certificate(authority, files):
    context = authority.server_context(authority.issue("carrier", "sip.carrier.example", file="c"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.file)
    async with listening_router(files=files) as router, server_of(context=context) as carrier:
        invite(router, Address(HOST, carrier.port, Transport.TLS, "sip.carrier.example"))
        client = await carrier.client()
        await client.message()

        assert subject_of(client) == "intercom"


@pytest.mark.parametrize("name", ["sip.other.example", ""])
async def test_a_carrier_with_another_name_is_refused(authority, files, name):
    context = authority.server_context(authority.issue("carrier", "sip.carrier.example", file="c"))
    async with listening_router(files=files) as router, server_of(context=context) as carrier:
        there = Address(HOST, carrier.port, Transport.TLS, name)
        _, events = invite(router, there)
        await until(lambda: events)

        assert [event.status for event in events] == [503]
        assert router.is_mistrusted(there)
        assert carrier.clients == []


async def test_a_carrier_of_an_unknown_authority_is_refused(authority, files, tmp_path):
    pair = Authority(tmp_path).issue("carrier", "sip.carrier.example", file="c")
    context = authority.server_context(pair)
    async with listening_router(files=files) as router, server_of(context=context) as carrier:
        _, events = invite(
            router, Address(HOST, carrier.port, Transport.TLS, "sip.carrier.example")
        )
        await until(lambda: events)

        assert [event.status for event in events] == [503]


async def test_a_carrier_that_accepts_and_says_nothing_is_given_up(files):
    limits = StreamLimits(connect_s=0.2, sweep_s=0.05)
    async with listening_router(files=files, limits=limits) as router, server_of() as carrier:
        _, events = invite(router, Address(HOST, carrier.port, Transport.TLS, NAME))
        await until(lambda: events)

        assert [event.status for event in events] == [503]
        assert router.streams.counters.failed == 1


async def test_a_hand_shake_that_stalls_is_closed(files):
    limits = StreamLimits(handshake_s=0.2, message_s=5.0, sweep_s=0.05)
    async with (
        listening_router(files=files, limits=limits) as router,
        client_of(router.tls_port) as stranger,
    ):
        stranger.send(b"\x16\x03\x01")

        assert await stranger.is_closed_within(0.5)


async def test_hand_shakes_are_bounded_and_the_oldest_makes_way(authority, files):
    limits = StreamLimits(handshakes=1)
    async with (
        listening_router(files=files, limits=limits) as router,
        client_of(router.tls_port) as stranger,
        client_of(router.tls_port, context=authority.client_context(), name=NAME) as panel,
    ):
        panel.send(request(transport="TLS"))

        assert "200" in await panel.message()
        assert await stranger.is_closed_within(1)


async def test_the_end_of_a_connection_is_said_in_tls_as_well(authority, files):
    session = TlsSession(authority.client_context(), server_name=NAME)
    session.start()
    async with listening_router(files=files) as router, client_of(router.tls_port) as panel:
        while not session.is_up:
            panel.send(session.to_send())
            session.receive(await panel.read())
        session.encrypt(b"\x00 is no SIP at all\r\n\r\n")
        panel.send(session.to_send())
        while data := await panel.read():
            session.receive(data)

        assert session.is_ended


async def test_a_ping_over_tls_gets_a_pong(authority, files):
    context = authority.client_context()
    async with (
        listening_router(files=files) as router,
        client_of(router.tls_port, context=context, name=NAME) as panel,
    ):
        panel.send(request(transport="TLS"))
        await panel.message()
        panel.send(b"\r\n\r\n")

        assert await panel.read() == b"\r\n"


async def test_new_connections_get_the_new_certificate_and_old_ones_live_on(authority, files):
    context = authority.client_context()
    async with (
        listening_router(files=files) as router,
        client_of(router.tls_port, context=context, name=NAME) as before,
    ):
        before.send(request(transport="TLS"))
        await before.message()
        authority.issue("renewed", NAME)
        router.tls.reload()
        async with client_of(router.tls_port, context=context, name=NAME) as after:
            before.send(request(transport="TLS", number=2))

            assert "200" in await before.message()
            assert (subject_of(before), subject_of(after)) == ("intercom", "renewed")


@pytest.mark.parametrize("what", ["no PEM", "another key", "gone"])
async def test_a_wrong_file_changes_nothing_and_is_said(authority, files, what):
    context = authority.client_context()
    async with listening_router(files=files) as router:
        match what:
            case "no PEM":
                files.certificate.write_text("nonsense")
            case "another key":
                kept = files.certificate.read_bytes()
                authority.issue("renewed", NAME)
                files.certificate.write_bytes(kept)
            case "gone":
                files.key.unlink()

        with pytest.raises(ConfigError, match=r"INTERCOM_SIP_TLS_CERTIFICATE .* cannot be used"):
            router.tls.reload()

        async with client_of(router.tls_port, context=context, name=NAME) as panel:
            assert subject_of(panel) == "intercom"


def test_an_encrypted_key_is_refused_without_a_question(authority):
    pair = authority.issue("intercom", NAME, password=b"secret")

    with pytest.raises(ConfigError, match="unencrypted key"):
        Tls(TlsFiles(*pair))


@pytest.mark.parametrize(
    ("field", "setting"), [("ca", "INTERCOM_SIP_TLS_CA"), ("client_ca", "INTERCOM_SIP_TLS_CLIENT")]
)
def test_a_wrong_authority_is_named(files, tmp_path, field, setting):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("nonsense")
    named = {"ca": None, "client_ca": None, field: wrong}

    with pytest.raises(ConfigError, match=f"{setting}.* cannot be used"):
        Tls(TlsFiles(files.certificate, files.key, **named))


async def test_a_client_that_breaks_the_encryption_is_closed(authority, files):
    context = authority.client_context()
    async with (
        listening_router(files=files) as router,
        client_of(router.tls_port, context=context, name=NAME) as panel,
    ):
        panel.send(request(transport="TLS"))
        await panel.message()
        raw = panel.writer.get_extra_info("socket")
        os.write(raw.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))

        assert await panel.is_closed_within(1)
