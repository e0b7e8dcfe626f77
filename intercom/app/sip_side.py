"""The SIP side of the service: endpoint, transport, panels' legs and phones' legs, joined."""

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack

from intercom.adapters.sip.inbound import InboundCalls
from intercom.adapters.sip.lag import LagMeter
from intercom.adapters.sip.media_place import MediaPlace, MediaPlaces
from intercom.adapters.sip.panel_legs import SipPanelLegs
from intercom.adapters.sip.phone_legs import SipPhoneLegs
from intercom.adapters.sip.registered import RegisteredPhones
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.stream_limits import StreamLimits
from intercom.adapters.sip.tls import Tls, TlsFiles
from intercom.adapters.sip.transport import SipTransport, StreamSettings
from intercom.adapters.sip.trunks import Trunks
from intercom.app.listed import ListedHosts
from intercom.check_calls import CheckCalls
from intercom.media.port import PortPool
from intercom.routing.dial_guard import DialGuard
from intercom.routing.directory import Directory, Panel
from intercom.routing.events import Event
from intercom.routing.ids import LegId, PanelId
from intercom.routing.plan import RegisteredPhoneTarget
from intercom.settings import Settings, SipDigest
from intercom.settings.addresses import Face, advertised_addresses, faces_of
from intercom.sip.address import Address, Transport, host_port
from intercom.sip.digest import BOTH, MD5_ALONE
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import InviteReceived
from intercom.switchboard import Switchboard

SPARE_PORT_PAIRS = 9
"""Three calls with picture and phone that begin at once wait for no socket."""


USUAL_BURST_S = 0.2
"""So long there may always be more to read without its being overload: a busy core has such bursts."""
TOKENS_AHEAD = 4_096
"""Characters; a call takes 300 of them in twenty tokens, and each draw asks the system."""


