"""The media side of one call for the browser tests: a stock aiortc peer that offers."""

import asyncio
import fractions
from pathlib import Path

import av
from aiortc import (
    AudioStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError

FRAMES_A_SECOND = 8


class StillPicture(VideoStreamTrack):
    """One picture again and again, until `is_frozen`."""

    def __init__(self, png: Path) -> None:
        super().__init__()
        with av.open(str(png)) as file:
            self._frame = next(file.decode(video=0)).reformat(format="yuv420p")
        self._count = 0
        self.is_frozen = False

    async def recv(self) -> av.VideoFrame:
        """Give the next frame."""
        await asyncio.sleep(1 / FRAMES_A_SECOND)
        while self.is_frozen:
            await asyncio.sleep(0.1)
        if self.readyState != "live":
            raise MediaStreamError
        self._count += 1
        frame = self._frame.reformat(format="yuv420p")
        frame.pts = self._count * 90_000 // FRAMES_A_SECOND
        frame.time_base = fractions.Fraction(1, 90_000)
        return frame


class DoorPeer:
    """Offers silence and the picture; takes the browser's answer."""

    def __init__(self, png: Path) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.picture = StillPicture(png)
        self.connection.addTransceiver(AudioStreamTrack(), direction="sendrecv")
        video = self.connection.addTransceiver(self.picture, direction="sendonly")
        capabilities = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences([one for one in capabilities if one.mimeType == "video/H264"])

    async def offer(self) -> str:
        """Make the offer for the ring frame."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, sdp: str) -> None:
        """Take the browser's answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def close(self) -> None:
        """Stop."""
        self.picture.stop()
        await self.connection.close()
