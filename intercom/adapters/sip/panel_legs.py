"""Panels' legs: an INVITE of a known panel becomes a press, with its sound and picture."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from intercom.adapters.sip.transport import SipTransport
from intercom.errors import MediaError, RemoteProtocolError
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.ports import PanelMedia
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.directory import Directory, EarlyMedia, Panel
from intercom.routing.ids import LegId, PanelId
from intercom.sip.events import (
    DialogEnded,
    DialogId,
    InviteCancelled,
    InviteReceived,
    ReinviteReceived,
    SipEvent,
)
from intercom.sip.offer_answer import AcceptedOffer, Law, LocalMedia, accept_offer, make_answer

log = structlog.get_logger()

PressHandler = Callable[[Panel, str, LegId, PanelMedia], EndReason | None]

LAWS = (Law.PCMA, Law.PCMU)

_REFUSALS: dict[EndReason, tuple[int, str]] = {
    EndReason.NO_SUCH_BUTTON: (404, "No such button"),
    EndReason.IN_USE: (486, "In use"),
    EndReason.NOBODY_ANSWERED: (480, "Nobody answers"),
    EndReason.NOBODY_REACHABLE: (480, "Nobody can be reached"),
    EndReason.DECLINED: (480, "Nobody answers"),
    EndReason.ANSWERED_ELSEWHERE: (487, "Joined by a newer press"),
    EndReason.VISITOR_LEFT: (487, "Request Terminated"),
    EndReason.OTHER_BUTTON: (487, "Another button was pressed"),
    EndReason.SHUTTING_DOWN: (503, "The service is stopping"),
    EndReason.FAULT: (500, "Fault in the router"),
}
_CODECS = "let the panel offer G.711 (PCMA or PCMU) by RTP/AVP"
_PORTS = "widen INTERCOM_RTP_PORT_FIRST … INTERCOM_RTP_PORT_LAST"
_DEFAULT_REFUSAL = (480, "Ended")
_BYE_WORDS = {
    EndReason.NOBODY_ANSWERED: "Nobody answers",
    EndReason.NOBODY_REACHABLE: "Nobody can be reached",
}


@dataclass(slots=True)
class _PanelLeg:
    leg_id: LegId
    dialog: DialogId
    panel: Panel
    accepted: AcceptedOffer
    signalling_host: str
    media: PlainLeg | None = None
    """Opened once the residents ring: they go first."""
    local: LocalMedia | None = None
    answer: bytes = b""
    refusal: tuple[int, str] | None = None
    """What went wrong here, to be said instead of the call's reason."""
    is_answered: bool = False


