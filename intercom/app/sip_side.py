"""The SIP side of the service: endpoint, transport, panels' legs and phones' legs, joined."""

import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack

from intercom.adapters.sip.panel_legs import SipPanelLegs
from intercom.adapters.sip.phone_legs import SipPhoneLegs
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.transport import SipTransport
from intercom.media.port import PortPool
from intercom.routing.dial_guard import DialGuard
from intercom.routing.directory import Directory
from intercom.routing.ids import PanelId
from intercom.settings import Settings, SipDigest
from intercom.settings.addresses import (
    advertised_address,
    advertised_media_address,
    media_bind_address,
)
from intercom.sip.address import Address
from intercom.sip.digest import BOTH, MD5_ALONE
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.switchboard import Switchboard

SPARE_PORT_PAIRS = 9
"""Three calls with picture and phone that begin at once wait for no socket."""


def token(length: int) -> str:
    """Give `length` random hexadecimal characters."""
    return secrets.token_hex((length + 1) // 2)[:length]


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
        advertised = advertised_address(settings)
        media_host = advertised_media_address(settings)
        endpoint = Endpoint(
            EndpointConfig(
                local=Address(advertised, settings.sip_port),
                realm=settings.sip_realm,
                digest_algorithms=BOTH if settings.sip_digest is SipDigest.BOTH else MD5_ALONE,
                password_of=self._panel_password,
                is_trusted=self._is_trusted,
            ),
            token=token,
        )
        self.transport = SipTransport(endpoint, settings.sip_host, settings.sip_port)
        pool = PortPool(
            media_bind_address(settings), settings.rtp_port_first, settings.rtp_port_last
        )
        pool.keep_spares(SPARE_PORT_PAIRS)
        stack.callback(pool.close)
        self.panel_legs = SipPanelLegs(
            self.transport,
            pool,
            directory=directory,
            token=token,
            media_host=media_host,
            on_press=switchboard.press,
            post=switchboard.post,
        )
        self.transport.on_invite = self.panel_legs.invite_received
        self.phone_legs = SipPhoneLegs(
            self.transport,
            pool,
            resolver,
            directory=directory,
            token=token,
            caller_id=settings.caller_id,
            sip_host=advertised,
            media_host=media_host,
            media_networks=settings.media_networks,
            guard=DialGuard(settings.dial_limits),
            post=switchboard.post,
        )

    def _panel_password(self, user: str) -> str | None:
        panel = self._directory().panels.get(PanelId(user))
        return panel.password if panel else None

    def _is_trusted(self, source: Address, from_user: str) -> bool:
        panel = self._directory().panels.get(PanelId(from_user))
        return panel is not None and source.host in panel.allowed_addresses
