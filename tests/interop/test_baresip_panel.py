"""Our SIP endpoint takes baresip for a panel: digest registration, a call with sound and H.264."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_sim.sip_socket import SipSocket, open_sip_socket, token
from intercom.media import g711, rtp
from intercom.media.tones import tone_share
from intercom.sip.address import Address
from intercom.sip.digest import MD5_ALONE
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import (
    BindingChanged,
    DialogEnded,
    InviteConfirmed,
    InviteReceived,
    SipEvent,
)
from intercom.sip.offer_answer import Codec, LocalMedia, Negotiated, make_answer
from tests.interop.machine import Namespace, free_port
from tests.interop.strangers import Baresip

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]


class Socket(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.packets.append(data)


class Station:
    """The router's panel side, as small as may be: registers panels, answers with sound and picture."""

    def __init__(self, sip: SipSocket, events: asyncio.Queue[SipEvent], host: str) -> None:
        self.sip = sip
        self.events = events
        self.sound, self.picture = Socket(), Socket()
        self.transports: list[asyncio.BaseTransport] = []
        self._host = host

    async def event(self, *kinds: type[SipEvent]) -> list[SipEvent]:
        """Wait for these events, in this order."""
        found = []
        async with asyncio.timeout(10):
            for kind in kinds:
                while not isinstance(event := await self.events.get(), kind):
                    pass
                found.append(event)
        return found

    async def answer(self, invite: InviteReceived, *statuses: int) -> Negotiated:
        """Respond with the same SDP in each status: 183 and 200."""
        loop = asyncio.get_running_loop()
        ports = []
        for each in (self.sound, self.picture):
            ports.append(free_port(self._host))
            address = (self._host, ports[-1])
            transport, _ = await loop.create_datagram_endpoint(lambda s=each: s, local_addr=address)
            self.transports.append(transport)
        local = LocalMedia(self._host, ports[0], ports[0] + 1, ports[1], ports[1] + 1)
        body, negotiated = make_answer(invite.body, local)
        for status in statuses:
            self.sip.endpoint.respond(invite.dialog, self.sip.now, status, body=body)
            self.sip.flush()
            await asyncio.sleep(0.5)
        return negotiated


@contextlib.asynccontextmanager
async def station_and_panel(folder: Path) -> AsyncIterator[tuple[Station, Baresip]]:
    def build(local: Address) -> Endpoint:
        passwords = {"panel": "secret"}
        config = EndpointConfig(local, password_of=passwords.get, digest_algorithms=MD5_ALONE)
        return Endpoint(config, token=token)

    events: asyncio.Queue[SipEvent] = asyncio.Queue()
    async with (
        Namespace() as namespace,
        open_sip_socket(namespace.host, 0, build, events.put_nowait) as sip,
        Baresip(
            namespace,
            folder=folder,
            server=(namespace.host, sip.local.port),
            username="panel",
            password="secret",
        ) as panel,
    ):
        station = Station(sip, events, namespace.host)
        try:
            yield station, panel
        finally:
            for transport in station.transports:
                transport.close()


async def test_baresip_panel_registers_calls_and_sends_sound_and_h264(tmp_path: Path) -> None:
    async with station_and_panel(tmp_path) as (station, panel):
        await station.event(BindingChanged)
        await panel.registered()
        await panel.dial(f"sip:100@{station.sip.local.host}:{station.sip.local.port}")
        (invite,) = await station.event(InviteReceived)
        assert isinstance(invite, InviteReceived)
        negotiated = await station.answer(invite, 183, 200)
        await station.event(InviteConfirmed)
        await asyncio.sleep(1.5)
        await panel.hang_up()
        await station.event(DialogEnded)

    assert (invite.username, invite.request_user) == ("panel", "100")
    assert negotiated.audio.codec is Codec.PCMA
    assert negotiated.video is not None
    sound = b"".join(payload_of(packet) for packet in station.sound.packets)
    assert len(sound) > 8000
    assert tone_share(g711.decode(sound, Codec.PCMA), 440) > 0.95
    assert len(station.picture.packets) > 10


def payload_of(packet: bytes) -> bytes:
    header = rtp.parse(packet)
    assert header is not None
    return packet[header.payload_start : header.payload_end] if header.payload_type == 8 else b""