class SipPanelLegs:
    """Implements `ports.PanelLegs` for panels that call by SIP."""

    def __init__(
        self,
        transport: SipTransport,
        ports: PortPool,
        *,
        directory: Callable[[], Directory],
        token: Callable[[int], str],
        media_host: str,
        on_press: PressHandler,
        post: Callable[[LegId, ev.Event], None],
    ) -> None:
        self._transport = transport
        self._ports = ports
        self._directory = directory
        self._token = token
        self._media_host = media_host
        self._on_press = on_press
        self._post = post
        self._legs: dict[LegId, _PanelLeg] = {}

    # -- from the wire -----------------------------------------------------------------------

    def invite_received(self, event: InviteReceived) -> None:
        """Turn an authenticated INVITE into a press, or refuse it in words."""
        panel = self._panel_of(event)
        if panel is None:
            self._refuse(event.dialog, 403, "Not a panel of this building")
            return
        leg_id = LegId(f"panel-{self._token(12)}")
        try:
            accepted = accept_offer(event.body, LAWS, has_video=True)
        except RemoteProtocolError as error:
            log.warning("panel.offer_refused", status=error.status_hint, remedy=_CODECS)
            self._refuse(event.dialog, error.status_hint, "No sound in common")
            return
        leg = _PanelLeg(leg_id, event.dialog, panel, accepted, event.source.host)
        self._legs[leg_id] = leg
        self._transport.follow(event.dialog, lambda e: self._dialog_event(leg, e))
        agreed = accepted.negotiated
        media = PanelMedia(agreed.audio.law, agreed.video, lambda: self._open_media(leg))
        try:
            refusal = self._on_press(panel, event.request_user, leg_id, media)
        except BaseException:
            self.end(leg_id, EndReason.FAULT)
            raise
        if refusal is not None:
            self.end(leg_id, refusal)

    def _panel_of(self, event: InviteReceived) -> Panel | None:
        """Find the panel: a digest user is its id; a trusted address speaks for the From user."""
        panel_id = PanelId(event.username if event.username is not None else event.from_user)
        return self._directory().panels.get(panel_id)

    def _open_media(self, leg: _PanelLeg) -> PlainLeg:
        """Open the ports that were agreed on, and write the answer that names them."""
        agreed = leg.accepted.negotiated
        try:
            media = PlainLeg.open(leg.leg_id, self._ports, with_video=agreed.video is not None)
        except MediaError:
            log.exception("media.ports_exhausted", remedy=_PORTS)
            leg.refusal = (503, "No media port free")
            raise
        if leg.leg_id not in self._legs:  # the panel has gone; the call will hear of it
            media.close()
            return media
        leg.media = media
        leg.local = LocalMedia(
            host=self._media_host,
            audio_port=media.audio_port,
            audio_rtcp_port=media.audio_rtcp_port,
            video_port=media.video_port,
            video_rtcp_port=media.video_rtcp_port,
            laws=LAWS,
            session_id=int(self._token(8), 16),
        )
        leg.answer = leg.accepted.answer(leg.local)
        media.start(agreed, signalling_host=leg.signalling_host)
        return media

    def _dialog_event(self, leg: _PanelLeg, event: SipEvent) -> None:
        match event:
            case InviteCancelled() | DialogEnded():
                self._drop(leg)
                self._post(leg.leg_id, ev.PanelLeft(leg.leg_id))
            case ReinviteReceived(body=body):
                self._renegotiate(leg, body)
            case _:  # ACK and INFO of a panel: nothing to do (its digits never count)
                pass

    def _renegotiate(self, leg: _PanelLeg, offer: bytes) -> None:
        now = self._transport.now
        if leg.media is None or leg.local is None:
            self._transport.endpoint.respond(leg.dialog, now, 491)  # RFC 3261 §14.2
            return
        if not offer:  # a delayed offer: our last description stands
            self._transport.endpoint.respond(leg.dialog, now, 200, body=leg.answer)
            return
        try:
            leg.answer, negotiated = make_answer(offer, leg.local)
        except RemoteProtocolError as error:
            self._transport.endpoint.respond(leg.dialog, now, error.status_hint)
            return
        leg.media.update(negotiated)
        self._transport.endpoint.respond(leg.dialog, now, 200, body=leg.answer)

    # -- from the switchboard ----------------------------------------------------------------

    def progress(self, leg_id: LegId) -> None:
        """Give early media by 183 or, where the panel's profile says so, by 200."""
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        if leg.panel.profile.early is EarlyMedia.ANSWER:
            self.answer(leg_id)
        else:
            self._respond(leg, 183, body=leg.answer)

    def answer(self, leg_id: LegId) -> None:
        """Answer with 200, unless that was done."""
        leg = self._legs.get(leg_id)
        if leg is None or leg.is_answered:
            return
        leg.is_answered = True
        self._respond(leg, 200, body=leg.answer)

    def end(self, leg_id: LegId, reason: EndReason) -> None:
        """Refuse or hang up, whichever fits the leg's state."""
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        self._drop(leg)
        if leg.is_answered:
            words = _BYE_WORDS.get(reason, "")
            self._transport.endpoint.hang_up(leg.dialog, self._transport.now, words)
        else:
            status, words = leg.refusal or _REFUSALS.get(reason, _DEFAULT_REFUSAL)
            self._transport.endpoint.respond(leg.dialog, self._transport.now, status, reason=words)
        self._transport.drain()

    # -- small things ------------------------------------------------------------------------

    def _respond(self, leg: _PanelLeg, status: int, *, body: bytes) -> None:
        self._transport.endpoint.respond(leg.dialog, self._transport.now, status, body=body)
        self._transport.drain()

    def _refuse(self, dialog: DialogId, status: int, words: str) -> None:
        self._transport.endpoint.respond(dialog, self._transport.now, status, reason=words)

    def _drop(self, leg: _PanelLeg) -> None:
        self._legs.pop(leg.leg_id, None)
        self._transport.forget(leg.dialog)
        if leg.media is not None:
            leg.media.close()
