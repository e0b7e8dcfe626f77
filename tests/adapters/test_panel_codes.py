"""Door codes to a panel's own call, over UDP on loopback: by its sound, by INFO, and what may go wrong."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from intercom.adapters.sip import panel_codes
from intercom.adapters.sip.panel_codes import NO_CALL, PanelCodeDriver
from intercom.media import rtp
from intercom.media.bridge import Bridge
from intercom.media.dtmf import EventReceiver, parse_event
from intercom.ports import RelayOutcome
from intercom.routing.commands import EndReason
from intercom.routing.directory import CodeWay, PanelCodeRelay, PanelLinkRelay
from intercom.routing.ids import CommandId
from intercom.sip.events import InfoReceived, InviteAnswered
from intercom.sip.offer_answer import LocalMedia, make_offer
from tests.adapters.sip_rig import HOST, Stranger, until
from tests.adapters.test_sip_panel_legs import Router, panel_and_router, pressed
from tests.fakes import PANEL

CODE = "44*7"


class Sound:
    """The panel's RTP socket; its offer names it."""

    def __init__(self, panel: Stranger) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((HOST, 0))
        port = self.socket.getsockname()[1]
        panel.offer = make_offer(LocalMedia(HOST, port, port + 1))

    def digits(self) -> str:
        """Decode what came, as a panel does."""
        receiver, digits = EventReceiver(), ""
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self.socket.recv(2048)
                header = rtp.parse(packet)
                if header and header.payload_type == 101:
                    event = parse_event(packet[header.payload_start : header.payload_end])
                    digits += receiver.receive(header.ssrc, header.timestamp, event) or ""
        return digits


@contextlib.asynccontextmanager
async def panel_in_a_call(
    offer: bytes | None = None,
) -> AsyncIterator[tuple[Stranger, Router, PanelCodeDriver, Sound]]:
    """Let a panel ring, as far as 183."""
    async with panel_and_router() as (panel, router):
        sound, bridge = Sound(panel), Bridge(on_digit=lambda *_: None)
        try:
            await pressed(panel, router, body=offer)
            leg = router.legs._legs[router.leg]
            bridge.attach_panel(leg.media)
            router.legs.progress(router.leg)
            yield panel, router, PanelCodeDriver(router.legs), sound
        finally:
            bridge.close()
            sound.socket.close()


async def pulse(driver, way=CodeWay.EVENT, code=CODE):
    return await driver.pulse(PanelCodeRelay(PANEL, code, way), 1000, CommandId("c1"), None)


async def test_by_its_sound_the_ringing_panel_is_answered_and_hears_each_digit_once():
    async with panel_in_a_call() as (panel, _, driver, sound):
        result = await pulse(driver)

        assert result.outcome is RelayOutcome.SENT
        assert sound.digits() == CODE
        assert len(panel.all(InviteAnswered)) == 1
        assert panel.all(InfoReceived) == []


@pytest.mark.parametrize(
    ("way", "kind", "bodies"),
    [
        (
            CodeWay.INFO_RELAY,
            "application/dtmf-relay",
            [f"Signal={digit}\r\nDuration=160\r\n".encode() for digit in CODE],
        ),
        (CodeWay.INFO, "application/dtmf", [digit.encode() for digit in CODE]),
    ],
)
async def test_by_info_each_digit_goes_once_and_none_by_the_sound(way, kind, bodies):
    async with panel_in_a_call() as (panel, _, driver, sound):
        result = await pulse(driver, way)

        assert result.outcome is RelayOutcome.SENT
        infos = panel.all(InfoReceived)
        assert [(info.content_type, info.body) for info in infos] == [(kind, b) for b in bodies]
        assert sound.digits() == ""


async def test_a_panel_that_refuses_info_fails_with_the_remedy_and_gets_no_more_digits():
    async with panel_in_a_call() as (panel, router, driver, _):
        refuse_info(panel, 415)

        result = await pulse(driver, CodeWay.INFO_RELAY)

        assert result.outcome is RelayOutcome.FAILED
        assert "refuses its code by SIP INFO (415)" in result.cause
        assert 'way = "rfc4733"' in result.cause
        assert sum(each.startswith(b"INFO ") for each in panel.datagrams) == 1
        assert router.posted.events == []


