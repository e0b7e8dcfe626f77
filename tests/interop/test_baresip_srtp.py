"""Our SRTP with keys from SDP against baresip's: sound both ways and a picture, with nothing in clear."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from firmware_sim.sip_socket import open_sip_socket, token
from intercom.media import g711, rtp
from intercom.media.leg import Media
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.media.tones import tone, tone_share
from intercom.routing.ids import LegId
from intercom.sip.address import Address
from intercom.sip.agreement import LocalMedia, Srtp
from intercom.sip.description import Description
from intercom.sip.digest import MD5_ALONE
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import InviteConfirmed, InviteReceived, SipEvent
from intercom.sip.offer_answer import Codec
from tests.interop.machine import Namespace
from tests.interop.strangers import Baresip

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]


class Station:
    """The router's side of one call."""

    def __init__(self, sip, events, panel: Baresip, host: str) -> None:
        self.sip, self.events, self.panel = sip, events, panel
        self.leg = PlainLeg.open(LegId("panel"), PortPool(host), with_video=True)
        self.heard: dict[Media, list[bytes]] = {media: [] for media in Media}
        self.leg.on_rtp = lambda leg, media, packet, now: self.heard[media].append(bytes(packet))
        self._host = host

    async def answer(self, policy: Srtp) -> None:
        """Take the call that baresip makes."""
        await self.panel.dial(f"sip:100@{self.sip.local.host}:{self.sip.local.port}")
        invite = await self._event(InviteReceived)
        leg = self.leg
        description = Description(
            LocalMedia(
                self._host,
                leg.audio_port,
                leg.audio_rtcp_port,
                leg.video_port,
                leg.video_rtcp_port,
                srtp=policy,
                keys=leg.draw_keys(),
            )
        )
        self.offer = invite.body
        body, self.negotiated = description.answer(invite.body)
        leg.start(self.negotiated, signalling_host=invite.source.host)
        self.sip.endpoint.respond(invite.dialog, self.sip.now, 200, body=body)
        self.sip.flush()
        await self._event(InviteConfirmed)

    async def talk(self, seconds: float) -> None:
        """Send a tone of 1 kHz in real time."""
        payload = g711.encode(tone([1000], 20), Codec.PCMA)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for n in range(int(50 * seconds)):
            self.leg.send_rtp(Media.AUDIO, rtp.build_header(8, n, 160 * n, 7) + payload)
            await asyncio.sleep(max(0.0, began + 0.02 * (n + 1) - loop.time()))

    async def _event(self, kind):
        async with asyncio.timeout(10):
            while not isinstance(event := await self.events.get(), kind):
                pass
        return event


@contextlib.asynccontextmanager
async def station_and_panel(folder: Path, encryption: str) -> AsyncIterator[Station]:
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
            media_encryption=encryption,
        ) as panel,
    ):
        await panel.registered()
        station = Station(sip, events, panel, namespace.host)
        try:
            yield station
        finally:
            station.leg.close()


@pytest.mark.parametrize(
    ("encryption", "protocol"), [("srtp", b"RTP/AVP"), ("srtp-mand", b"RTP/SAVP")]
)
@pytest.mark.parametrize("policy", [Srtp.OPTIONAL, Srtp.REQUIRED])
async def test_baresip_and_we_hear_and_see_each_other_over_srtp(
    tmp_path: Path, encryption: str, protocol: bytes, policy: Srtp
) -> None:
    async with station_and_panel(tmp_path, encryption) as station:
        await station.answer(policy)
        await station.talk(2.0)
        await station.panel.hang_up()
        await asyncio.sleep(0.3)
        heard_there = station.panel.heard()

    assert protocol in station.offer
    assert station.negotiated.audio.crypto is not None
    assert station.negotiated.video is not None
    assert station.negotiated.video.crypto is not None
    assert station.leg.auth_failed <= 4  # baresip 1.0 sends an RTCP APP and its BYE in clear
    sound = b"".join(packet[12:] for packet in station.heard[Media.AUDIO])
    assert len(sound) > 8000
    assert tone_share(g711.decode(sound, Codec.PCMA), 440) > 0.95
    assert len(station.heard[Media.VIDEO]) > 10
    assert tone_share(heard_there[-16_000:], 1000) > 0.8
