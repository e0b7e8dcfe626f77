"""Residents' phone legs: an ordinary phone over a trunk, or a SIP phone at a fixed address."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

import structlog

from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.transport import SipTransport
from intercom.errors import LocalProtocolError, MediaError, RemoteProtocolError
from intercom.media.dtmf import parse_info
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.ports import CallFacts
from intercom.routing import events as ev
from intercom.routing.commands import DoorState, EndReason
from intercom.routing.dial_guard import DialGuard
from intercom.routing.directory import Directory, Trunk
from intercom.routing.events import LegFailure
from intercom.routing.ids import LegId
from intercom.routing.plan import PhoneTarget, SipPhoneTarget, Target
from intercom.sip.address import Address, bracketed
from intercom.sip.endpoint import Credentials
from intercom.sip.events import (
    DialogEnded,
    DialogId,
    InfoReceived,
    InviteAnswered,
    InviteFailed,
    InviteProgressed,
    ReinviteReceived,
    SipEvent,
)
from intercom.sip.offer_answer import (
    Law,
    LocalMedia,
    make_answer,
    make_offer,
    read_answer,
)

log = structlog.get_logger()

_FAILURES: dict[int, LegFailure] = {
    401: LegFailure.REFUSED,
    403: LegFailure.REFUSED,
    404: LegFailure.NO_ROUTE,
    407: LegFailure.REFUSED,
    408: LegFailure.UNREACHABLE,
    480: LegFailure.NO_ANSWER,
    484: LegFailure.NO_ROUTE,
    486: LegFailure.BUSY,
    487: LegFailure.CANCELLED,
    488: LegFailure.REFUSED,
    600: LegFailure.BUSY,
    603: LegFailure.DECLINED,
    604: LegFailure.NO_ROUTE,
}
_PORTS = "widen INTERCOM_RTP_PORT_FIRST … INTERCOM_RTP_PORT_LAST"
_TRUNK_REMEDIES: dict[int, str] = {
    401: "the trunk's user name or password is wrong: correct [[trunk]] in the building file",
    403: "the carrier forbids this call: ask it to allow your caller ID and this address",
    407: "the trunk's user name or password is wrong: correct [[trunk]] in the building file",
    488: "the carrier takes none of our codecs: ask it for G.711 (PCMA or PCMU)",
}


_SILENCE_S = 4.0
"""A trunk or phone that says nothing at all for so long, not even 100, is down."""


ELSEWHERE = "Call completed elsewhere"
"""Then a phone shows no missed call (RFC 3326 §3.1). A carrier is told of no other reason: whether a
door was opened is not for it to know (requirement A12)."""
_TAKEN_ELSEWHERE = {EndReason.ANSWERED_ELSEWHERE, EndReason.OPENED_ELSEWHERE}


@dataclass(slots=True)
class _PhoneLeg:
    leg_id: LegId
    call: CallFacts
    media: PlainLeg
    offer: bytes
    local: LocalMedia
    is_trunk: bool
    later: list["_Destination"]
    """The trunks to try if those before are down."""
    source_host: str = ""
    dialog: DialogId | None = None
    has_rung: bool = False
    """The trunk works: what fails from now on is the phone's own, and it is not rung by another."""
    is_answered: bool = False


@dataclass(frozen=True, slots=True)
class _Destination:
    address: Address
    target_uri: str
    from_uri: str
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None