@pytest.mark.parametrize(
    ("code", "outcome", "said"),
    [
        ("4", RelayOutcome.UNKNOWN, "it may have opened or not"),
        ("44", RelayOutcome.FAILED, "of which a part was sent"),
    ],
)
async def test_silence_to_the_last_digit_is_unknown_and_to_an_earlier_one_a_failure(
    monkeypatch, code, outcome, said
):
    monkeypatch.setattr(panel_codes, "INFO_TIMEOUT_S", 0.1)
    async with panel_in_a_call() as (panel, router, driver, _):
        router.legs.answer(router.leg)
        await until(router.legs._legs[router.leg].confirmed.is_set)
        deafen(panel)

        result = await pulse(driver, CodeWay.INFO, code)

        assert result.outcome is outcome
        assert said in result.cause


async def test_a_panel_that_does_not_confirm_the_answer_is_sent_nothing(monkeypatch):
    monkeypatch.setattr(panel_codes, "CONFIRM_TIMEOUT_S", 0.1)
    async with panel_in_a_call() as (panel, _, driver, sound):
        deafen(panel)

        result = await pulse(driver)

        assert (result.outcome, result.cause) == (
            RelayOutcome.FAILED,
            "the panel did not confirm our answer",
        )
        assert sound.digits() == ""


async def test_without_a_call_of_its_panel_the_door_says_so():
    async with panel_and_router() as (_, router):
        result = await pulse(PanelCodeDriver(router.legs))

        assert (result.outcome, result.cause) == (RelayOutcome.FAILED, NO_CALL)


async def test_after_the_hang_up_the_door_says_so():
    async with panel_in_a_call() as (_, router, driver, _):
        router.legs.end(router.leg, EndReason.RESIDENT_HUNG_UP)

        result = await pulse(driver)

        assert (result.outcome, result.cause) == (RelayOutcome.FAILED, NO_CALL)


async def test_a_press_that_is_refused_during_talk_is_not_the_call_that_gets_the_code():
    async with panel_in_a_call() as (panel, router, driver, sound):
        router.is_opening = False
        first = router.leg
        panel.call(router.transport)
        await until(lambda: len(router.presses) == 2)

        result = await pulse(driver)

        assert result.outcome is RelayOutcome.SENT
        assert sound.digits() == CODE
        assert router.legs._legs[first].is_answered
        assert not router.legs._legs[router.leg].is_answered


async def test_a_panel_without_telephone_events_fails_with_the_remedy():
    offer = b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 40000 RTP/AVP 8\r\n"
    async with panel_in_a_call(offer) as (_, _, driver, _):
        result = await pulse(driver)

        assert result.outcome is RelayOutcome.FAILED
        assert 'give way = "info-dtmf-relay"' in result.cause


async def test_a_panel_that_hangs_up_meanwhile_may_have_opened():
    async with panel_in_a_call() as (_, router, driver, _):
        router.legs.answer(router.leg)
        await until(router.legs._legs[router.leg].confirmed.is_set)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(pulse(driver))
            await asyncio.sleep(0.2)
            router.legs.end(router.leg, EndReason.TIME_LIMIT)

        assert task.result().outcome is RelayOutcome.UNKNOWN


async def test_two_codes_at_once_do_not_mix():
    async with panel_in_a_call() as (_, _, driver, sound):
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(pulse(driver))
            second = tasks.create_task(pulse(driver, code="9999"))

        assert first.result().outcome is RelayOutcome.SENT
        assert second.result().outcome is RelayOutcome.FAILED
        assert sound.digits() == CODE


async def test_another_kind_of_relay_is_not_for_this_driver():
    async with panel_and_router() as (_, router):
        driver = PanelCodeDriver(router.legs)

        result = await driver.pulse(PanelLinkRelay(PANEL, 1), 1000, CommandId("c"), None)

        assert result.outcome is RelayOutcome.FAILED


def test_a_code_shows_nowhere_where_its_relay_is_printed():
    assert CODE not in repr(PanelCodeRelay(PANEL, CODE))


def deafen(panel: Stranger) -> None:
    """Let everything that comes from now on be lost."""
    panel.sip.is_lost = lambda _: True


def refuse_info(panel: Stranger, status: int) -> None:
    """Answer every INFO with this status, before the endpoint sees it."""

    def refuse(data: bytes) -> bool:
        panel.datagrams.append(data)
        if not data.startswith(b"INFO "):
            return False
        head = data.split(b"\r\n\r\n")[0].split(b"\r\n")
        kept = [
            line
            for line in head
            if line.split(b":")[0] in {b"Via", b"From", b"To", b"Call-ID", b"CSeq"}
        ]
        answer = b"\r\n".join([b"SIP/2.0 %d No" % status, *kept, b"Content-Length: 0", b"", b""])
        via = kept[0].decode().split(" ")[2].split(";")[0]
        host, _, port = via.partition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(answer, (host, int(port)))
        return True

    panel.sip.is_lost = refuse
