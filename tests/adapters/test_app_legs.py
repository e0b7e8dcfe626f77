"""App legs: which messages of an app count, and what becomes of a leg that is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from intercom.adapters import app_legs
from intercom.adapters.app_legs import MAX_COMMANDS, MAX_READY_ANSWERS, AppLegs
from intercom.media import rtp
from intercom.media.bridge import Bridge
from intercom.media.dtls import DtlsIdentity
from intercom.media.leg import Media
from intercom.media.mux import MuxPort
from intercom.media.webrtc import WebRtcFailure
from intercom.routing import events as ev
from intercom.routing.commands import DoorState, EndReason, ReadyAnswer
from intercom.routing.directory import PictureSource
from intercom.routing.ids import DeviceId, LegId
from intercom.routing.plan import AppTarget
from intercom.trace import Trace
from tests.adapters.sip_rig import HOST, facts_of, token
from tests.fakes import ANNA, ANNA_APP, BO, BO_APP, PANEL, FakeChannel, Posted, make_house
from tests.media.peers import ManualClock, RecordingLeg

LEG = LegId("leg-1")
DEVICE = ANNA_APP.device_id
IDENTITY = DtlsIdentity.generate()
ANSWER = "\r\n".join(
    (
        "v=0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 8",
        "c=IN IP4 0.0.0.0",
        "a=rtcp-mux",
        "a=setup:active",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "",
    )
)


@dataclass
class Desk:
    legs: AppLegs
    channel: FakeChannel
    posted: Posted
    mux: MuxPort

    @property
    def token(self):
        return self.channel.of("ring")[-1]["call"]

    @property
    def has_let_go(self):
        return not (self.legs._legs or self.legs._by_token or self.mux._clients)

    def say(self, kind, resident_id=ANNA, device_id=DEVICE, call=None, **fields):
        message = {"type": kind, "call": self.token if call is None else call, **fields}
        self.legs.message(resident_id, device_id, message)

    def lose_media(self, cause=WebRtcFailure.CONNECTION_LOST):
        self.legs._legs[LEG].media._fail(cause)


@contextlib.asynccontextmanager
async def ringing_desk() -> AsyncIterator[Desk]:
    """Ring Anna's app; at the end nothing may be left of its leg."""
    call = facts_of(make_house())
    channel, posted = FakeChannel(DEVICE, BO_APP.device_id), Posted()
    async with MuxPort.open(HOST, 0, [HOST]) as mux:
        legs = AppLegs(channel, mux, IDENTITY, token=token, trace=Trace(lambda: 0.0), post=posted)
        desk = Desk(legs, channel, posted, mux)
        legs.ring(call, LEG, ANNA_APP)
        yield desk
        legs.end(LEG, EndReason.SHUTTING_DOWN)
        assert desk.has_let_go
        assert call.bridge._members == {}
        call.bridge.close()


async def test_the_ring_carries_the_offer_and_a_token_that_is_not_the_legs_id():
    async with ringing_desk() as desk:
        (ring,) = desk.channel.of("ring", DEVICE)

        assert ring["offer"].startswith("v=0")
        assert len(ring["call"]) == 32
        assert LEG not in str(ring)


async def test_an_app_that_is_gone_fails_within_the_ring():
    async with ringing_desk() as desk:
        desk.channel.online.clear()
        desk.legs.ring(facts_of(make_house()), LegId("leg-2"), ANNA_APP)

        assert desk.posted.events == [
            ("leg-2", ev.LegFailed(LegId("leg-2"), ev.LegFailure.UNREACHABLE))
        ]
        assert list(desk.legs._legs) == [LEG]


@pytest.mark.parametrize("sdp", ["", "garbage", "v=0\r\nm=audio 1", ANSWER.replace("active", "x")])
async def test_an_answer_that_cannot_be_used_is_said_and_the_leg_rings_on(sdp):
    async with ringing_desk() as desk:
        with capture_logs() as logs:
            desk.say("answer_sdp", sdp=sdp)

        assert [message["code"] for message in desk.channel.of("error")] == ["media"]
        assert [line["event"] for line in logs] == ["app.answer_unusable"]
        assert desk.posted.events == []


