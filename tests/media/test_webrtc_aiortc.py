"""A stock aiortc peer connection as the app: another ICE, DTLS, SRTP, SDP and H.264 than ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from av import AudioFrame, VideoFrame

from intercom.media.leg import Media
from intercom.media.webrtc import WebRtcFailure
from intercom.sip.offer_answer import Codec
from tests.media.h264_clip import TICKS_A_FRAME, encode
from tests.media.webrtc_apps import Door, panel_video, rtp

LOUD_PCMA = bytes([0x2A]) * 80 + bytes([0xAA]) * 80  # full scale, 50 Hz


@asynccontextmanager
async def app_at(
    door: Door,
) -> AsyncIterator[tuple[RTCPeerConnection, dict[str, MediaStreamTrack]]]:
    """Let an app answer the door's offer with a (silent) microphone."""
    app = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    tracks: dict[str, MediaStreamTrack] = {}
    app.on("track", lambda track: tracks.__setitem__(track.kind, track))
    try:
        await app.setRemoteDescription(RTCSessionDescription(door.leg.offer(), "offer"))
        app.addTrack(AudioStreamTrack())
        await app.setLocalDescription(await app.createAnswer())
        door.leg.accept_answer(app.localDescription.sdp)
        yield app, tracks
    finally:
        await app.close()


async def loudest(track: MediaStreamTrack) -> int:
    """Listen until something is heard, and return the largest sample."""
    async with asyncio.timeout(3):
        while True:
            frame = await track.recv()
            assert isinstance(frame, AudioFrame)
            samples = memoryview(bytes(frame.planes[0])).cast("h")
            if peak := max(samples):
                return peak


async def test_aiortc_hears_the_panel_in_its_law_and_is_heard():
    async with Door(codec=Codec.PCMA) as door, app_at(door) as (_, tracks):
        await door.is_ready()
        out = door.leg.out(Media.AUDIO)
        for number in range(25):
            packet = rtp(out.payload_type, number, number * 160, out.ssrc, LOUD_PCMA)
            door.leg.send_rtp(Media.AUDIO, packet)

        assert await loudest(tracks["audio"]) > 20_000
        said = await door.has_heard(3)
        assert {packet[1] & 0x7F for packet in said} == {door.leg.in_payload_type(Media.AUDIO)}
        assert {len(packet) for packet in said} == {172}


async def test_aiortc_decodes_the_panels_picture():
    async with Door(video=panel_video()) as door, app_at(door) as (_, tracks):
        await door.is_ready()
        out = door.leg.out(Media.VIDEO)
        number = 0
        for index, payloads in enumerate(encode("42e01f", 8)):
            for position, payload in enumerate(payloads):
                marker = 0x80 if position == len(payloads) - 1 else 0
                packet = rtp(
                    out.payload_type | marker, number, index * TICKS_A_FRAME, out.ssrc, payload
                )
                door.leg.send_rtp(Media.VIDEO, packet)
                number += 1

        async with asyncio.timeout(3):
            frame = await tracks["video"].recv()

        assert isinstance(frame, VideoFrame)
        assert (frame.width, frame.height) == (640, 480)


async def test_aiortc_leaving_is_noticed_at_once():
    async with Door() as door:
        async with app_at(door):
            await door.has_heard(1)  # its side of the handshake is complete, too

        assert await door.failure() is WebRtcFailure.CLOSED_BY_APP
