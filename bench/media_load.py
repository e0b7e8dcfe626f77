"""Drive bench/media_load.c: compile it, write its plan, run it on the second core, read its figures."""

import json
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sipp import end, on_core

SOURCE = Path(__file__).with_name("media_load.c")
SLOT_US = 250
DRAIN_MS = 300
LIMIT_S = 30.0
"""Beyond its own time."""
_RECORD = struct.Struct("=QI")


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of one class of packets."""

    expected: int
    received: int
    extra: int
    p50_us: float
    p99_us: float
    max_us: float

    @property
    def loss(self) -> float:
        """Give the part that did not arrive."""
        return 1 - self.received / self.expected if self.expected else 1.0


@dataclass(frozen=True, slots=True)
class Load:
    """What one run found."""

    seconds: float
    late_p50_us: float
    late_p99_us: float
    late_max_us: float
    """How late the generator itself was."""
    cpu_s: float
    """Of the generator."""
    unknown: int
    rtcp: int
    other: int
    send_errors: int
    classes: tuple[Arrival, ...]
    used_s: float
    """CPU of what is measured, by `spent`, between the same two moments."""

    @property
    def carried(self) -> list[Arrival]:
        """Give the classes that had packets."""
        return [each for each in self.classes if each.expected]


Script = list[tuple[int, bytes]]
"""Packets with their moments, in ns from the script's begin."""


@dataclass(slots=True)
class Plan:
    """Who sends what to whom, and when."""

    warm_up_s: float
    measure_s: float
    lines: list[str] = field(default_factory=list)
    packets: bytearray = field(default_factory=bytearray)
    sockets: dict[int, socket.socket] = field(default_factory=dict)
    _scripts: int = 0
    _streams: int = 0

    @property
    def length_s(self) -> float:
        """Give the time for which scripts must last."""
        return self.warm_up_s + self.measure_s + 0.5

    def add_script(self, script: Script) -> int:
        """Take packets that streams can play; give their number."""
        self.lines.append(f"script {len(self.packets)} {len(script)}")
        for offset_ns, packet in script:
            self.packets += _RECORD.pack(offset_ns, len(packet)) + packet
        self._scripts += 1
        return self._scripts - 1

    def add_socket(self, one: socket.socket) -> None:
        """Read from a socket, too."""
        if one.fileno() not in self.sockets:
            self.sockets[one.fileno()] = one
            self.lines.append(f"socket {one.fileno()}")

    def add_stream(
        self,
        one: socket.socket,
        to: tuple[str, int],
        script: int,
        *,
        phase_s: float,
        ssrc: int = 0,
        repeat_s: float = 0.0,
    ) -> int:
        """Send a script from a socket, under another SSRC or its own, again and again or once."""
        self.add_socket(one)
        phase_ns, repeat_ns = round(phase_s * 1e9), round(repeat_s * 1e9)
        self.lines.append(
            f"stream {one.fileno()} {to[0]} {to[1]} {script} {phase_ns} {ssrc} {repeat_ns}"
        )
        self._streams += 1
        return self._streams - 1

    def add_flow(self, ssrc: int, stream: int, kind: int, *, is_stamped: bool = False) -> None:
        """Expect a stream's packets under an SSRC, counted in a class."""
        self.lines.append(f"flow {ssrc} {stream} {kind} {int(is_stamped)}")