class SipPhoneLegs:
    """Implements `ports.ResidentLegs` for phones."""

    def __init__(
        self,
        transport: SipTransport,
        ports: PortPool,
        resolver: Resolver,
        *,
        directory: Callable[[], Directory],
        token: Callable[[int], str],
        caller_id: str,
        sip_host: str,
        media_host: str,
        media_networks: Sequence[IPv4Network | IPv6Network],
        guard: DialGuard,
        post: Callable[[LegId, ev.Event], None],
    ) -> None:
        self._transport = transport
        self._ports = ports
        self._resolver = resolver
        self._directory = directory
        self._token = token
        self._caller_id = caller_id
        self._sip_host = bracketed(sip_host)
        self._media_host = media_host
        self._media_networks = media_networks
        self._guard = guard
        self._post = post
        self._legs: dict[LegId, _PhoneLeg] = {}

    # -- from the switchboard ----------------------------------------------------------------

    def ring(self, call: CallFacts, leg_id: LegId, target: Target) -> None:
        """Invite the phone; ends in LegAnswered or LegFailed."""
        destinations = self._destinations_of(target)
        if not destinations or not self._is_affordable(call, leg_id, target):
            self._post(leg_id, ev.LegFailed(leg_id, LegFailure.NO_ROUTE))
            return
        try:
            media = PlainLeg.open(leg_id, self._ports, with_video=False)
        except MediaError:
            log.exception("media.ports_exhausted", remedy=_PORTS)
            self._guard.end(leg_id)
            self._post(leg_id, ev.LegFailed(leg_id, LegFailure.UNREACHABLE))
            return
        local = LocalMedia(
            host=self._media_host,
            audio_port=media.audio_port,
            audio_rtcp_port=media.audio_rtcp_port,
            video_port=None,
            video_rtcp_port=None,
            laws=_laws_like(call.law),
            session_id=int(self._token(8), 16),
        )
        leg = _PhoneLeg(
            leg_id,
            call,
            media,
            make_offer(local),
            local,
            is_trunk=isinstance(target, PhoneTarget),
            later=destinations,
        )
        self._legs[leg_id] = leg
        try:
            self._invite(leg)
        except LocalProtocolError:
            log.exception(
                "phone.address_unusable", remedy="correct sip_phones in the building file"
            )
            self._drop(leg)
            self._post(leg_id, ev.LegFailed(leg_id, LegFailure.NO_ROUTE))
            return
        self._transport.drain()

    def _invite(self, leg: _PhoneLeg) -> None:
        """Invite the phone over the first way that was not tried yet."""
        destination = leg.later.pop(0)
        leg.source_host = destination.address.host
        leg.dialog = self._transport.endpoint.invite(
            self._transport.now,
            target=destination.target_uri,
            destination=destination.address,
            from_uri=destination.from_uri,
            from_display="" if leg.is_trunk else leg.call.door.name,
            body=leg.offer,
            credentials=destination.credentials,
            headers=destination.headers,
            silence_s=_SILENCE_S,
        )
        self._transport.follow(leg.dialog, lambda event: self._dialog_event(leg, event))

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

    # -- from the wire -----------------------------------------------------------------------

    def _dialog_event(self, leg: _PhoneLeg, event: SipEvent) -> None:
        match event:
            case InviteProgressed():
                leg.has_rung = True
                # A carrier's announcements before the answer are never bridged (requirement B4).
                self._post(leg.leg_id, ev.LegRinging(leg.leg_id))
            case InviteAnswered(body=body):
                self._answered(leg, body)
            case InviteFailed(status=status):
                self._failed(leg, status)
            case DialogEnded():
                self._drop(leg)
                self._post(leg.leg_id, ev.LegEnded(leg.leg_id))
            case InfoReceived(content_type=content_type, body=body):
                digit = parse_info(content_type, body) if leg.is_answered else None
                if digit is not None:
                    leg.call.bridge.digit_by_info(leg.leg_id, digit)
            case ReinviteReceived(body=body):
                self._renegotiate(leg, body)
            case _:
                pass

    def _answered(self, leg: _PhoneLeg, answer: bytes) -> None:
        try:
            negotiated = read_answer(leg.offer, answer)
        except RemoteProtocolError as error:
            log.warning("phone.answer_unusable", status=error.status_hint)
            self.end(leg.leg_id, EndReason.FAULT)
            self._post(leg.leg_id, ev.LegFailed(leg.leg_id, LegFailure.REFUSED))
            return
        leg.is_answered = True
        leg.media.start(
            negotiated,
            signalling_host=leg.source_host,
            media_networks=self._media_networks if leg.is_trunk else (),
        )
        leg.call.bridge.attach(leg.media, hears_visitor=False, is_phone=True)
        self._post(leg.leg_id, ev.LegAnswered(leg.leg_id))

    def _failed(self, leg: _PhoneLeg, status: int) -> None:
        default = LegFailure.UNREACHABLE if status >= 500 else LegFailure.REFUSED
        failure = _FAILURES.get(status, default)
        if leg.is_trunk and status in _TRUNK_REMEDIES:
            log.error("trunk.refused", status=status, remedy=_TRUNK_REMEDIES[status])
        elif leg.is_trunk and failure is LegFailure.UNREACHABLE:
            log.error(
                "trunk.unreachable", status=status, remedy="is the trunk's address right and up?"
            )
        is_down = failure is LegFailure.UNREACHABLE and not leg.has_rung
        if is_down and leg.later and leg.dialog is not None:
            self._transport.forget(leg.dialog)
            self._invite(leg)
            return
        self._drop(leg)
        self._post(leg.leg_id, ev.LegFailed(leg.leg_id, failure))

    def _renegotiate(self, leg: _PhoneLeg, offer: bytes) -> None:
        now = self._transport.now
        assert leg.dialog is not None
        if not offer:
            self._transport.endpoint.respond(leg.dialog, now, 200, body=leg.offer)
            return
        try:
            answer, negotiated = make_answer(offer, leg.local)
        except RemoteProtocolError as error:
            self._transport.endpoint.respond(leg.dialog, now, error.status_hint)
            return
        leg.media.update(negotiated)
        self._transport.endpoint.respond(leg.dialog, now, 200, body=answer)

    def _is_affordable(self, call: CallFacts, leg_id: LegId, target: Target) -> bool:
        """Ask the guard against toll fraud; apps and SIP phones cost nothing."""
        if not isinstance(target, PhoneTarget):
            return True
        now = self._transport.now
        refusal = self._guard.start(leg_id, call.panel.panel_id, target.number, now)
        if refusal is not None:
            log.error("trunk.limit_reached", remedy=f"{refusal.value}: see INTERCOM_PHONE_CALLS_…")
        return refusal is None

    # -- where to ----------------------------------------------------------------------------

    def _destinations_of(self, target: Target) -> list[_Destination]:
        """List the ways to a phone, the best first."""
        match target:
            case PhoneTarget(number=number):
                return self._over_trunks(number)
            case SipPhoneTarget(uri=uri):
                address = self._resolver.of_uri(uri)
                identity = f"sip:{self._caller_id}@{self._sip_host}"
                return [] if address is None else [_Destination(address, uri, identity)]
            case _:
                return []

    def _over_trunks(self, number: str) -> list[_Destination]:
        """Take the trunks that may present our caller ID; there is no other From, ever."""
        trunks = [each for each in self._directory().trunks if self._caller_id in each.caller_ids]
        if not trunks:
            log.error(
                "trunk.none_fits",
                remedy="add a [[trunk]] that lists INTERCOM_CALLER_ID among its caller_ids",
            )
        found = []
        for trunk in trunks:
            address = self._resolver.of_host(trunk.address)
            if address is None:
                log.error("trunk.unknown_host", trunk_id=trunk.trunk_id, remedy="check its address")
            else:
                found.append(self._by_trunk(trunk, address, number))
        return found

    def _by_trunk(self, trunk: Trunk, address: Address, number: str) -> _Destination:
        host = trunk.address
        identity = f"sip:{self._caller_id}@{self._sip_host}"
        credentials = None
        if trunk.username is not None:
            credentials = Credentials(trunk.username, trunk.password or "")
        return _Destination(
            address,
            f"sip:{number}@{host}",
            identity,
            (("P-Asserted-Identity", f"<{identity}>"),),
            credentials,
        )

    def _drop(self, leg: _PhoneLeg) -> None:
        self._guard.end(leg.leg_id)
        self._legs.pop(leg.leg_id, None)
        if leg.dialog is not None:
            self._transport.forget(leg.dialog)
        leg.media.close()


def _laws_like(panel_law: Law) -> tuple[Law, ...]:
    """Put the panel's law first, so that nothing needs converting."""
    return (Law.PCMA, Law.PCMU) if panel_law is Law.PCMA else (Law.PCMU, Law.PCMA)
