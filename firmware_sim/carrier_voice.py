"""The carrier's own RTP: plays a script into a call, and records what the caller says to it."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from typing_extensions import override

from firmware_sim.carrier_sounds import Script
from firmware_sim.process import WavRecorder, now_ms
from firmware_sim.voice import FRAME_MS, Playout, Voice
from intercom.media import g711, rtp
from intercom.sip.offer_answer import Codec, LocalMedia, NegotiatedAudio, make_answer

CODECS = (Codec.PCMU, Codec.PCMA)
FRAME_S = FRAME_MS / 1000


class CarrierVoice(asyncio.DatagramProtocol):
    """One answered offer. Made by `open_voice`."""

    def __init__(self, recorder: WavRecorder) -> None:
        self.answer = b""
        """The SDP that answers the offer."""
        self._recorder = recorder
        self._playout = Playout()
        self._audio: NegotiatedAudio
        self._transport: asyncio.DatagramTransport

    def accept(self, offer: bytes) -> None:
        """Negotiate; raise RemoteProtocolError for an offer without G.711."""
        host, port = self._transport.get_extra_info("sockname")
        local = LocalMedia(
            host, port, port + 1, codecs=CODECS, session_id=secrets.randbelow(1 << 31)
        )
        self.answer, negotiated = make_answer(offer, local)
        self._audio = negotiated.audio

    async def play(self, script: Script) -> None:
        """Play the script and then silence, a packet every 20 ms, until cancelled."""
        loop = asyncio.get_running_loop()
        voice = Voice(
            self._audio.codec,
            self._audio.dtmf_send_payload_type,
            ssrc=secrets.randbits(32),
            sequence_number=secrets.randbits(15),
            timestamp=secrets.randbits(32),
        )
        presses = dict(script.presses)
        began_at = loop.time()
        for index, frame in enumerate(script.then_silence()):
            if index in presses:
                voice.press(presses[index])
            for packet in voice.next_packets(frame):
                self._transport.sendto(packet, self._audio.remote)
            await asyncio.sleep(began_at + (index + 1) * FRAME_S - loop.time())

    @override
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # asyncio's own documentation has it so
        self._transport = transport

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        header = rtp.parse(data)
        if header is not None and header.payload_type == self._audio.payload_type:
            pcm = g711.decode(data[header.payload_start : header.payload_end], self._audio.codec)
            at_ms = self._playout.at_ms(header.ssrc, header.timestamp, now_ms())
            self._recorder.write(pcm, at_ms)

    def close(self) -> None:
        self._transport.close()


@contextlib.asynccontextmanager
async def open_voice(host: str, offer: bytes, recorder: WavRecorder) -> AsyncIterator[CarrierVoice]:
    """Answer an offer on a free port while the context lasts."""
    voice = CarrierVoice(recorder)
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(lambda: voice, local_addr=(host, 0))
    try:
        voice.accept(offer)
        yield voice
    finally:
        voice.close()
