"""Residents' app legs: a WebRTC leg for the media, the app's channel for everything else.

An app's command counts only from the log-in that was rung, for the leg that it was rung with
(an unguessable token), and only while that leg lives; whether the door may open then is for
`routing.call` to say.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

import structlog

from intercom.errors import RemoteProtocolError
from intercom.media.dtls import DtlsIdentity
from intercom.media.leg import Media
from intercom.media.mux import MuxPort
from intercom.media.webrtc import WebRtcLeg
from intercom.ports import AppChannel, CallFacts, Pictures
from intercom.routing import events as ev
from intercom.routing.commands import DoorState, EndReason, ReadyAnswer
from intercom.routing.events import LegFailure
from intercom.routing.ids import DeviceId, LegId, ResidentId
from intercom.routing.plan import AppTarget, Target
from intercom.trace import Hop, Trace

log = structlog.get_logger()

RECONNECT_S = 3.0
"""An app that comes back within this goes on ringing: a phone that changes its network, a reload."""
MAX_COMMANDS = 100
"""To open, a leg; a call opens three times."""
MAX_READY_ANSWERS = 5
"""A leg: they are spoken to the visitor, one instead of the other."""


class _State(Enum):
    RINGING = "ringing"
    ACCEPTED = "accepted"
    """The person pressed Answer; the call may still say that another was first."""
    CONNECTED = "connected"


@dataclass(slots=True)
class _AppLeg:
    leg_id: LegId
    token: str
    target: AppTarget
    call: CallFacts
    media: WebRtcLeg
    state: _State = _State.RINGING
    has_answer: bool = False
    is_quiet: bool = False
    absence: asyncio.TimerHandle | None = None
    """Runs while the app has no connection and rings."""
    lost: str = ""
    """Why its sound and picture are lost, once they are."""
    ready_answers: int = 0
    open_ids: set[str] = field(default_factory=set)
    """Of the commands so far: the same one again, sent after a lost connection, opens nothing more."""


class AppLegs:
    """Implements `ports.ResidentLegs` for apps."""

    def __init__(
        self,
        channel: AppChannel,
        mux: MuxPort,
        certificate: DtlsIdentity,
        *,
        token: Callable[[int], str],
        trace: Trace,
        post: Callable[[LegId, ev.Event], None],
        pictures: Pictures | None = None,
    ) -> None:
        self._pictures = pictures
        self._channel = channel
        self._mux = mux
        self._certificate = certificate
        self._token = token
        self._trace = trace
        self._post = post
        self._legs: dict[LegId, _AppLeg] = {}
        self._by_token: dict[str, _AppLeg] = {}

    # -- from the switchboard ----------------------------------------------------------------

    def ring(self, call: CallFacts, leg_id: LegId, target: Target) -> None:
        """Ring one app: its message carries the offer, so that the picture needs one round trip."""
        assert isinstance(target, AppTarget)
        media = WebRtcLeg.open(
            leg_id,
            self._mux,
            self._certificate,
            call.codec,
            call.picture,
            codecs=call.codecs_to_offer(),
        )
        leg = _AppLeg(leg_id, self._token(32), target, call, media)
        self._legs[leg_id] = leg
        self._by_token[leg.token] = leg
        media.on_ready = lambda _: self._step(leg, Hop.PICTURE_READY, "sound and picture flow")
        media.on_failed = lambda _, cause: self._media_failed(leg, cause.value)
        call.bridge.attach(media, hears_visitor=True, is_phone=False)
        if not self._send(leg, self._ring_message(leg)):
            self._drop(leg)
            self._post(leg_id, ev.LegFailed(leg_id, LegFailure.UNREACHABLE))
            return
        for lost in call.bridge.supervision.lost:
            self.tell_path(leg_id, lost, is_lost=True, is_own=False)
        if self._pictures is not None and (source := call.snapshots()) is not None:
            self._pictures.follow(call.call_id, source, leg_id, partial(self._show, leg))

    def _show(self, leg: _AppLeg, jpeg: str) -> None:
        """Hand on a picture, unless the app is slow: the next one is newer."""
        message = {"type": "snapshot", "call": leg.token, "jpeg": jpeg}
        self._channel.send_if_idle(leg.target.device_id, message)

    def _ring_message(self, leg: _AppLeg) -> dict[str, object]:
        call = leg.call
        return {
            "type": "ring",
            "door": {"name": call.door.name, "pulse_ms": call.door.pulse_ms},
            "place": call.property.address,
            "doorbell": call.doorbell.name,
            "offer": leg.media.offer(),
            "codec": call.codec.name,
            "has_picture": call.picture is not None or call.snapshots() is not None,
            "is_snapshot": call.snapshots() is not None,
            "ring_s": call.panel.profile.ring_limit_s,
        }

    def quiet(self, leg_id: LegId) -> None:
        """Go on showing the call, without sound."""
        if leg := self._legs.get(leg_id):
            leg.is_quiet = True
            self._send(leg, {"type": "quiet"})

    def connect(self, leg_id: LegId) -> None:
        """Tell the app that the visitor hears it now."""
        if leg := self._legs.get(leg_id):
            leg.state = _State.CONNECTED
            self._send(leg, {"type": "talking"})

    def cancel(self, leg_id: LegId, reason: EndReason) -> None:
        """Stop ringing."""
        self.end(leg_id, reason)

    def end(self, leg_id: LegId, reason: EndReason) -> None:
        """End the leg and say why."""
        leg = self._legs.get(leg_id)
        if leg is not None:
            self._send(leg, {"type": "ended", "reason": reason.value})
            self._drop(leg)

    def tell_door(self, leg_id: LegId, state: DoorState, cause: str, pulse_ms: int) -> None:
        """Say what is known about the door."""
        if leg := self._legs.get(leg_id):
            message = {"type": "door", "state": state.value, "cause": cause, "for_ms": pulse_ms}
            self._send(leg, message)

    def tell_ready(self, leg_id: LegId, answer: ReadyAnswer) -> None:
        """Say that the visitor was told a ready answer."""
        if leg := self._legs.get(leg_id):
            self._tell_ready(leg, answer, "told")

    def tell_path(self, leg_id: LegId, media: Media, *, is_lost: bool, is_own: bool) -> None:
        """Say that nothing comes from the door, or from this app."""
        if leg := self._legs.get(leg_id):
            whose, state = "you" if is_own else "door", "lost" if is_lost else "back"
            message = {"type": "path", "media": media.value, "state": state, "from": whose}
            self._send(leg, message)

    # -- from the app ------------------------------------------------------------------------

    def message(
        self, resident_id: ResidentId, device_id: DeviceId, message: Mapping[str, object]
    ) -> None:
        """Take one message of an app; one that names a leg that is not its own changes nothing."""
        token = message.get("call")
        leg = self._by_token.get(token) if isinstance(token, str) else None
        if leg is None or leg.target != AppTarget(resident_id, device_id):
            self._channel.send(
                device_id,
                {"type": "error", "code": "no_such_call", "call": token, "of": message.get("type")},
            )
            return
        match message.get("type"):
            case "answer_sdp":
                self._answer_sdp(leg, message.get("sdp"))
            case "accept" if leg.state is _State.RINGING and leg.lost:
                self._fail(leg, leg.lost)  # nobody would hear anything: the others ring on
            case "accept" if leg.state is _State.RINGING:
                leg.state = _State.ACCEPTED
                self._post(leg.leg_id, ev.LegAnswered(leg.leg_id))
            case "decline" if leg.state is _State.RINGING:
                self._leave(leg, ev.LegDeclined(leg.leg_id), EndReason.DECLINED)
            case "open" | "ready_answer":
                self._wish(leg, message)
            case "hang_up":
                self._leave(leg, ev.LegEnded(leg.leg_id), EndReason.RESIDENT_HUNG_UP)
            case _:  # a repeated accept or decline: the first one counts
                pass

    def device_offline(self, target: AppTarget) -> None:
        """Note a lost connection: what rings waits a moment; talk goes on as its sound does."""
        loop = asyncio.get_running_loop()
        for leg in self._legs.values():
            if leg.target == target and leg.state is _State.RINGING and leg.absence is None:
                cause = "the app lost its connection"
                leg.absence = loop.call_later(RECONNECT_S, self._fail, leg, cause)

    def device_online(self, target: AppTarget) -> None:
        """Ring an app again that lost its connection while it rang: its page may be a new one."""
        for leg in list(self._legs.values()):
            if leg.target == target and leg.absence is not None:
                self._drop(leg)
                self.ring(leg.call, leg.leg_id, target)
                if leg.is_quiet:
                    self.quiet(leg.leg_id)

    def _wish(self, leg: _AppLeg, message: Mapping[str, object]) -> None:
        match message:
            case {"type": "open", "id": str() as command}:
                self._open(leg, command)
            case {"type": "ready_answer", "answer": str() as answer}:
                self._answer_ready(leg, ReadyAnswer(answer))
            case _:  # `web.frames` lets no such frame through
                pass

    def _open(self, leg: _AppLeg, command: str) -> None:
        if command in leg.open_ids or len(leg.open_ids) >= MAX_COMMANDS:
            return
        leg.open_ids.add(command)
        self._step(leg, Hop.KEY, "the app asked to open")
        self._post(leg.leg_id, ev.OpenRequested(leg.leg_id))

    def _answer_ready(self, leg: _AppLeg, answer: ReadyAnswer) -> None:
        """Let the visitor be told; the call says whether it was, and goes on as it is."""
        leg.ready_answers += 1
        if leg.ready_answers > MAX_READY_ANSWERS:
            self._tell_ready(leg, answer, "refused")
        else:
            self._post(leg.leg_id, ev.AnswerChosen(leg.leg_id, answer))

    def _tell_ready(self, leg: _AppLeg, answer: ReadyAnswer, state: str) -> None:
        self._send(leg, {"type": "ready_answer", "answer": answer.value, "state": state})

    def _answer_sdp(self, leg: _AppLeg, sdp: object) -> None:
        if leg.has_answer or not isinstance(sdp, str):
            return
        try:
            leg.media.accept_answer(sdp)
        except RemoteProtocolError as error:
            log.warning("app.answer_unusable", status=error.status_hint)
            text = "This browser's sound and picture do not fit. Update it, or let the phone ring."
            self._send(leg, {"type": "error", "code": "media", "text": text})
            return
        leg.has_answer = True

    def _media_failed(self, leg: _AppLeg, cause: str) -> None:
        if leg.leg_id not in self._legs:
            return
        self._step(leg, Hop.FAULT, f"app media: {cause}")
        leg.lost = cause
        if leg.state is not _State.RINGING:
            self._fail(leg, cause)
        else:  # the door can still be opened and the phone still rings
            self._send(leg, {"type": "picture", "state": "lost", "cause": cause})

    def _fail(self, leg: _AppLeg, cause: str) -> None:
        self._step(leg, Hop.FAULT, cause)
        event: ev.Event = ev.LegEnded(leg.leg_id)
        if leg.state is _State.RINGING:
            event = ev.LegFailed(leg.leg_id, LegFailure.UNREACHABLE)
        self._leave(leg, event, EndReason.FAULT, cause)

    def _leave(self, leg: _AppLeg, event: ev.Event, reason: EndReason, text: str = "") -> None:
        """Let a leg go that ended at the app's own side; the call hears of it."""
        self._send(leg, {"type": "ended", "reason": reason.value, "text": text})
        self._drop(leg)
        self._post(leg.leg_id, event)

    # -- small things ------------------------------------------------------------------------

    def _send(self, leg: _AppLeg, message: Mapping[str, object]) -> bool:
        return self._channel.send(leg.target.device_id, {**message, "call": leg.token})

    def _step(self, leg: _AppLeg, hop: Hop, text: str) -> None:
        self._trace.step(leg.call.call_id, hop, text, leg=leg.leg_id)

    def _drop(self, leg: _AppLeg) -> None:
        if self._pictures is not None:
            self._pictures.leave(leg.call.call_id, leg.leg_id)
        if leg.absence is not None:
            leg.absence.cancel()
        self._legs.pop(leg.leg_id, None)
        self._by_token.pop(leg.token, None)
        leg.call.bridge.detach(leg.leg_id)
        leg.media.close()