async def test_a_second_answer_changes_nothing():
    async with ringing_desk() as desk:
        desk.say("answer_sdp", sdp=ANSWER)
        desk.say("answer_sdp", sdp="garbage")

        assert desk.channel.of("error") == []


@pytest.mark.parametrize(
    "kind", ["accept", "decline", "open", "hang_up", "answer_sdp", "ready_answer"]
)
@pytest.mark.parametrize(
    ("resident_id", "device_id"),
    [(BO, BO_APP.device_id), (ANNA, DeviceId("anna-2")), (BO, DEVICE)],
)
async def test_a_message_with_anothers_token_changes_nothing(kind, resident_id, device_id):
    async with ringing_desk() as desk:
        desk.say(kind, resident_id, device_id, sdp=ANSWER, id="1")

        assert desk.posted.events == []
        assert not desk.legs._legs[LEG].has_answer
        assert desk.channel.of("ended") == []


@pytest.mark.parametrize("call", ["", "unknown", LEG, 7, None])
async def test_a_message_without_a_token_of_a_leg_changes_nothing(call):
    async with ringing_desk() as desk:
        desk.legs.message(ANNA, DEVICE, {"type": "open", "call": call, "id": "1"})

        assert desk.posted.events == []
        assert [message["code"] for message in desk.channel.of("error")] == ["no_such_call"]


async def test_a_repeated_accept_counts_once():
    async with ringing_desk() as desk:
        desk.say("accept")
        desk.say("accept")
        desk.say("decline")

        assert desk.posted.events == [(LEG, ev.LegAnswered(LEG))]


async def test_decline_lets_the_leg_go_and_nothing_of_it_counts_afterwards():
    async with ringing_desk() as desk:
        desk.say("decline")
        for kind in ("accept", "open", "hang_up"):
            desk.say(kind, id="1")

        assert desk.posted.events == [(LEG, ev.LegDeclined(LEG))]
        assert desk.has_let_go


async def test_hanging_up_while_it_rings_ends_the_leg():
    async with ringing_desk() as desk:
        desk.say("hang_up")

        assert desk.posted.events == [(LEG, ev.LegEnded(LEG))]
        assert desk.has_let_go


async def test_one_command_opens_once_however_often_it_is_sent():
    async with ringing_desk() as desk:
        for command in ("a", "a", "b", "a"):
            desk.say("open", id=command)

        assert len(desk.posted.of(ev.OpenRequested)) == 2


async def test_no_more_commands_are_kept_than_a_person_can_mean():
    async with ringing_desk() as desk:
        for command in range(MAX_COMMANDS + 10):
            desk.say("open", id=str(command))

        assert len(desk.posted.of(ev.OpenRequested)) == MAX_COMMANDS


async def test_a_command_for_a_leg_that_has_ended_opens_nothing():
    async with ringing_desk() as desk:
        token_of_leg = desk.token
        desk.legs.end(LEG, EndReason.ANSWERED_ELSEWHERE)
        desk.say("open", call=token_of_leg, id="1")

        assert desk.posted.events == []
        assert desk.channel.of("ended")[0]["reason"] == "answered elsewhere"


async def test_an_app_that_stays_offline_while_it_rings_fails(monkeypatch):
    monkeypatch.setattr(app_legs, "RECONNECT_S", 0.01)
    async with ringing_desk() as desk:
        desk.legs.device_offline(ANNA_APP)
        assert desk.posted.events == []

        await asyncio.sleep(0.05)

        assert desk.posted.events == [(LEG, ev.LegFailed(LEG, ev.LegFailure.UNREACHABLE))]
        assert desk.has_let_go


async def test_an_app_that_comes_back_in_time_rings_again_and_its_old_ring_counts_no_more():
    async with ringing_desk() as desk:
        old = desk.token
        desk.legs.device_offline(ANNA_APP)

        desk.legs.device_online(ANNA_APP)

        assert desk.token != old
        desk.say("open", call=old, id="1")
        assert desk.posted.events == []
        desk.say("accept")
        assert desk.posted.events == [(LEG, ev.LegAnswered(LEG))]


async def test_a_quieted_app_that_comes_back_is_quiet_again():
    async with ringing_desk() as desk:
        desk.legs.quiet(LEG)
        desk.legs.device_offline(ANNA_APP)

        desk.legs.device_online(ANNA_APP)

        assert [message["call"] for message in desk.channel.of("quiet")][-1] == desk.token


