"""A call by IPv6, by UDP and by TCP: signalled, heard and answered over ::1."""

import asyncio
import re
import socket

import pytest

from intercom.adapters.sip.media_place import MediaPlace, MediaPlaces
from intercom.adapters.sip.panel_legs import SipPanelLegs
from intercom.media.leg import Media
from intercom.media.port import PortPool
from intercom.routing.commands import EndReason
from intercom.sip.address import Address, Transport
from intercom.sip.digest import Credentials
from intercom.sip.events import DialogEnded, InviteAnswered
from intercom.sip.offer_answer import LocalMedia, make_offer
from tests.adapters.sip_rig import HOST, until
from tests.adapters.stream_rig import listening_router
from tests.fakes import PANEL, Posted, make_house

V6 = "::1"
RTP = bytes.fromhex("8008000100000001000000ff") + b"\xd5" * 160


def test_the_place_of_sound_is_of_the_peer_s_family():
    v4, v6 = MediaPlace(None, HOST), MediaPlace(None, V6)

    assert MediaPlaces(v4, v6).toward("2001:db8::1") is v6
    assert MediaPlaces(v4, v6).toward("192.0.2.1") is v4
    assert MediaPlaces(v6, v4).toward("192.0.2.1") is v4
    assert MediaPlaces(v4).toward("2001:db8::1") is v4


@pytest.mark.parametrize("kind", [Transport.UDP, Transport.TCP])
async def test_a_call_by_ipv6_has_its_sound_by_ipv6(kind):
    house = make_house()
    loop = asyncio.get_running_loop()
    opened = []
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sound:
        sound.bind((V6, 0))
        sound.setblocking(False)
        async with (
            listening_router(also_host=V6, password_of=lambda _: "panel's own") as router,
            listening_router(host=V6) as panel,
        ):
            legs = SipPanelLegs(
                router,
                PortPool(HOST),
                directory=lambda: house,
                token=router.endpoint._core.token,
                media_host=HOST,
                other_media=MediaPlace(PortPool(V6), V6),
                on_press=lambda _panel, _button, leg_id, media: opened.append(
                    (leg_id, media.open())
                ),
                post=Posted(),
            )
            router.on_invite = legs.invite_received
            port = sound.getsockname()[1]
            offer = make_offer(LocalMedia(host=V6, audio_port=port, audio_rtcp_port=port + 1))
            events = []
            dialog = panel.endpoint.invite(
                panel.now,
                target=f"sip:anna@[{V6}]",
                destination=Address(V6, router.port, kind),
                from_uri=f"sip:{PANEL}@[{V6}]",
                body=offer,
                credentials=Credentials(PANEL, "panel's own"),
            )
            panel.follow(dialog, events.append)
            panel.drain()
            await until(lambda: opened)
            leg_id, leg = opened[0]
            heard = []
            leg.on_rtp = lambda _leg, _media, packet, _now: heard.append(bytes(packet))
            legs.answer(leg_id)
            await until(lambda: events and isinstance(events[-1], InviteAnswered))
            answer = events[-1].body.decode()
            audio_port = int(re.search(r"m=audio (\d+)", answer).group(1))
            await loop.sock_sendto(sound, RTP, (V6, audio_port))
            await until(lambda: heard)
            leg.send_rtp(Media.AUDIO, RTP)
            async with asyncio.timeout(2):
                back, source = await loop.sock_recvfrom(sound, 2048)
            legs.end(leg_id, EndReason.NOBODY_ANSWERED)
            await until(lambda: isinstance(events[-1], DialogEnded))

            assert f"c=IN IP6 {V6}" in answer
            assert heard == [RTP]
            assert (back, source[:2]) == (RTP, (V6, audio_port))
