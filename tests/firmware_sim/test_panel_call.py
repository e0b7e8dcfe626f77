"""A panel's calls: from the press to the end, with sound, picture and words."""

import asyncio
import contextlib
import io
import wave
from collections.abc import AsyncIterator

import pytest

from firmware_sim.call_media import CallMedia, open_call_media
from firmware_sim.voice import FRAME_MS, endless, tone
from intercom.media import h264, rtcp, tones
from intercom.media.rtp import parse
from intercom.sip.events import (
    BindingChanged,
    DialogEnded,
    InviteCancelled,
    InviteConfirmed,
    InviteReceived,
    ReinviteAnswered,
)
from intercom.sip.offer_answer import make_answer, make_offer, read_answer
from tests.firmware_sim.panel_process import (
    PANEL_ID,
    PanelProcess,
    SipServer,
    link_server,
    panel_process,
    sip_server,
    until,
)

pytestmark = pytest.mark.timeout(30)


class Ear(asyncio.DatagramProtocol):
    """A socket of the router's that keeps what came."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def connection_made(self, transport) -> None:
        self.transport = transport

    def datagram_received(self, data, addr) -> None:
        self.packets.append(data)


@contextlib.asynccontextmanager
async def answer_media(heard: list[bytes]) -> AsyncIterator[CallMedia]:
    """Make the router's media end out of the panel's own sockets."""
    media = await open_call_media(
        "127.0.0.1",
        on_heard=lambda pcm, at_ms: heard.append(pcm),
        on_key_frame_wanted=lambda: None,
    )
    try:
        yield media
    finally:
        media.close()


async def press(panel: PanelProcess, sip: SipServer, button: str = "hansen") -> InviteReceived:
    await sip.until_event(BindingChanged)
    count = len(sip.invites) + 1
    assert await panel.post("/api/press", button=button) == 200
    await sip.until_event(InviteReceived, count)
    return sip.invites[-1]


async def test_a_press_calls_with_digest_and_sound_and_picture_flow_before_the_answer(tmp_path):
    heard: list[bytes] = []
    async with (
        sip_server() as sip,
        panel_process(tmp_path, sip_port=sip.sip.local.port) as panel,
        answer_media(heard) as media,
    ):
        invite = await press(panel, sip)
        assert (invite.username, invite.request_user) == (PANEL_ID, "hansen")
        body, negotiated = make_answer(invite.body, media.local)
        media.update(negotiated)
        assert negotiated.video is not None
        pictures = Ear()
        media._transports[media.local.video_port].set_protocol(pictures)

        sip.respond(invite, 183, body)
        talk = endless(tone((1000,), 1000))
        for _ in range(60):
            media.send_sound(next(talk))
            await asyncio.sleep(FRAME_MS / 1000)
        await until(lambda: len(heard) > 20)
        await until(lambda: len(pictures.packets) > 5)

        state = await panel.get("/api/state")
        assert state["call"]["phase"] == "early"
        assert {"press", "100", "183", "first_rtp_in"} <= set(state["call"]["stamps"])
        assert tones.has_tone(b"".join(heard[5:]), 440)
        assert h264.nal_starts(pictures.packets[0][12:])
        first = parse(pictures.packets[0])
        assert first.payload_type == negotiated.video.payload_type

        before = len(pictures.packets)
        media._send(
            media.local.video_rtcp_port, rtcp.build_pli(1, first.ssrc), negotiated.video.remote_rtcp
        )
        await until(
            lambda: any(h264.starts_key_frame(p[12:]) for p in pictures.packets[before + 1 :])
        )
        sip.respond(invite, 200, body)
        await sip.until_event(InviteConfirmed)
        await panel.until_state(lambda state: state["screen"]["face"] == "talking")
        sip.hang_up(invite)
        ended = await panel.until_state(lambda state: state["call"]["phase"] == "ended")
        assert ended["call"]["media"]["key_frames_asked"] == 1
        assert ended["call"]["media"]["events_in"] == 0
        with wave.open(io.BytesIO(await panel.get("/api/heard.wav"))) as recording:
            assert (recording.getframerate(), recording.getnchannels()) == (8000, 1)
            assert tones.has_tone(recording.readframes(8000), 1000)


async def test_cancel_ends_the_ringing_with_487(tmp_path):
    async with (
        sip_server() as sip,
        panel_process(tmp_path, sip_port=sip.sip.local.port) as panel,
    ):
        invite = await press(panel, sip)
        sip.respond(invite, 180)
        await panel.until_state(lambda state: "180" in state["call"]["stamps"])

        await panel.post("/api/cancel")

        await sip.until_event(InviteCancelled)
        state = await panel.until_state(lambda state: state["call"]["phase"] == "ended")
        assert state["call"]["ended"]["status"] == 487


async def test_a_second_press_makes_a_second_call_while_the_first_goes_on(tmp_path):
    async with (
        sip_server() as sip,
        panel_process(tmp_path, sip_port=sip.sip.local.port) as panel,
    ):
        first = await press(panel, sip)
        second = await press(panel, sip, "berg")
        assert second.request_user == "berg"

        sip.respond(first, 486)
        state = await panel.until_state(lambda state: state["calls"][0]["phase"] == "ended")

        assert state["calls"][0]["ended"]["status"] == 486
        assert state["call"]["phase"] == "calling"


async def test_a_hang_up_at_the_panel_sends_bye_and_its_end_says_bye_too(tmp_path):
    async with sip_server() as sip:
        async with (
            panel_process(tmp_path, sip_port=sip.sip.local.port) as panel,
            answer_media([]) as media,
        ):
            invite = await press(panel, sip)
            body, _ = make_answer(invite.body, media.local)
            sip.respond(invite, 200, body)
            await sip.until_event(InviteConfirmed)
            await panel.until_state(lambda state: state["call"]["phase"] == "talking")
            await panel.post("/api/cancel")
            await sip.until_event(DialogEnded)

            invite = await press(panel, sip)
            sip.respond(invite, 200, body)
            await sip.until_event(InviteConfirmed, 2)

        await sip.until_event(DialogEnded, 2)


async def test_an_answer_that_differs_from_the_early_one_moves_the_sound(tmp_path):
    heard: list[bytes] = []
    async with (
        sip_server() as sip,
        panel_process(tmp_path, sip_port=sip.sip.local.port) as panel,
        answer_media([]) as nowhere,
        answer_media(heard) as media,
    ):
        invite = await press(panel, sip)
        body, negotiated = make_answer(invite.body, nowhere.local)
        media.update(negotiated)
        sip.respond(invite, 183, body)
        await panel.until_state(lambda state: state["call"]["phase"] == "early")
        assert heard == []

        sip.respond(invite, 200, make_answer(invite.body, media.local)[0])

        await until(lambda: len(heard) > 5)


async def test_a_reinvite_is_answered_and_moves_the_sound(tmp_path):
    heard: list[bytes] = []
    async with (
        sip_server() as sip,
        panel_process(tmp_path, sip_port=sip.sip.local.port) as panel,
        answer_media([]) as before,
        answer_media(heard) as after,
    ):
        invite = await press(panel, sip)
        sip.respond(invite, 200, make_answer(invite.body, before.local)[0])
        await sip.until_event(InviteConfirmed)

        offer = make_offer(after.local)
        sip.sip.endpoint.reinvite(invite.dialog, sip.sip.now, offer)
        sip.sip.flush()
        answered = await sip.until_event(ReinviteAnswered)
        after.update(read_answer(offer, answered.body))

        await until(lambda: len(heard) > 5)
        assert tones.has_tone(b"".join(heard), 440)


async def test_without_a_router_the_panel_says_so_within_two_seconds(tmp_path):
    async with (
        sip_server() as sip,
        panel_process(tmp_path, sip_port=sip.sip.local.port) as panel,
    ):
        await sip.until_event(BindingChanged)
        await panel.fault("sip_down")

        await panel.post("/api/press", button="hansen")
        state = await panel.until_state(lambda state: state["screen"]["face"] == "no router")

        assert state["screen"]["at_ms"] - state["call"]["stamps"]["press"] < 2000
        assert state["screen"]["lamp"] == "red"
        assert "kontakt" in state["screen"]["text"]
        assert state["call"]["phase"] == "ended"

        await panel.fault("sip_down", is_on=False)
        await asyncio.sleep(2.5)  # over the repetition of the INVITE, 3.5 s after the first
        assert sip.invites == []


async def test_the_routers_words_are_on_the_screen_and_in_the_state(tmp_path):
    async with (
        sip_server() as sip,
        link_server() as link,
        panel_process(tmp_path, link=link, sip_port=sip.sip.local.port) as panel,
    ):
        await link.until_welcome()
        invite = await press(panel, sip)
        await link.show("opened", "Døren er åpen")
        state = await panel.until_state(lambda state: state["screen"]["face"] == "opened")
        assert state["screen"]["lamp"] == "door"

        sip.respond(invite, 480)
        await link.show("ended", "Ingen svarer", "nobody answered")
        await panel.until_state(lambda state: state["screen"]["face"] == "ended")
        await asyncio.sleep(0.7)

        state = await panel.get("/api/state")
        assert state["screen"]["text"] == "Ingen svarer"
        assert [said["text"] for said in state["call"]["states"]] == [
            "Døren er åpen",
            "Ingen svarer",
        ]


async def test_the_visitor_can_play_a_five_into_the_microphone(tmp_path):
    heard: list[bytes] = []
    async with (
        sip_server() as sip,
        panel_process(tmp_path, sip_port=sip.sip.local.port) as panel,
        answer_media(heard) as media,
    ):
        invite = await press(panel, sip)
        body, negotiated = make_answer(invite.body, media.local)
        media.update(negotiated)
        sip.respond(invite, 183, body)
        await until(lambda: len(heard) > 5)
        heard.clear()

        assert await panel.post("/api/play", digit="5") == 200

        await until(
            lambda: any(tones.has_tone(pcm, 770) and tones.has_tone(pcm, 1336) for pcm in heard)
        )


async def test_the_page_has_no_inline_script_and_bad_requests_are_refused(tmp_path):
    async with panel_process(tmp_path) as panel:
        page = (await panel.get("/")).decode()
        assert "<script src=" in page
        assert page.count("<script") == 1
        for path, body in (
            ("/api/press", {}),
            ("/api/press", {"button": 7}),
            ("/api/press", {"button": "a\r\nb"}),
            ("/api/play", {"digit": "55"}),
            ("/api/fault", {"name": "flood", "on": True}),
            ("/api/fault", {"name": "slow"}),
        ):
            assert await panel.post(path, **body) == 400
