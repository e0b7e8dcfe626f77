"""A flood of INVITEs from one address against the running router, with a call up through it.

Flood(127.0.0.66) ──2,000 INVITE/s──┐
panel (127.0.0.1) ◄──── sound ────► router ◄──── sound ────► SIP phone (127.0.0.1)
"""

import asyncio
import contextlib
import re
import socket
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from intercom.media import rtp
from intercom.sip.address import Address
from intercom.sip.endpoint import Credentials
from intercom.sip.events import InviteAnswered, InviteReceived
from intercom.sip.offer_answer import LocalMedia, make_answer, make_offer
from tests.adapters.sip_rig import Stranger, stranger, until
from tests.interop.house import BUTTON, HOST, PANEL, PANEL_PASSWORD, Door, House, Router
from tests.interop.machine import free_tcp_port

FLOODER = "127.0.0.66"
BATCH_S = 0.01
PACKET_S = 0.02
PTIME_TS = 160


class Flood:
    """Sends ever new INVITEs from its own thread, so that it keeps its pace; bounded in time."""

    def __init__(
        self,
        target: tuple[str, int],
        *,
        rate: int,
        limit_s: float,
        host: str = FLOODER,
        ports: int = 1,
        method: str = "INVITE",
    ) -> None:
        self.sent = 0
        self._target = target
        self._rate = rate
        self._limit_s = limit_s
        self._method = method
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(ports)]
        for one in self._sockets:
            one.bind((host, 0))
            one.setblocking(False)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
        for one in self._sockets:
            one.close()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._is_over.wait(BATCH_S):
            elapsed_s = time.monotonic() - began
            if elapsed_s > self._limit_s:
                return
            while self.sent < elapsed_s * self._rate:
                one = self._sockets[self.sent % len(self._sockets)]
                with contextlib.suppress(OSError):
                    one.sendto(self._message(self.sent), self._target)
                self.sent += 1

    def _message(self, number: int) -> bytes:
        host, port = self._target
        mark = f"{number}-{id(self)}"
        return (
            f"{self._method} sip:{number}@{host}:{port} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {FLOODER}:5060;branch=z9hG4bK{mark};rport\r\nMax-Forwards: 70\r\n"
            f"From: <sip:user-{number}@{host}>;tag={mark}\r\nTo: <sip:user-{number}@{host}>\r\n"
            f"Call-ID: {mark}\r\nCSeq: 1 {self._method}\r\n"
            f"Contact: <sip:{number}@{FLOODER}>\r\nContent-Length: 0\r\n\r\n"
        ).encode()


class Sound:
    """One end's RTP socket, with RTCP beside it: sends a packet each 20 ms and counts what comes."""

    def __init__(self) -> None:
        while True:
            self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.rtp.bind((HOST, 0))
            self.port = int(self.rtp.getsockname()[1])
            self.rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                self.rtcp.bind((HOST, self.port + 1))
                break
            self.rtp.close()
            self.rtcp.close()
        self.rtp.setblocking(False)
        self.sent = 0
        self.heard: set[int] = set()
        """Sequence numbers."""

    @property
    def media(self) -> LocalMedia:
        return LocalMedia(host=HOST, audio_port=self.port, audio_rtcp_port=self.port + 1)

    async def talk(self, port: int, packets: int) -> None:
        """Send to the router's port, and listen meanwhile."""
        began = time.monotonic()
        for number in range(packets):
            header = rtp.build_header(8, number & 0xFFFF, PTIME_TS * number, self.port)
            self.rtp.sendto(header + bytes(160), (HOST, port))
            self.sent += 1
            self.listen()
            await asyncio.sleep(max(0.0, began + (number + 1) * PACKET_S - time.monotonic()))

    def listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet = self.rtp.recv(2048)
                if packet[1] & 0x7F == 8:
                    self.heard.add(int.from_bytes(packet[2:4], "big"))

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the flood did."""

    lost_share: float
    """The worse of both directions."""
    late_share: float
    """Of the loop's ticks, those that came more than 20 ms late."""
    flood_sent: int
    metrics: dict[str, float]


async def read_metrics(port: int) -> dict[str, float]:
    """Read /metrics; the keys hold the labels as they are written."""
    async with aiohttp.ClientSession() as http, http.get(f"http://{HOST}:{port}/metrics") as answer:
        text = await answer.text()
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


@contextlib.asynccontextmanager
async def call_up(
    router: Router, panel: Stranger, phone: Stranger
) -> AsyncIterator[tuple[Sound, int, Sound, int]]:
    """Let the panel ring and the phone answer; give both sounds with the router's ports for them."""
    door, desk = Sound(), Sound()
    host, port = router.sip
    try:
        panel.sip.endpoint.invite(
            panel.sip.now,
            target=f"sip:{BUTTON}@{host}:{port}",
            destination=Address(host, port),
            from_uri=f"sip:{PANEL}@{host}:{port}",
            body=make_offer(door.media),
            credentials=Credentials(PANEL, PANEL_PASSWORD),
        )
        panel.sip.flush()
        ring = await phone.hear(InviteReceived)
        phone.respond(200, body=make_answer(ring.body, desk.media)[0])
        answered = await panel.hear(InviteAnswered)
        yield door, _audio_port(answered.body), desk, _audio_port(ring.body)
    finally:
        door.close()
        desk.close()


def _late_share(before: dict[str, float], after: dict[str, float]) -> float:
    in_time, ticks = (
        after[name] - before[name]
        for name in (
            'intercom_loop_lag_seconds_bucket{le="0.02"}',
            'intercom_loop_lag_seconds_bucket{le="+Inf"}',
        )
    )
    return 1 - in_time / ticks


def _audio_port(body: bytes) -> int:
    match = re.search(rb"m=audio (\d+)", body)
    assert match is not None
    return int(match[1])


async def live_audio(folder: Path, *, duration_s: float, rate: int) -> Outcome:
    """Flood the running router for so long, with a call up; say what was lost."""
    metrics_port = free_tcp_port(HOST)
    async with stranger() as panel, stranger() as phone, Door() as door:
        house = House(
            sip_phone=f"sip:desk@{HOST}:{phone.address.port}",
            settings={"INTERCOM_METRICS_PORT": str(metrics_port)},
        )
        async with Router(replace(house), folder=folder, door=door) as router:
            await asyncio.sleep(1.0)
            async with call_up(router, panel, phone) as (at_door, to_door, at_desk, to_desk):
                packets = int(duration_s / PACKET_S)
                before = await read_metrics(metrics_port)
                flood = Flood(router.sip, rate=rate, limit_s=duration_s)
                with flood:
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(at_door.talk(to_door, packets))
                        tasks.create_task(at_desk.talk(to_desk, packets))
                await asyncio.sleep(0.1)
                at_door.listen()
                at_desk.listen()
                metrics = await read_metrics(metrics_port)
    heard = min(len(at_door.heard), len(at_desk.heard))
    return Outcome(
        lost_share=max(0.0, 1 - heard / min(packets, 65_536)),
        late_share=_late_share(before, metrics),
        flood_sent=flood.sent,
        metrics=metrics,
    )


__all__ = ["Flood", "Outcome", "Sound", "live_audio", "read_metrics", "until"]