class Generator:
    """The compiled program."""

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            message = "a C compiler is missing: apt-get install gcc libc6-dev"
            raise SystemExit(message)
        self._folder = folder
        self._program = folder / "media_load"
        command = [compiler, "-O2", "-Wall", "-o", str(self._program), str(SOURCE)]
        subprocess.run(command, check=True, timeout=60)

    def run(self, plan: Plan, spent: Callable[[], float]) -> Load:
        """Play a plan; `spent` reads the CPU seconds of what is measured."""
        times = (plan.warm_up_s * 1000, plan.measure_s * 1000, DRAIN_MS, SLOT_US)
        text, packets = self._folder / "plan", self._folder / "packets"
        first = "run {:.0f} {:.0f} {} {}".format(*times)
        text.write_text("\n".join([first, *plan.lines]) + "\n")
        packets.write_bytes(bytes(plan.packets) or b"\0")
        command = on_core(1, str(self._program), str(text), str(packets))
        process = subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=tuple(plan.sockets))
        try:
            used = self._between(process, spent)
            assert process.stdout is not None
            found = json.loads(process.stdout.readline() or b"{}")
            process.wait(LIMIT_S)
        finally:
            end(process)
            if process.stdout is not None:
                process.stdout.close()
        if not found:
            message = f"the load generator ended with {process.returncode}"
            raise SystemExit(message)
        classes = tuple(Arrival(**each) for each in found.pop("classes"))
        return Load(**found, classes=classes, used_s=used)

    @staticmethod
    def _between(process: "subprocess.Popen[bytes]", spent: Callable[[], float]) -> float:
        assert process.stdout is not None
        moments = {}
        for _ in range(2):
            word = process.stdout.readline().strip()
            moments[word] = spent()
        return moments.get(b"end", 0.0) - moments.get(b"begin", 0.0)


def audio_script(
    seconds: float,
    ssrc: int,
    frames: Sequence[bytes],
    *,
    payload_type: int = 8,
    step_ts: int = 160,
    is_stamped: bool = False,
) -> Script:
    """Make a stream of 20 ms each: the frames again and again; a stamped one begins with its index."""
    script: Script = []
    for n in range(round(seconds * 50)):
        number = payload_type | (n == 0) << 7
        head = struct.pack("!BBHII", 0x80, number, n & 0xFFFF, step_ts * n & 0xFFFFFFFF, ssrc)
        frame = frames[n % len(frames)]
        payload = n.to_bytes(4) + frame[4:] if is_stamped else frame
        script.append((n * 20_000_000, head + payload))
    return script


PICTURE_PAYLOAD_TYPE = 96
FRAMES_A_SECOND = 25
GOP_FRAMES = 50
GOP_S = GOP_FRAMES / FRAMES_A_SECOND
KEY_FRAME_BYTES, FRAME_BYTES, PICTURE_PACKET_BYTES = 18_000, 2_000, 1_100


def picture_script(seconds: float, ssrc: int) -> Script:
    """Make H.264 of 57 packets and 58 kB a second: key frames of 18 kB each 2 s, others of 2 kB."""
    script: Script = []
    for frame in range(round(seconds * FRAMES_A_SECOND)):
        payloads = list(_picture(is_key=frame % GOP_FRAMES == 0))
        for n, payload in enumerate(payloads):
            number = PICTURE_PAYLOAD_TYPE | (n == len(payloads) - 1) << 7
            at_ts = frame * 90_000 // FRAMES_A_SECOND
            head = struct.pack("!BBHII", 0x80, number, len(script) & 0xFFFF, at_ts, ssrc)
            script.append((frame * 1_000_000_000 // FRAMES_A_SECOND, head + payload))
    return script


def _picture(*, is_key: bool) -> list[bytes]:
    """Make one picture's payloads (RFC 6184): SPS and PPS before a key frame, then fragments."""
    size, kind = (KEY_FRAME_BYTES, 5) if is_key else (FRAME_BYTES, 1)
    sets = [bytes.fromhex("6742c01fda0280bfe5"), bytes.fromhex("68ce3c80")] if is_key else []
    count = -(-size // PICTURE_PACKET_BYTES)
    for n in range(count):
        bits = (n == 0) << 7 | (n == count - 1) << 6
        sets.append(bytes([0x7C if is_key else 0x5C, bits | kind]) + b"\x88" * (size // count))
    return sets


def sender_report(ssrc: int) -> bytes:
    """Write an RTCP sender report with a name (RFC 3550 §6.4.1, §6.5)."""
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, ssrc, 1, 0, 0, 0, 0)
    return report + struct.pack("!BBHIBB2sH", 0x81, 202, 3, ssrc, 1, 2, b"ab", 0) + bytes(0)


def wait_until_quiet(is_done: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Ask again and again, for so long."""
    until = time.monotonic() + limit_s
    while not is_done():
        if time.monotonic() > until:
            message = "the far side did not get ready"
            raise SystemExit(message)
        time.sleep(0.05)
