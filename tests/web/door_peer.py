"""The media side of one call for the browser tests: a stock aiortc peer that offers."""

import asyncio
import fractions
from pathlib import Path

import av
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpSender,
    RTCSessionDescription,
    VideoStreamTrack,
)
from aiortc.mediastreams import MediaStreamError

FRAMES_A_SECOND = 8


def picture_of(png: Path) -> av.VideoFrame:
    """Read a picture from a file."""
    with av.open(str(png)) as file:
        return next(file.decode(video=0)).reformat(format="yuv420p")


class StillPicture(VideoStreamTrack):
    """One picture again and again while it `moves`."""

    def __init__(self, picture: av.VideoFrame) -> None:
        super().__init__()
        self._frame = picture
        self._count = 0
        self.moves = asyncio.Event()
        self.moves.set()

    async def recv(self) -> av.VideoFrame:
        """Give the next frame."""
        await asyncio.sleep(1 / FRAMES_A_SECOND)
        await self.moves.wait()
        if self.readyState != "live":
            raise MediaStreamError
        self._count += 1
        frame = self._frame.reformat(format="yuv420p")
        frame.pts = self._count * 90_000 // FRAMES_A_SECOND
        frame.time_base = fractions.Fraction(1, 90_000)
        return frame


class DoorPeer:
    """Offers silence and the picture; takes the browser's answer."""

    def __init__(self, picture: av.VideoFrame, sound: MediaStreamTrack | None = None) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.picture = StillPicture(picture)
        audio = self.connection.addTransceiver(sound or AudioStreamTrack(), direction="sendrecv")
        video = self.connection.addTransceiver(self.picture, direction="sendonly")
        audio.setCodecPreferences(_codecs("audio", "audio/PCMA"))
        video.setCodecPreferences(_codecs("video", "video/H264"))

    async def offer(self) -> str:
        """Make the offer for the ring frame."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, sdp: str) -> None:
        """Take the browser's answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def close(self) -> None:
        """Stop."""
        self.picture.moves.set()
        self.picture.stop()
        await self.connection.close()


def _codecs(kind: str, mime_type: str) -> list[RTCRtpCodecCapability]:
    codecs = RTCRtpSender.getCapabilities(kind).codecs
    return [codec for codec in codecs if codec.mimeType == mime_type]