async def test_an_app_that_goes_offline_while_it_talks_talks_on():
    async with ringing_desk() as desk:
        desk.say("accept")
        desk.legs.connect(LEG)
        desk.legs.device_offline(ANNA_APP)

        assert desk.posted.of(ev.LegEnded) == []
        assert list(desk.legs._legs) == [LEG]


async def test_another_device_going_offline_is_no_news():
    async with ringing_desk() as desk:
        desk.legs.device_offline(AppTarget(ANNA, DeviceId("anna-2")))

        assert desk.posted.events == []


async def test_lost_media_while_it_rings_is_said_and_the_door_can_still_be_opened():
    async with ringing_desk() as desk:
        desk.lose_media()
        desk.say("open", id="1")

        assert [message["state"] for message in desk.channel.of("picture")] == ["lost"]
        assert desk.posted.events == [(LEG, ev.OpenRequested(LEG))]


async def test_answering_with_lost_media_fails_so_that_the_others_ring_on():
    async with ringing_desk() as desk:
        desk.lose_media()
        desk.say("accept")

        assert desk.posted.events == [(LEG, ev.LegFailed(LEG, ev.LegFailure.UNREACHABLE))]
        assert desk.has_let_go


@pytest.mark.parametrize(("is_own", "whose"), [(False, "door"), (True, "you")])
async def test_an_app_is_told_whose_sound_stopped_and_that_it_is_back(is_own, whose):
    async with ringing_desk() as desk:
        for is_lost in (True, False):
            desk.legs.tell_path(LEG, Media.AUDIO, is_lost=is_lost, is_own=is_own)

        told = desk.channel.of("path")
        assert [message["state"] for message in told] == ["lost", "back"]
        assert {message["media"] for message in told} == {"audio"}
        assert {message["from"] for message in told} == {whose}
        assert {message["call"] for message in told} == {desk.token}


async def test_an_app_that_is_rung_later_is_told_what_is_lost_already():
    clock = ManualClock()
    bridge = Bridge(on_digit=lambda *_: None, clock=clock, call_at=clock.call_at)
    call = replace(facts_of(make_house()), bridge=bridge)
    panel = RecordingLeg("panel", clock)
    bridge.attach_panel(panel)
    picture = memoryview(rtp.build_header(96, 1, 0, 1) + bytes(20))
    panel.on_rtp(panel, Media.VIDEO, picture, clock())
    clock.advance(5)
    async with ringing_desk() as desk:
        desk.legs.ring(call, LegId("leg-2"), ANNA_APP)

        (told,) = desk.channel.of("path")
        assert (told["media"], told["state"], told["from"]) == ("video", "lost", "door")
        desk.legs.end(LegId("leg-2"), EndReason.SHUTTING_DOWN)
    bridge.close()


@pytest.mark.parametrize("is_connected", [False, True])
async def test_lost_media_of_an_answered_leg_ends_it(is_connected):
    async with ringing_desk() as desk:
        desk.say("accept")
        if is_connected:
            desk.legs.connect(LEG)
        desk.lose_media()

        assert desk.posted.events[-1] == (LEG, ev.LegEnded(LEG))
        assert desk.has_let_go


async def test_the_app_is_told_of_every_turn():
    async with ringing_desk() as desk:
        desk.legs.quiet(LEG)
        desk.legs.connect(LEG)
        desk.legs.tell_door(LEG, DoorState.OPENED, "", 3000)

        kinds = [message["type"] for _, message in desk.channel.sent]
        assert kinds == ["ring", "quiet", "talking", "door"]


async def test_what_is_told_to_a_leg_that_is_gone_is_passed_over():
    async with ringing_desk() as desk:
        desk.legs.end(LEG, EndReason.FAULT)
        sent = len(desk.channel.sent)
        desk.legs.quiet(LEG)
        desk.legs.connect(LEG)
        desk.legs.tell_door(LEG, DoorState.OPENED, "", 3000)
        desk.legs.cancel(LEG, EndReason.FAULT)

        assert len(desk.channel.sent) == sent


