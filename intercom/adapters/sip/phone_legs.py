"""Residents' phone legs: an ordinary phone over a trunk, or a SIP phone in the house or registered."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import structlog

from intercom.adapters.sip.media_place import MediaPlace, MediaPlaces, local_media
from intercom.adapters.sip.outcomes import (
    CERTIFICATE_REMEDY,
    FAILURES,
    NEXT_TRUNK,
    TRUNK_REMEDIES,
    UNREACHABLE_REMEDY,
)
from intercom.adapters.sip.phone_leg import PhoneLeg
from intercom.adapters.sip.phone_ways import PhoneWays
from intercom.adapters.sip.picture_control import PICTURE_CONTROL
from intercom.adapters.sip.registered import RegisteredPhones
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.transport import SipTransport
from intercom.adapters.sip.trunks import SILENCE_S, Trunks, Way
from intercom.errors import LocalProtocolError, MediaError, RemoteProtocolError
from intercom.media.conversion import NO_ROOM
from intercom.media.dtmf import parse_info
from intercom.media.leg import Media
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.ports import CallFacts, PhoneCall
from intercom.routing import events as ev
from intercom.routing.commands import DoorState, EndReason
from intercom.routing.dial_guard import DialGuard
from intercom.routing.events import LegFailure
from intercom.routing.ids import LegId
from intercom.routing.plan import PhoneTarget, RegisteredPhoneTarget, Target
from intercom.sip.agreement import Srtp
from intercom.sip.description import Description
from intercom.sip.events import (
    DialogEnded,
    InfoReceived,
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
    OfferAnswered,
    ReinviteReceived,
    SipEvent,
)
from intercom.sip.offer_answer import Direction

log = structlog.get_logger()

Networks = Sequence[IPv4Network | IPv6Network]

_PORTS = "widen INTERCOM_RTP_PORT_FIRST … INTERCOM_RTP_PORT_LAST"

ELSEWHERE = "Call completed elsewhere"
"""Then a phone shows no missed call (RFC 3326 §3.1). A carrier is told of no other reason: whether a
door was opened is not for it to know (requirement A12)."""
COME_BACK_S = 3.0
"""A phone whose connection is lost while it rings may register again: until then it has not failed."""
_TAKEN_ELSEWHERE = {EndReason.ANSWERED_ELSEWHERE, EndReason.OPENED_ELSEWHERE}


class SipPhoneLegs:
    """Implements `ports.ResidentLegs` for phones."""

    def __init__(
        self,
        transport: SipTransport,
        ports: PortPool,
        resolver: Resolver,
        trunks: Trunks,
        *,
        token: Callable[[int], str],
        caller_id: str,
        sip_host: str,
        media_host: str,
        media_networks: Networks,
        guard: DialGuard,
        post: Callable[[LegId, ev.Event], None],
        other_media: MediaPlace | None = None,
        registered: RegisteredPhones | None = None,
    ) -> None:
        self._transport = transport
        self._places = MediaPlaces(MediaPlace(ports, media_host), other_media)
        self._ways = PhoneWays(resolver, trunks, registered, caller_id=caller_id, sip_host=sip_host)
        self._trunks = trunks
        self._token = token
        self._media_networks = media_networks
        self._guard = guard
        self._post = post
        self._legs: dict[LegId, PhoneLeg] = {}

    # -- from the switchboard ----------------------------------------------------------------

    def ring(self, call: CallFacts, leg_id: LegId, target: Target) -> None:
        """Invite a resident's phone; ends in LegAnswered or LegFailed."""
        self.place(call.for_phone(), leg_id, target)

    def place(self, call: PhoneCall, leg_id: LegId, target: Target) -> None:
        """Invite the phone, whatever for; ends in LegAnswered or LegFailed."""
        destinations = self._ways.to(target)
        if not destinations:
            self._post(leg_id, ev.LegFailed(leg_id, LegFailure.NO_ROUTE))
            return
        if not self._is_affordable(call, leg_id, target):
            self._post(leg_id, ev.LegFailed(leg_id, LegFailure.LIMITED))
            return
        place = self._places.toward(destinations[0].address.host)
        try:
            has_picture = call.picture is not None and not isinstance(target, PhoneTarget)
            media = PlainLeg.open(leg_id, place.ports, with_video=has_picture)
        except MediaError:
            log.exception("media.ports_exhausted", remedy=_PORTS)
            self._guard.end(leg_id)
            self._post(leg_id, ev.LegFailed(leg_id, LegFailure.UNREACHABLE))
            return
        silence_s = SILENCE_S / max(len(destinations) - 1, 1)
        leg = PhoneLeg(leg_id, target, call, media, destinations, silence_s)
        leg.media_host = place.host
        self._legs[leg_id] = leg
        self._surely_invite(leg)
        self._transport.drain()

    def _surely_invite(self, leg: PhoneLeg) -> None:
        """Invite the phone, or tell why nobody is."""
        try:
            self._invite(leg)
        except LocalProtocolError:
            log.exception(
                "phone.address_unusable", remedy="correct sip_phones in the building file"
            )
            failure = LegFailure.NO_ROUTE
        except MediaError:
            log.exception("media.ports_exhausted", remedy=_PORTS)
            failure = LegFailure.UNREACHABLE
        else:
            return
        self._fail(leg, failure)

    def _invite(self, leg: PhoneLeg) -> None:
        """Invite the phone over the first way that was not tried yet."""
        destination = leg.later.pop(0)
        self._move_toward(leg, destination.address.host)
        leg.source_host = destination.address.host
        leg.is_on_stream = destination.is_flow and destination.address.transport.is_stream
        leg.early = None
        leg.way = destination.way
        leg.description = self._describe(leg.media_host, leg.call, leg.media, destination.srtp)
        leg.dialog = self._transport.endpoint.invite(
            self._transport.now,
            target=destination.target_uri,
            destination=destination.address,
            from_uri=destination.from_uri,
            from_display="" if leg.is_trunk else leg.call.caller_name,
            body=leg.description.offer(),
            credentials=destination.credentials,
            headers=destination.headers,
            silence_s=leg.silence_s if leg.later else SILENCE_S,
            is_flow=destination.is_flow,
        )
        self._transport.follow(
            leg.dialog,
            lambda event: self._dialog_event(leg, event),
            leg_id=leg.leg_id,
            label=f"trunk {leg.way.trunk.trunk_id}" if leg.way is not None else "SIP phone",
        )

    def _move_toward(self, leg: PhoneLeg, peer_host: str) -> None:
        """Take ports of the peer's IP family, where the way before was of the other one."""
        place = self._places.toward(peer_host)
        if place.host == leg.media_host:
            return
        has_picture = leg.media.video_port is not None
        moved = PlainLeg.open(leg.leg_id, place.ports, with_video=has_picture)
        leg.media.close()
        leg.media, leg.media_host = moved, place.host

    def _describe(self, host: str, call: PhoneCall, media: PlainLeg, srtp: Srtp) -> Description:
        """Prepare what is said of our sound and picture, with new keys for each way that has any.

        The picture is the panel's as it is, for it is not converted; the resident's own is not wanted.
        """
        local = local_media(
            host,
            media,
            codecs=call.codecs_to_offer(),
            srtp=srtp,
            token=self._token,
            video_direction=Direction.SENDONLY,
        )
        if call.picture is not None:
            local = replace(
                local,
                profile_level_id=call.picture.profile_level_id,
                packetization_mode=call.picture.packetization_mode,
            )
        return Description(local)

    def device_online(self, target: RegisteredPhoneTarget) -> None:
        """Ring again whoever lost its connection while it rang and is back."""
        for leg in list(self._legs.values()):
            ways = self._ways.to(target) if leg.target == target else []
            if ways and leg.return_limit is not None:
                leg.stop_waiting()
                leg.later = ways
                self._surely_invite(leg)
        self._transport.drain()

    def quiet(self, leg_id: LegId) -> None:
        """Do nothing: a phone's ringing cannot be softened."""

    def connect(self, leg_id: LegId) -> None:
        """Do nothing: an answered phone already knows that it is in the call."""

    def cancel(self, leg_id: LegId, reason: EndReason) -> None:
        """Stop ringing."""
        self.end(leg_id, reason)

    def end(self, leg_id: LegId, reason: EndReason) -> None:
        """CANCEL or BYE, whichever fits; what the far end still sends is cleaned up below us."""
        leg = self._legs.get(leg_id)
        if leg is None:
            return
        self._drop(leg)
        if leg.dialog is not None:
            words = ELSEWHERE if reason in _TAKEN_ELSEWHERE else ""
            self._transport.endpoint.hang_up(leg.dialog, self._transport.now, words)
            self._transport.drain()

    def tell_door(self, leg_id: LegId, state: DoorState, cause: str, pulse_ms: int) -> None:
        """Do nothing: a phone hears tones."""

    def tell_path(self, leg_id: LegId, media: Media, *, is_lost: bool, is_own: bool) -> None:
        """Do nothing: a phone shows no words."""

    # -- from the wire -----------------------------------------------------------------------

    def _dialog_event(self, leg: PhoneLeg, event: SipEvent) -> None:
        match event:
            case InviteProgressed():
                self._progressed(leg)
            case InviteAnswered(body=body):
                self._answered(leg, body)
            case InviteFailed():
                self._failed(leg, event)
            case DialogEnded():
                self._drop(leg)
                self._post(leg.leg_id, ev.LegEnded(leg.leg_id))
            case InfoReceived():
                self._info(leg, event)
            case ReinviteReceived() | OfferAnswered():
                self._renegotiate(leg, event)
            case _:
                pass

    def _info(self, leg: PhoneLeg, event: InfoReceived) -> None:
        if event.content_type == PICTURE_CONTROL and b"picture_fast_update" in event.body:
            leg.call.bridge.request_key_frame()
            return
        digit = parse_info(event.content_type, event.body) if leg.is_answered else None
        if digit is not None:
            leg.call.bridge.digit_by_info(leg.leg_id, digit)

    def _progressed(self, leg: PhoneLeg) -> None:
        """Tell once that it rings; a carrier's announcements before the answer are never bridged (B4)."""
        if leg.has_rung:
            return
        leg.has_rung = True
        if leg.way is not None:
            self._trunks.note(leg.way, is_alive=True)
            limit_s = leg.way.trunk.ring_s
            if limit_s is not None:
                loop = asyncio.get_running_loop()
                leg.ring_limit = loop.call_later(limit_s, self._give_up, leg)
        self._post(leg.leg_id, ev.LegRinging(leg.leg_id))

    def _give_up(self, leg: PhoneLeg) -> None:
        """End a phone that rang as long as its trunk may."""
        self.end(leg.leg_id, EndReason.STAGE_OVER)
        self._post(leg.leg_id, ev.LegFailed(leg.leg_id, LegFailure.NO_ANSWER))

    def _answered(self, leg: PhoneLeg, answer: bytes) -> None:
        if leg.way is not None:
            self._trunks.note(leg.way, is_alive=True)
        try:
            negotiated = leg.agreed(answer)
        except RemoteProtocolError as error:
            log.warning("phone.answer_unusable", status=error.status_hint)
            self._refuse_answer(leg)
            return
        if not leg.call.can_be_joined_by(negotiated.audio.codec):
            log.error("media.transcoding_refused", remedy=NO_ROOM)  # taken since it was offered
            self._refuse_answer(leg)
            return
        leg.is_answered = True
        if leg.ring_limit is not None:
            leg.ring_limit.cancel()
        own = leg.way.trunk.media_networks if leg.way is not None else ()
        networks = (own or self._media_networks) if leg.is_trunk else ()
        leg.media.start(negotiated, signalling_host=leg.source_host, media_networks=networks)
        leg.call.bridge.attach(leg.media, hears_visitor=False, is_phone=True)
        self._post(leg.leg_id, ev.LegAnswered(leg.leg_id))

    def _refuse_answer(self, leg: PhoneLeg) -> None:
        self.end(leg.leg_id, EndReason.FAULT)
        self._post(leg.leg_id, ev.LegFailed(leg.leg_id, LegFailure.REFUSED))

    def _failed(self, leg: PhoneLeg, event: InviteFailed) -> None:
        status = event.status
        default = LegFailure.UNREACHABLE if status >= 500 else LegFailure.REFUSED
        failure = FAILURES.get(status, default)
        if leg.way is not None:
            self._note_failure(leg.way, event, failure)
        is_down = failure is LegFailure.UNREACHABLE or status in NEXT_TRUNK
        if is_down and not leg.has_rung and leg.later and leg.dialog is not None:
            self._transport.forget(leg.dialog)
            self._surely_invite(leg)
            return
        if leg.has_lost_its_connection(event) and leg.dialog is not None:
            self._transport.forget(leg.dialog)
            loop = asyncio.get_running_loop()
            leg.return_limit = loop.call_later(COME_BACK_S, self._fail, leg, failure)
            return
        self._fail(leg, failure)

    def _fail(self, leg: PhoneLeg, failure: LegFailure) -> None:
        self._drop(leg)
        self._post(leg.leg_id, ev.LegFailed(leg.leg_id, failure))

    def _note_failure(self, way: Way, event: InviteFailed, failure: LegFailure) -> None:
        """Learn whether the trunk is there at all, and alert whoever can mend it."""
        self._trunks.note(way, is_alive=not event.is_local)
        trunk_id = way.trunk.trunk_id
        if event.status in TRUNK_REMEDIES:
            remedy = TRUNK_REMEDIES[event.status]
            log.error("trunk.refused", trunk_id=trunk_id, status=event.status, remedy=remedy)
        elif failure is LegFailure.UNREACHABLE and self._transport.is_mistrusted(way.address):
            log.error("trunk.certificate_refused", trunk_id=trunk_id, remedy=CERTIFICATE_REMEDY)
        elif failure is LegFailure.UNREACHABLE:
            log.error(
                "trunk.unreachable",
                trunk_id=trunk_id,
                status=event.status,
                remedy=UNREACHABLE_REMEDY,
            )

    def _renegotiate(self, leg: PhoneLeg, event: ReinviteReceived | OfferAnswered) -> None:
        if isinstance(event, OfferAnswered):
            self._offer_answered(leg, event.body)
        else:
            self._answer_offer(leg, event.body)

    def _answer_offer(self, leg: PhoneLeg, offer: bytes) -> None:
        now = self._transport.now
        assert leg.dialog is not None
        if not offer:
            body = leg.description.offer()
            self._transport.endpoint.respond(leg.dialog, now, 200, body=body)
            return
        try:
            answer, negotiated = leg.description.answer(offer)
        except RemoteProtocolError as error:
            self._transport.endpoint.respond(leg.dialog, now, error.status_hint)
            return
        if leg.is_answered:
            leg.media.update(negotiated)
        else:
            leg.early = offer, negotiated
        self._transport.endpoint.respond(leg.dialog, now, 200, body=answer)

    def _offer_answered(self, leg: PhoneLeg, answer: bytes) -> None:
        """Take over the answer to an offer of ours; an unusable one changes nothing (RFC 3261 §14.1)."""
        try:
            leg.media.update(leg.description.read(answer))
        except RemoteProtocolError as error:
            log.warning("phone.answer_unusable", status=error.status_hint)

    def _is_affordable(self, call: PhoneCall, leg_id: LegId, target: Target) -> bool:
        """Ask the guard against toll fraud; apps and SIP phones cost nothing."""
        if not isinstance(target, PhoneTarget):
            return True
        now = self._transport.now
        refusal = self._guard.start(leg_id, call.counted_for, target.number, now)
        if refusal is not None:
            log.error("trunk.limit_reached", remedy=f"{refusal.value}: see INTERCOM_PHONE_CALLS_…")
        return refusal is None

    def _drop(self, leg: PhoneLeg) -> None:
        self._guard.end(leg.leg_id)
        self._legs.pop(leg.leg_id, None)
        leg.stop_waiting()
        if leg.dialog is not None:
            self._transport.forget(leg.dialog)
        leg.media.close()