class Tokens:
    """Random hexadecimal characters, drawn ahead; none is given twice."""

    def __init__(self) -> None:
        self._ahead = ""
        self._at = 0

    def __call__(self, length: int) -> str:
        """Give `length` of them."""
        if self._at + length > len(self._ahead):
            self._ahead, self._at = secrets.token_hex(max(TOKENS_AHEAD, length) // 2 + 1), 0
        at = self._at
        self._at = at + length
        return self._ahead[at : self._at]


token = Tokens()


class SipSide:
    """Everything that speaks SIP; the transport does not listen before it is entered."""

    def __init__(
        self,
        settings: Settings,
        directory: Callable[[], Directory],
        resolver: Resolver,
        switchboard: Switchboard,
        stack: AsyncExitStack,
    ) -> None:
        self._directory = directory
        self._switchboard = switchboard
        self.check_calls = CheckCalls(token=token)
        self.registered = RegisteredPhones(directory)
        faces = faces_of(settings)
        first, *others = addresses_of(settings)
        endpoint = Endpoint(
            EndpointConfig(
                local=first,
                also_local=tuple(others),
                realm=settings.sip_realm,
                digest_algorithms=BOTH if settings.sip_digest is SipDigest.BOTH else MD5_ALONE,
                password_of=self._password_of,
                is_trusted=self._is_trusted,
                is_listed=ListedHosts(directory, resolver).has,
                is_callback=self._is_callback,
            ),
            token=token,
        )
        self.tls = Tls(
            TlsFiles(
                settings.sip_tls_certificate,
                settings.sip_tls_key,
                settings.sip_tls_client_ca,
                settings.sip_tls_ca,
            )
        )
        self.transport = SipTransport(
            endpoint,
            faces[0].bind,
            settings.sip_port,
            also_host=faces[1].bind if len(faces) > 1 else None,
            streams=StreamSettings(
                self.tls,
                settings.sip_tls_port if settings.has_sip_tls else None,
                StreamLimits(
                    connections=settings.sip_connections,
                    per_source=settings.sip_connections_per_address,
                ),
            ),
        )
        self.lag = LagMeter(self._note_lag)
        self.lag.start()
        stack.callback(self.lag.stop)
        place, *other_places = (_media_place(settings, face, stack) for face in faces)
        other_media = other_places[0] if other_places else None
        self.panel_legs = SipPanelLegs(
            self.transport,
            place.ports,
            directory=directory,
            token=token,
            media_host=place.host,
            other_media=other_media,
            on_press=switchboard.press,
            post=switchboard.post,
        )
        self.inbound = InboundCalls(
            self.transport, MediaPlaces(place, other_media), directory=directory, token=token
        )
        self.transport.on_invite = self._invite_received
        self.registered.start(self.transport)
        self.trunks = Trunks(
            self.transport, resolver, directory=directory, caller_id=settings.caller_id
        )
        self.phone_legs = SipPhoneLegs(
            self.transport,
            place.ports,
            resolver,
            self.trunks,
            token=token,
            caller_id=settings.caller_id,
            sip_host=faces[0].advertised,
            media_host=place.host,
            other_media=other_media,
            media_networks=settings.media_networks,
            guard=DialGuard(settings.dial_limits),
            post=self._phone_event,
            registered=self.registered,
        )
        self.check_calls.start(self.phone_legs)

        def online(target: RegisteredPhoneTarget) -> None:
            self.phone_legs.device_online(target)  # first: what rings again is no new leg
            switchboard.device_online(target)

        self.registered.on_online = online

    def stop(self) -> None:
        """End what outlives the calls: farewells, callers, registrations with carriers."""
        self.panel_legs.end_farewells()
        self.inbound.stop()
        self.trunks.withdraw()

    def _phone_event(self, leg_id: LegId, event: Event) -> None:
        if not self.check_calls.post(leg_id, event):
            self._switchboard.post(leg_id, event)

    def _note_lag(self, lag_s: float, now: float) -> None:
        """Tell the endpoint how late messages are handled: the loop may be in time, and its reader not.

        Whoever waits for half a second says everything again, so that there is ever more to read.
        """
        behind_s = self.transport.behind_s(now) - USUAL_BURST_S
        self.transport.endpoint.note_lag(max(lag_s, behind_s), now)

    def _invite_received(self, event: InviteReceived) -> None:
        if event.is_callback:
            self.inbound.invite_received(event)
        elif not self.registered.refuses(event):
            self.panel_legs.invite_received(event)

    def _password_of(self, user: str) -> str | None:
        """Give a panel's or SIP phone's password: they share one name space."""
        panel = self._directory().panels.get(PanelId(user))
        return panel.password if panel else self.registered.password_of(user)

    def _is_callback(self, source: Address, dialled: str) -> bool:
        return self.trunks.is_calling_us(source, dialled)

    def _is_trusted(self, source: Address, from_user: str) -> bool:
        """Tell whether it is a panel that its address, or its TLS certificate, proves."""
        panel = self._directory().panels.get(PanelId(from_user))
        if panel is None:
            return False
        return source.host in panel.allowed_addresses or self._has_proven(source, panel)

    def _has_proven(self, source: Address, panel: Panel) -> bool:
        if not panel.certificate_name or source.transport is not Transport.TLS:
            return False
        name = self.transport.peer_name(source)
        return name is not None and name.lower() == panel.certificate_name


def addresses_of(settings: Settings) -> list[Address]:
    """List what we are reachable as, UDP first."""
    kinds = [(Transport.UDP, settings.sip_port), (Transport.TCP, settings.sip_port)]
    if settings.has_sip_tls:
        kinds.append((Transport.TLS, settings.sip_tls_port))
    hosts = advertised_addresses(settings)
    return [Address(host, port, kind) for kind, port in kinds for host in hosts]


def sip_line(settings: Settings) -> str:
    """Say where SIP is received."""
    found: dict[str, list[str]] = {}
    for address in addresses_of(settings):
        found.setdefault(host_port(address), []).append(address.transport.value.lower())
    return "SIP " + ", ".join(f"{'+'.join(kinds)} {place}" for place, kinds in found.items())


def _media_place(settings: Settings, face: Face, stack: AsyncExitStack) -> MediaPlace:
    pool = PortPool(face.media_bind, settings.rtp_port_first, settings.rtp_port_last)
    pool.keep_spares(SPARE_PORT_PAIRS)
    stack.callback(pool.close)
    return MediaPlace(pool, face.media_advertised)