class FakePictures:
    """Hands a picture on when a test says so."""

    def __init__(self):
        self.shows = {}

    def follow(self, call_id, source, leg_id, show):
        self.shows[leg_id] = show

    def leave(self, call_id, leg_id):
        self.shows.pop(leg_id, None)


@contextlib.asynccontextmanager
async def desk_with_pictures(*, picture):
    house = make_house()
    panel = replace(house.panels[PANEL], picture=picture)
    call = facts_of(replace(house, panels={PANEL: panel}))
    channel, posted, pictures = FakeChannel(DEVICE), Posted(), FakePictures()
    async with MuxPort.open(HOST, 0, [HOST]) as mux:
        trace = Trace(lambda: 0.0)
        legs = AppLegs(
            channel, mux, IDENTITY, token=token, trace=trace, post=posted, pictures=pictures
        )
        legs.ring(call, LEG, ANNA_APP)
        yield Desk(legs, channel, posted, mux), pictures
        legs.end(LEG, EndReason.SHUTTING_DOWN)
        call.bridge.close()
    assert pictures.shows == {}


async def test_a_panel_without_a_picture_in_sip_shows_still_ones_until_the_leg_ends():
    async with desk_with_pictures(picture=PictureSource("http://192.0.2.9/x")) as (desk, pictures):
        pictures.shows[LEG]("SlBFRw==")
        desk.legs.end(LEG, EndReason.VISITOR_LEFT)

        (ring,) = desk.channel.of("ring")
        assert (ring["has_picture"], ring["is_snapshot"]) == (True, True)
        assert [each["jpeg"] for each in desk.channel.of("snapshot")] == ["SlBFRw=="]
        assert desk.channel.of("snapshot")[0]["call"] == ring["call"]
        assert pictures.shows == {}


async def test_a_panel_without_any_picture_follows_none():
    async with desk_with_pictures(picture=None) as (desk, pictures):
        assert pictures.shows == {}
        assert desk.channel.of("ring")[0]["is_snapshot"] is False


async def test_an_app_that_is_gone_at_the_ring_follows_no_picture():
    source = PictureSource("http://192.0.2.9/x")
    async with desk_with_pictures(picture=source) as (desk, pictures):
        desk.legs.end(LEG, EndReason.VISITOR_LEFT)
        desk.channel.online.clear()
        house = make_house()
        panel = replace(house.panels[PANEL], picture=source)
        desk.legs.ring(facts_of(replace(house, panels={PANEL: panel})), LEG, ANNA_APP)

        assert pictures.shows == {}


async def test_a_ready_answer_goes_to_the_call_and_the_app_rings_on():
    async with ringing_desk() as desk:
        desk.say("ready_answer", answer="leave_it")

        assert desk.posted.events == [(LEG, ev.AnswerChosen(LEG, ReadyAnswer.LEAVE_IT))]
        assert desk.channel.of("ready_answer") == []
        desk.legs.tell_ready(LEG, ReadyAnswer.LEAVE_IT)
        (told,) = desk.channel.of("ready_answer", DEVICE)
        assert told == {
            "type": "ready_answer",
            "answer": "leave_it",
            "state": "told",
            "call": desk.token,
        }
        desk.say("accept")
        assert desk.posted.events[-1] == (LEG, ev.LegAnswered(LEG))


async def test_a_ready_answer_for_a_leg_that_has_ended_is_told_to_nobody():
    async with ringing_desk() as desk:
        token = desk.token
        desk.legs.cancel(LEG, EndReason.ANSWERED_ELSEWHERE)
        desk.say("ready_answer", call=token, answer="coming")
        desk.legs.tell_ready(LEG, ReadyAnswer.COMING)

        assert desk.posted.events == []
        assert [message["code"] for message in desk.channel.of("error")] == ["no_such_call"]
        assert desk.channel.of("ready_answer") == []


async def test_ready_answers_without_end_are_refused():
    async with ringing_desk() as desk:
        for _ in range(MAX_READY_ANSWERS + 2):
            desk.say("ready_answer", answer="coming")

        assert len(desk.posted.of(ev.AnswerChosen)) == MAX_READY_ANSWERS
        assert [each["state"] for each in desk.channel.of("ready_answer")] == ["refused"] * 2
