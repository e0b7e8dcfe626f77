"""sipp is a panel of every kind: silent until 200, without an offer, over TCP, opened by its own code."""

import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from intercom.media import rtp
from intercom.media.dtmf import EventReceiver, parse_event
from tests.interop.house import BUTTON, HOST, NUMBER, PANEL, Door, House, Router
from tests.interop.strangers import Sipp

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]

CALL_S = 12.0
CODE = "47"


@asynccontextmanager
async def ringing_house(
    folder: Path, *, early: str = "183", relay: str = ""
) -> AsyncIterator[tuple[Router, Sipp, Door]]:
    """Run the router with a phone that answers and presses 5."""
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(Sipp("phone_presses_5_by_info", folder=folder))
        door = await stack.enter_async_context(Door())
        house = House(
            panel_address=HOST, numbers=(NUMBER,), trunk=phone.address, early=early, relay=relay
        )
        router = await stack.enter_async_context(Router(house, folder=folder, door=door))
        yield router, phone, door


def panel(
    scenario: str, router: Router, folder: Path, *, is_tcp: bool = False, **keys: str
) -> Sipp:
    return Sipp(
        scenario,
        folder=folder,
        remote=router.sip,
        service=BUTTON,
        caller=PANEL,
        is_tcp=is_tcp,
        **keys,
    )


def code_relay(way: str) -> str:
    return f'{{ driver = "panel-code", panel = "{PANEL}", code = "{CODE}", way = "{way}" }}'


@pytest.mark.parametrize(
    ("scenario", "early"),
    [("panel_silent_until_200", "answer"), ("panel_without_offer", "183")],
)
async def test_a_panel_that_needs_200_first_gets_it_at_once_and_its_door_opens(
    scenario: str, early: str, tmp_path: Path
) -> None:
    async with (
        ringing_house(tmp_path, early=early) as (router, phone, door),
        panel(scenario, router, tmp_path) as caller,
    ):
        assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()
        assert await phone.ended(CALL_S) == 0, phone.errors() + router.log()

    assert door.openings == 1


async def test_a_panel_over_tcp_rings_and_its_door_opens(tmp_path: Path) -> None:
    async with (
        ringing_house(tmp_path) as (router, phone, door),
        panel("caller_by_address", router, tmp_path, is_tcp=True) as caller,
    ):
        assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()
        assert await phone.ended(CALL_S) == 0, phone.errors() + router.log()

    assert door.openings == 1


async def test_a_door_code_by_info_reaches_the_panel_digit_by_digit(tmp_path: Path) -> None:
    async with (
        ringing_house(tmp_path, relay=code_relay("info-dtmf-relay")) as (router, _, _),
        panel("panel_takes_code_by_info", router, tmp_path) as caller,
    ):
        assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()

    assert caller.messages().count("INFO sip:") == len(CODE)


async def test_a_panel_that_refuses_info_gets_one_digit_and_no_more(tmp_path: Path) -> None:
    async with (
        ringing_house(tmp_path, relay=code_relay("info-dtmf-relay")) as (router, _, _),
        panel("panel_refuses_code_by_info", router, tmp_path) as caller,
    ):
        assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()

    assert caller.messages().count("INFO sip:") == 1


async def test_a_door_code_by_rfc_4733_is_decoded_once_a_digit(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sound:
        sound.bind((HOST, 0))
        sound.setblocking(False)
        port = str(sound.getsockname()[1])
        async with (
            ringing_house(tmp_path, relay=code_relay("rfc4733")) as (router, _, _),
            panel("panel_listens_for_keys", router, tmp_path, rtp_port=port) as caller,
        ):
            assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()

        assert digits_in(sound) == CODE
    assert "INFO sip:" not in caller.messages()


def digits_in(sound: socket.socket) -> str:
    """Decode what a panel heard, as it does itself."""
    receiver, digits = EventReceiver(), ""
    with contextlib.suppress(BlockingIOError):
        while True:
            packet = sound.recv(2048)
            header = rtp.parse(packet)
            if header is not None and header.payload_type == 101:
                event = parse_event(packet[header.payload_start : header.payload_end])
                assert event is not None
                digits += receiver.receive(header.ssrc, header.timestamp, event) or ""
    return digits
