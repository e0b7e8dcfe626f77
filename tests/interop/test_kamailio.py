"""Kamailio between the panel and the router, and between the router and its phones: the route set holds."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.adapters.stream_rig import Authority
from tests.interop.house import HOST, NUMBER, House
from tests.interop.kamailio import Kamailio, Secrets
from tests.interop.machine import free_tcp_port
from tests.interop.script import (
    INVITED,
    Script,
    challenged,
    confirm,
    from_panel,
    from_phone,
    hear,
    invite,
    of_invite,
    pause,
    perhaps,
    press_5,
    reply,
    reply_late,
    sdp,
    wait,
)
from tests.interop.stage import Stage, stage, written
from tests.interop.strangers import Sipp

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

DIGEST = (invite(), *challenged())
ANSWERED = (perhaps(100, 180, 183), hear(200, route="yes"), from_panel("ACK", 2))
HOLDS = (
    from_panel("INVITE", 3, body=sdp("sendonly", 2)),
    perhaps(100),
    hear(200),
    from_panel("ACK", 3),
    pause(0.5),
    from_panel("INVITE", 4, body=sdp("sendrecv", 3)),
    perhaps(100),
    hear(200),
    from_panel("ACK", 4),
)
HANGS_UP = (from_panel("BYE", 9), hear(200))
IS_HUNG_UP = (wait("BYE"), confirm())
RINGS = (*INVITED, reply(180), pause(0.3))
ANSWERS = (*RINGS, reply(200, body=sdp()), wait("ACK"), pause(1.0))
PHONE = Script("phone", (*ANSWERS, press_5(), *IS_HUNG_UP))
PANEL = Script("panel", (*DIGEST, *ANSWERED, *HOLDS, pause(3.0), *HANGS_UP))
STAYING_PANEL = Script("panel", (*DIGEST, *ANSWERED, *IS_HUNG_UP))
DIRECT_PANEL = Script(
    "panel",
    (
        invite(),
        perhaps(100, 180, 183),
        hear(200, route="yes"),
        from_panel("ACK", 1),
        pause(4.0),
        *HANGS_UP,
    ),
)
LOSER = Script(
    "loser",
    (
        *INVITED,
        reply(183, body=sdp()),
        wait("CANCEL"),
        confirm(),
        reply_late(487),
        wait("ACK"),
    ),
)
LATE = Script(
    "late",
    (
        *INVITED,
        reply(180),
        wait("CANCEL"),
        confirm(),
        reply_late(200, body=sdp()),
        wait("ACK"),
        *IS_HUNG_UP,
    ),
)


def secrets_of(folder: Path) -> tuple[Authority, Secrets]:
    authority = Authority(folder)
    certificate, key = authority.issue("proxy", HOST, "localhost", file="proxy")
    return authority, Secrets(certificate, key, authority.file)


def tls_settings(authority: Authority, port: int) -> dict[str, str]:
    """Let the router listen for TLS too."""
    certificate, key = authority.issue("router", HOST, "localhost", file="router")
    return {
        "INTERCOM_SIP_TLS_PORT": str(port),
        "INTERCOM_SIP_TLS_CERTIFICATE": str(certificate),
        "INTERCOM_SIP_TLS_KEY": str(key),
    }


# -- before the router -----------------------------------------------------------------------------


@asynccontextmanager
async def proxied(
    folder: Path, transport: str, phone: Script = PHONE
) -> AsyncIterator[tuple[Stage, Kamailio]]:
    """Put up the router, reached through Kamailio; the panel logs in with its password."""
    authority, secrets = secrets_of(folder)
    tls_port = free_tcp_port(HOST)
    settings = tls_settings(authority, tls_port) if transport == "tls" else {}
    house = House(numbers=(NUMBER,), settings=settings)
    async with stage(folder, phone, house=house, by_address=False) as at:
        target = (HOST, tls_port) if transport == "tls" else at.router.sip
        async with Kamailio.before(
            target, folder=folder, transport=transport, secrets=secrets
        ) as proxy:
            yield at, proxy


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_panel_rings_holds_and_hangs_up_through_a_proxy(
    transport: str, tmp_path: Path
) -> None:
    async with proxied(tmp_path, transport) as (at, proxy):
        async with at.panel(PANEL, to=proxy.address) as panel:
            await at.opens_once()
            await at.content(panel)
            await at.content()
        await at.rests()

    heard = panel.messages()
    assert len(set(re.findall(r"^Record-Route: (.*)$", heard, re.MULTILINE))) >= 1
    assert f"Route: <sip:{HOST}:{proxy.address[1]};" in heard


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_the_router_s_bye_finds_the_panel_by_the_proxy(
    transport: str, tmp_path: Path
) -> None:
    phone = Script("leaves", (*ANSWERS, press_5(), pause(0.5), from_phone("BYE", 20), hear(200)))
    async with proxied(tmp_path, transport, phone) as (at, proxy):
        async with at.panel(STAYING_PANEL, to=proxy.address) as panel:
            await at.opens_once()
            await at.content()
            await at.content(panel, limit_s=16.0)
        await at.rests()


# -- behind it -------------------------------------------------------------------------------------


@asynccontextmanager
async def carried(
    folder: Path, *phones: Script, transport: str = "udp", is_believed: bool = True
) -> AsyncIterator[tuple[Stage, list[Sipp]]]:
    """Put up the router with Kamailio for its carrier; these phones are registered by one number."""
    authority, secrets = secrets_of(folder)
    own = tls_settings(authority, free_tcp_port(HOST))
    own["INTERCOM_SIP_TLS_CA"] = str(secrets.ca if is_believed else Authority(folder).file)
    async with AsyncExitStack() as stack:
        carrier = await stack.enter_async_context(Kamailio.carrier(folder=folder, secrets=secrets))
        up = []
        for phone in phones:
            each = Sipp(written(phone, folder), folder=folder)
            up.append(await stack.enter_async_context(each))
            await carrier.register(NUMBER, each.address)
        house = House(
            numbers=(NUMBER,),
            trunk=carrier.tls_address if transport == "tls" else carrier.address,
            trunk_fields={"transport": transport},
            settings=own if transport == "tls" else {},
        )
        at = await stack.enter_async_context(stage(folder, house=house))
        yield at, up


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_a_phone_behind_a_challenging_proxy_rings_holds_and_opens(
    transport: str, tmp_path: Path
) -> None:
    phone = Script(
        "phone",
        (
            *ANSWERS,
            from_phone("INVITE", 2, body=sdp("sendonly", 2)),
            perhaps(100),
            hear(200),
            from_phone("ACK", 2),
            pause(0.5),
            from_phone("INVITE", 3, body=sdp("sendrecv", 3)),
            perhaps(100),
            hear(200),
            from_phone("ACK", 3),
            press_5(),
            *IS_HUNG_UP,
        ),
    )
    async with carried(tmp_path, phone, transport=transport) as (at, (phone_up,)):
        async with at.panel(DIRECT_PANEL) as panel:
            await at.opens_once()
            await at.content(panel, phone_up)
        await at.rests()

    heard = phone_up.messages()
    bye = heard.partition("\nBYE sip:phone@")[2]
    assert bye, "the router's BYE went by the proxy to the phone's own Contact"
    assert bye.count("Via: ", 0, bye.index("Call-ID")) == 2


async def test_a_carrier_whose_certificate_is_not_believed_hears_of_no_call(
    tmp_path: Path,
) -> None:
    refused = Script("panel", (invite(), perhaps(100, 183), hear(480), of_invite("ACK")))
    async with carried(tmp_path, PHONE, transport="tls", is_believed=False) as (at, phones):
        async with at.panel(refused) as panel:
            await at.content(panel)
        await at.rests()

    assert "INVITE" not in phones[0].messages()
    assert "480 Nobody can be reached" in panel.messages()
    assert "trunk.certificate_refused" in at.router.log()


async def test_of_two_forked_phones_the_answering_one_talks_and_the_other_is_cancelled(
    tmp_path: Path,
) -> None:
    async with carried(tmp_path, LOSER, PHONE) as (at, phones):
        async with at.panel(DIRECT_PANEL) as panel:
            await at.opens_once()
            await at.content(panel, *phones)
        await at.rests()


async def test_of_two_forked_answers_the_first_talks_and_the_second_is_hung_up(
    tmp_path: Path,
) -> None:
    """The second crosses the proxy's CANCEL: it is handed on all the same, for a 200 is never withheld."""
    async with carried(tmp_path, LATE, PHONE) as (at, phones):
        async with at.panel(DIRECT_PANEL) as panel:
            await at.opens_once()
            await at.content(panel, *phones)
        await at.rests()


async def test_a_visitor_who_gives_up_cancels_every_forked_phone(tmp_path: Path) -> None:
    second = Script("second", LOSER.steps)
    async with carried(tmp_path, LOSER, second) as (at, phones):
        async with at.panel("caller_gives_up") as panel:
            await at.content(panel, *phones)
        await at.rests()

    assert at.door.openings == 0


async def test_an_answer_that_crosses_the_cancel_at_the_proxy_is_hung_up(tmp_path: Path) -> None:
    async with carried(tmp_path, LATE) as (at, phones):
        async with at.panel("caller_gives_up") as panel:
            await at.content(panel, *phones)
        await at.rests()

    assert at.door.openings == 0
