"""The headless app's half of a call's sound and picture, on aiortc's own tracks."""

import asyncio
import fractions
from collections.abc import Callable

import aioice.ice
import av
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from typing_extensions import override

from firmware_sim import process
from firmware_sim.voice import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, Playout, endless, tone

CLOSE_S = 2.0
SECOND_MS = 1000


def stay_on_loopback() -> None:
    """Let the app use 127.0.0.1 alone; aioice would use every address but that one."""
    aioice.ice.get_host_addresses = _loopback  # the function's one caller is in its own module


def _loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:  # noqa: ARG001 - aioice's signature
    return [process.HOST]


class ToneTrack(MediaStreamTrack):
    """A steady tone in real time: what the resident says."""

    kind = "audio"

    def __init__(self, tone_hz: int) -> None:
        super().__init__()
        self._frames = endless(tone((tone_hz,), SECOND_MS))
        self._started_at: float | None = None
        self._count = 0

    @override
    async def recv(self) -> av.AudioFrame:
        """Give the next 20 ms, when it is time for it."""
        if self.readyState != "live":
            raise MediaStreamError
        now = asyncio.get_running_loop().time()
        if self._started_at is None:
            self._started_at = now
        await asyncio.sleep(self._started_at + self._count * FRAME_MS / 1000 - now)
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME_SAMPLES)
        frame.planes[0].update(next(self._frames).ljust(FRAME_BYTES, b"\0"))
        frame.sample_rate = process.SAMPLE_HZ
        frame.pts = self._count * FRAME_SAMPLES
        frame.time_base = fractions.Fraction(1, process.SAMPLE_HZ)
        self._count += 1
        return frame


class AppMedia:
    """One call's peer connection: answers at once, is silent until `talk`, and listens."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        *,
        on_sound: Callable[[bytes, int], None],
        on_frame: Callable[[int], None],
        on_state: Callable[[str], None],
    ) -> None:
        self._tasks = tasks
        self._on_sound = on_sound
        self._on_frame = on_frame
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("track", self._listen)
        self._connection.on(
            "connectionstatechange", lambda: on_state(self._connection.connectionState)
        )
        self._voice: ToneTrack | None = None

    async def answer(self, offer: str) -> str:
        """Answer the service's offer: sound both ways from the start, though nothing is sent."""
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        self._audio().direction = "sendrecv"
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    def talk(self, tone_hz: int) -> None:
        """Open the microphone, without renegotiation."""
        if self._voice is None:
            self._voice = ToneTrack(tone_hz)
            self._audio().sender.replaceTrack(self._voice)

    async def close(self) -> None:
        """End sound and picture; bounded."""
        if self._voice is not None:
            self._voice.stop()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            return

    def _audio(self) -> RTCRtpTransceiver:
        return next(each for each in self._connection.getTransceivers() if each.kind == "audio")

    def _listen(self, track: MediaStreamTrack) -> None:
        self._tasks.create_task(self._hear(track) if track.kind == "audio" else self._watch(track))

    async def _hear(self, track: MediaStreamTrack) -> None:
        playout = Playout()
        while (frame := await _next_frame(track)) is not None:
            if isinstance(frame, av.AudioFrame):
                timestamp = (frame.pts or 0) & 0xFFFFFFFF
                self._on_sound(_pcm(frame), playout.at_ms(0, timestamp, process.now_ms()))

    async def _watch(self, track: MediaStreamTrack) -> None:
        while await _next_frame(track) is not None:
            self._on_frame(process.now_ms())


async def _next_frame(track: MediaStreamTrack) -> object | None:
    try:
        return await track.recv()
    except MediaStreamError:  # the track has ended
        return None


def _pcm(frame: av.AudioFrame) -> bytes:
    """Take the samples of a G.711 frame, which aiortc decodes to 16-bit mono at 8 kHz."""
    return bytes(frame.planes[0])[: frame.samples * process.BYTES_PER_SAMPLE]
