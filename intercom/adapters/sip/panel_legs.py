"""Panels' legs: an INVITE of a known panel becomes a press, with its sound and picture.

A panel is known by its digest user, or by an address on its own list and the user of its From. Nothing
else that it says of itself counts: not P-Asserted-Identity, Remote-Party-ID, Privacy or Diversion.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from intercom.adapters.sip.announcement import Announcement
from intercom.adapters.sip.farewell import farewell
from intercom.adapters.sip.media_place import MediaPlace, MediaPlaces, local_media
from intercom.adapters.sip.picture_control import PICTURE_CONTROL, PictureControl
from intercom.adapters.sip.transport import SipTransport
from intercom.errors import MediaError, RemoteProtocolError
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.ports import PanelMedia
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.directory import Directory, EarlyMedia, Panel
from intercom.routing.ids import LegId, PanelId
from intercom.sip.description import Description
from intercom.sip.events import (
    DialogEnded,
    DialogId,
    InfoAnswered,
    InviteCancelled,
    InviteConfirmed,
    InviteReceived,
    OfferAnswered,
    ReinviteReceived,
    SipEvent,
)
from intercom.sip.offer_answer import (
    AcceptedOffer,
    Codec,
    Direction,
    LocalMedia,
    NegotiatedVideo,
    Srtp,
    accept_offer,
)

log = structlog.get_logger()

PressHandler = Callable[[Panel, str, LegId, PanelMedia], EndReason | None]

SILENCE_BEFORE_ANSWER_S = 3.0
"""A panel that sends nothing for so long after 183 gives nothing before 200."""

_REFUSALS: dict[EndReason, tuple[int, str]] = {
    EndReason.NO_SUCH_BUTTON: (404, "No such button"),
    EndReason.IN_USE: (486, "In use"),
    EndReason.NOBODY_ANSWERED: (480, "Nobody answers"),
    EndReason.NOBODY_REACHABLE: (480, "Nobody can be reached"),
    EndReason.TOO_MANY_CALLS: (480, "Too many calls right now"),
    EndReason.QUIET_HOURS: (480, "Quiet hours"),
    EndReason.DECLINED: (480, "Nobody answers"),
    EndReason.ANSWERED_ELSEWHERE: (487, "Joined by a newer press"),
    EndReason.VISITOR_LEFT: (487, "Request Terminated"),
    EndReason.OTHER_BUTTON: (487, "Another button was pressed"),
    EndReason.SHUTTING_DOWN: (503, "The service is stopping"),
    EndReason.FAULT: (500, "Fault in the router"),
}
_CODECS = "let the panel offer PCMA, PCMU, G.722 or Opus, encrypted only where its profile says so"
_PORTS = "widen INTERCOM_RTP_PORT_FIRST … INTERCOM_RTP_PORT_LAST"
_SILENT = 'give profile = { early = "answer" } for this panel: it sends nothing before the answer'
_DEFAULT_REFUSAL = (480, "Ended")
_BYE_WORDS = {
    EndReason.NOBODY_ANSWERED: "Nobody answers",
    EndReason.NOBODY_REACHABLE: "Nobody can be reached",
    EndReason.TOO_MANY_CALLS: "Too many calls right now",
    EndReason.QUIET_HOURS: "Quiet hours",
}


@dataclass(slots=True)
class PanelLeg:
    """One press's dialog."""

    leg_id: LegId
    dialog: DialogId
    panel: Panel
    accepted: AcceptedOffer | None
    """None: the panel left the offer to us, which goes out in 200 (RFC 3264 §5)."""
    signalling_host: str
    media: PlainLeg | None = None
    """Opened once the residents ring: they go first."""
    picture: PictureControl = field(init=False)
    description: Description | None = None
    refusal: tuple[int, str] | None = None
    """What went wrong here, to be said instead of the call's reason."""
    is_answered: bool = False
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    """The ACK for our 200 came."""
    on_info_answered: Callable[[int], None] | None = None
    is_taking_code: bool = False
    silence: asyncio.TimerHandle | None = None
    farewell: Announcement | None = None
    """The call is over; the visitor hears why."""
    reason: EndReason = EndReason.FAULT
    """Why, once it says farewell."""
    is_over: bool = False

    @property
    def codecs(self) -> tuple[Codec, ...]:
        return tuple(Codec[name] for name in self.panel.profile.codecs)

    @property
    def has_picture(self) -> bool:
        """Whether a picture is agreed on, or will be offered."""
        if self.panel.profile.early is EarlyMedia.SNAPSHOT:
            return False
        return self.accepted is None or self.accepted.negotiated.video is not None


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
        other_media: MediaPlace | None = None,
    ) -> None:
        """`ports` and `media_host` are for panels of their family, `other_media` for the other one's."""
        self.transport = transport
        self._media = MediaPlaces(MediaPlace(ports, media_host), other_media)
        self._directory = directory
        self._token = token
        self._on_press = on_press
        self._post = post
        self._legs: dict[LegId, PanelLeg] = {}
        self._leaving: dict[LegId, PanelLeg] = {}
        """Those that say farewell."""
        self._known_silent: set[PanelId] = set()

    # -- from the wire -----------------------------------------------------------------------

    def invite_received(self, event: InviteReceived) -> None:
        """Turn an authenticated INVITE into a press, or refuse it in words."""
        panel = self._panel_of(event)
        if panel is None:
            self._refuse(event.dialog, 403, "Not a panel of this building")
            return
        self.end_farewells(panel.panel_id)
        leg_id = LegId(f"panel-{self._token(12)}")
        leg = PanelLeg(leg_id, event.dialog, panel, None, event.source.host)
        try:
            leg.accepted = self._accept(leg, event.body) if event.body else None
        except RemoteProtocolError as error:
            self._log_refusal(error)
            self._refuse(event.dialog, error.status_hint, "No sound in common")
            return
        self._legs[leg_id] = leg
        self.transport.follow(
            event.dialog,
            lambda e: self._dialog_event(leg, e),
            leg_id=leg_id,
            label=f"panel {panel.panel_id}",
        )
        media = self._offered_media(leg)
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

    def _accept(self, leg: PanelLeg, offer: bytes) -> AcceptedOffer:
        host = self._media.toward(leg.signalling_host).host
        return accept_offer(
            offer,
            leg.codecs,
            has_video=leg.has_picture,
            srtp=Srtp(leg.panel.profile.srtp.value),
            ip_version=6 if ":" in host else 4,
        )

    def _offered_media(self, leg: PanelLeg) -> PanelMedia:
        """Say what is agreed, or will probably be: what nearly every panel can."""
        if leg.accepted is not None:
            audio, video = leg.accepted.negotiated.audio, leg.accepted.negotiated.video
            return PanelMedia(audio.codec, video, lambda: self._open_media(leg))
        local = LocalMedia("", 0, 0)
        guess = NegotiatedVideo(
            ("", 0),
            ("", 0),
            local.video_payload_type,
            local.profile_level_id,
            local.packetization_mode,
            None,
            can_send=False,
            can_receive=True,
        )
        picture = guess if leg.has_picture else None
        return PanelMedia(leg.codecs[0], picture, lambda: self._open_media(leg))

    def _open_media(self, leg: PanelLeg) -> PlainLeg:
        """Open the ports that were agreed on, and write the description that names them."""
        ports, host = self._media.toward(leg.signalling_host)
        try:
            media = PlainLeg.open(leg.leg_id, ports, with_video=leg.has_picture)
        except MediaError:
            log.exception("media.ports_exhausted", remedy=_PORTS)
            leg.refusal = (503, "No media port free")
            raise
        if leg.is_over:  # the panel has gone; the call will hear of it
            media.close()
            return media
        leg.media = media
        leg.picture = PictureControl(self.transport, leg.dialog, media)
        srtp = Srtp(leg.panel.profile.srtp.value)
        direction = Direction.RECVONLY if leg.accepted is None else Direction.SENDRECV
        local = local_media(
            host, media, codecs=leg.codecs, srtp=srtp, token=self._token, video_direction=direction
        )
        leg.description = Description(local)
        if leg.accepted is None:
            leg.description.offer()
        else:
            leg.description.accept(leg.accepted)
            media.start(leg.accepted.negotiated, signalling_host=leg.signalling_host)
        return media

    def _dialog_event(self, leg: PanelLeg, event: SipEvent) -> None:
        match event:
            case InviteCancelled() | DialogEnded():
                self._leave(leg)
            case ReinviteReceived(body=body):
                self._renegotiate(leg, body)
            case InviteConfirmed(body=body):
                leg.confirmed.set()
                if leg.accepted is None:
                    self._take_answer(leg, body)
            case OfferAnswered(body=body):
                self._take_answer(leg, body)
            case InfoAnswered(status=status, content_type=kind) if kind == PICTURE_CONTROL:
                leg.picture.answered(status)
            case InfoAnswered(status=status) if leg.on_info_answered is not None:
                leg.on_info_answered(status)
            case _:  # an INFO of a panel: nothing to do (its digits never count)
                pass

    def _take_answer(self, leg: PanelLeg, answer: bytes) -> None:
        """Take the answer to an offer of ours; a call that cannot have sound ends."""
        if leg.media is None or leg.description is None:
            return
        try:
            negotiated = leg.description.read(answer)
        except RemoteProtocolError as error:
            self._log_refusal(error)
            if not leg.media.is_ready:
                self.transport.endpoint.hang_up(
                    leg.dialog, self.transport.now, "No sound in common"
                )
                self._leave(leg)
            return
        leg.media.start(negotiated, signalling_host=leg.signalling_host)

    def _renegotiate(self, leg: PanelLeg, offer: bytes) -> None:
        """Answer an offer in mid-call: hold, another address, another codec. No late picture.

        The residents' apps have agreed on what they get before; a picture that comes later is refused.
        """
        respond, now = self.transport.endpoint.respond, self.transport.now
        if leg.media is None or leg.description is None or not leg.media.is_ready:
            respond(leg.dialog, now, 491)  # RFC 3261 §14.2
            return
        if not offer:  # its answer comes with the ACK
            respond(leg.dialog, now, 200, body=leg.description.offer())
            return
        try:
            body, negotiated = leg.description.answer(offer)
        except RemoteProtocolError as error:
            respond(leg.dialog, now, error.status_hint)
            return
        leg.media.update(negotiated)
        respond(leg.dialog, now, 200, body=body)

    # -- from the switchboard ----------------------------------------------------------------

    def progress(self, leg_id: LegId) -> None:
        """Give early media by 183 or, where the panel's profile says so, by 200."""
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        early = leg.panel.profile.early
        if early is EarlyMedia.ANSWER or leg.accepted is None:
            self.answer(leg_id)
            return
        self._respond(leg, 183)
        if early is EarlyMedia.PROGRESS and leg.panel.panel_id not in self._known_silent:
            loop = asyncio.get_running_loop()
            leg.silence = loop.call_later(SILENCE_BEFORE_ANSWER_S, self._check_silence, leg)

    def answer(self, leg_id: LegId) -> None:
        """Answer with 200, unless that was done."""
        leg = self._legs.get(leg_id)
        if leg is None or leg.is_answered:
            return
        leg.is_answered = True
        self._respond(leg, 200)

    def end(self, leg_id: LegId, reason: EndReason) -> None:
        """Refuse or hang up, whichever fits the leg's state, once the visitor has heard why."""
        leg = self._legs.get(leg_id)
        if leg is None or leg.farewell is not None:
            return
        prop = self._directory().properties[leg.panel.property_id]
        leg.farewell = farewell(reason, leg.media, prop)
        if leg.farewell is None:
            self._end_now(leg, reason)
        else:
            leg.reason = reason
            self._leaving[leg_id] = leg
            leg.farewell.start(lambda: self._end_now(leg, reason))

    def end_farewells(self, panel_id: PanelId | None = None) -> None:
        """End at once what only says farewell: its panel presses again, or (None) the service stops."""
        for leg in list(self._leaving.values()):
            if panel_id is None or leg.panel.panel_id == panel_id:
                self._end_now(leg, leg.reason)

    def _end_now(self, leg: PanelLeg, reason: EndReason) -> None:
        self._drop(leg)
        endpoint, now = self.transport.endpoint, self.transport.now
        if leg.is_answered:
            endpoint.hang_up(leg.dialog, now, _BYE_WORDS.get(reason, ""))
        else:
            status, words = leg.refusal or _REFUSALS.get(reason, _DEFAULT_REFUSAL)
            endpoint.respond(leg.dialog, now, status, reason=words)
        self.transport.drain()

    # -- from the driver of door codes ---------------------------------------------------------

    def in_call(self, panel_id: PanelId) -> PanelLeg | None:
        """Give the leg by which a panel is in a call now; one that is being refused has no media."""
        legs = (leg for leg in self._legs.values() if leg.panel.panel_id == panel_id)
        return next((leg for leg in legs if leg.media and leg.farewell is None), None)

    # -- small things ------------------------------------------------------------------------

    def _check_silence(self, leg: PanelLeg) -> None:
        """Tell the operator, once for each panel; the panel is not answered by itself.

        An answer would change what the panel shows, and for how long it lets the call ring.
        """
        if leg.is_answered or leg.media is None or leg.media.has_heard_anything:
            return
        self._known_silent.add(leg.panel.panel_id)
        log.warning("panel.silent_before_answer", remedy=_SILENT, **self._loggable(leg.panel))

    def _loggable(self, panel: Panel) -> dict[str, str]:
        """Say which panel it is only where the property's type allows that to be written."""
        return self._directory().properties[panel.property_id].loggable(panel_id=panel.panel_id)

    @staticmethod
    def _log_refusal(error: RemoteProtocolError) -> None:
        log.warning("panel.offer_refused", status=error.status_hint, remedy=f"{_CODECS}: {error}")

    def _respond(self, leg: PanelLeg, status: int) -> None:
        body = leg.description.body if leg.description is not None else b""
        self.transport.endpoint.respond(leg.dialog, self.transport.now, status, body=body)
        self.transport.drain()

    def _refuse(self, dialog: DialogId, status: int, words: str) -> None:
        self.transport.endpoint.respond(dialog, self.transport.now, status, reason=words)

    def _leave(self, leg: PanelLeg) -> None:
        self._drop(leg)
        self._post(leg.leg_id, ev.PanelLeft(leg.leg_id))

    def _drop(self, leg: PanelLeg) -> None:
        self._legs.pop(leg.leg_id, None)
        self._leaving.pop(leg.leg_id, None)
        self.transport.forget(leg.dialog)
        leg.is_over = True
        if leg.farewell is not None:
            leg.farewell.stop()
        if leg.silence is not None:
            leg.silence.cancel()
        if leg.media is not None:
            leg.media.close()
