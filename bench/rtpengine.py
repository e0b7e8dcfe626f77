"""rtpengine, a media relay in C, driven by its `ng` protocol: one thread, no kernel module."""

import contextlib
import itertools
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sipp import end, on_core

from intercom.demo.processes import free_ports

HOST = "127.0.0.1"
RTP_PORTS = (24_000, 32_700)
START_S, WAIT_S = 5.0, 5.0
HOW_TO_INSTALL = "rtpengine is missing: deploy/setup.sh bench (Debian package rtpengine-daemon)"


def is_there() -> bool:
    """Tell whether it is installed."""
    return shutil.which("rtpengine") is not None


class Relay:
    """A running one."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.connect((HOST, port))
        self._udp.settimeout(WAIT_S)
        self._cookies = itertools.count(1)

    def close(self) -> None:
        """Free the socket."""
        self._udp.close()

    def ask(self, command: str, **words: object) -> dict[str, Any]:
        """Send one command; underscores become hyphens."""
        asked = {"command": command, **{k.replace("_", "-"): v for k, v in words.items()}}
        cookie = f"{next(self._cookies)}".encode()
        self._udp.send(cookie + b" " + _encode(asked))
        while True:
            got, _, rest = self._udp.recv(65536).partition(b" ")
            if got == cookie:
                break
        reply, _ = _decode(rest, 0)
        if reply.get("result") not in ("ok", "pong"):
            message = f"rtpengine refused {command}: {reply}"
            raise SystemExit(message)
        return dict(reply)

    def offer(self, call: str, sdp: str, **words: object) -> str:
        """Hand an offer over; give the one that goes to the other side."""
        return str(self.ask("offer", call_id=call, from_tag="a", sdp=sdp, **words)["sdp"])

    def answer(self, call: str, sdp: str, **words: object) -> str:
        """Hand the answer over; give the one that goes back."""
        words = {"call_id": call, "from_tag": "a", "to_tag": "b", "sdp": sdp, **words}
        return str(self.ask("answer", **words)["sdp"])


@contextlib.contextmanager
def rtpengine(folder: Path) -> Iterator[Relay]:
    """Run it on the first core."""
    program = shutil.which("rtpengine")
    if program is None:
        raise SystemExit(HOW_TO_INSTALL)
    (port,) = free_ports((0, socket.SOCK_DGRAM))
    command = [
        *(program, f"--interface={HOST}", f"--listen-ng={HOST}:{port}", "--table=-1"),
        *("--foreground", "--log-stderr", "--log-level=3", "--num-threads=1", "--no-fallback"),
        *(f"--port-min={RTP_PORTS[0]}", f"--port-max={RTP_PORTS[1]}"),
        f"--pidfile={folder / 'rtpengine.pid'}",
    ]
    with (folder / "rtpengine.log").open("wb") as log:
        process = subprocess.Popen(on_core(0, *command), stdout=log, stderr=log)
    relay = Relay(process.pid, port)
    try:
        _wait(relay, process, folder / "rtpengine.log")
        yield relay
    finally:
        relay.close()
        end(process)


def _wait(relay: Relay, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            relay.ask("ping")
            return
        time.sleep(0.1)
    raise SystemExit(log.read_text())


def _encode(value: object) -> bytes:
    match value:
        case int():
            return b"i%de" % value
        case str() | bytes():
            raw = value.encode() if isinstance(value, str) else value
            return b"%d:%s" % (len(raw), raw)
        case list():
            return b"l" + b"".join(map(_encode, value)) + b"e"
        case dict():
            pairs = (_encode(k) + _encode(v) for k, v in sorted(value.items()))
            return b"d" + b"".join(pairs) + b"e"
        case _:
            message = f"bencode has no {type(value)}"
            raise TypeError(message)


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at : at + 1]
    if kind == b"i":
        stop = data.index(b"e", at)
        return int(data[at + 1 : stop]), stop + 1
    if kind in (b"l", b"d"):
        values, at = [], at + 1
        while data[at : at + 1] != b"e":
            value, at = _decode(data, at)
            values.append(value)
        if kind == b"l":
            return values, at + 1
        return dict(zip(values[::2], values[1::2], strict=True)), at + 1
    colon = data.index(b":", at)
    stop = colon + 1 + int(data[at:colon])
    return data[colon + 1 : stop].decode("utf-8", "replace"), stop
