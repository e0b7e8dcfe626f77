"""The demonstration's child processes: started, spoken to over HTTP, and ended by pid."""

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from intercom.errors import IntercomError

HOST = "127.0.0.1"
START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 5.0
_PORTS = range(4_000, 8_000)
"""Below those that Linux gives out by itself, and the blocks: nobody else gets one before it is used."""
_PORT_TRIES = 50


class DemoError(IntercomError):
    """The demonstration itself could not be set up."""


@dataclass(slots=True)
class Child:
    """One process, its first line of output and its control port."""

    name: str
    process: asyncio.subprocess.Process
    log_file: Path
    ready: dict[str, Any] = field(default_factory=dict)
    ready_text: str = ""

    @property
    def url(self) -> str:
        """Where its control API listens."""
        return f"http://{HOST}:{self.ready['http_port']}"

    async def stop(self) -> None:
        """End the process by SIGTERM and, if it must be, by SIGKILL."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        self.process.send_signal(signal.SIGCONT)  # it may have been frozen on purpose
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def start(
    name: str,
    arguments: Sequence[str],
    log_dir: Path,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Start `python -m …` and wait for its ready line; its errors go to a file in `log_dir`."""
    log_file = log_dir / f"{name}.log"
    with log_file.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**_clean_environment(), **(environment or {})},
        )
    child = Child(name, process, log_file)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            line = await process.stdout.readline()
    except TimeoutError:
        await child.stop()
        msg = f"{name} was not ready after {START_TIMEOUT_S:.0f} s:\n{tail(log_file)}"
        raise DemoError(msg) from None
    if not line:
        await process.wait()
        msg = f"{name} ended before it was ready:\n{tail(log_file)}"
        raise DemoError(msg)
    child.ready_text = line.decode(errors="replace").strip()
    with contextlib.suppress(ValueError):
        child.ready = json.loads(child.ready_text)
    return child


class Remote:
    """Speaks to the children's control APIs over one HTTP session."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, child: Child, path: str) -> Any:  # noqa: ANN401 - JSON
        """GET a JSON document."""
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            async with self._session.get(child.url + path) as response:
                response.raise_for_status()
                return await response.json()

    async def post(self, child: Child, path: str, body: object = None) -> None:
        """POST a JSON document."""
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            async with self._session.post(child.url + path, json=body or {}) as response:
                response.raise_for_status()

    async def sound(self, child: Child) -> tuple[bytes, int | None]:
        """GET what a simulator heard: a WAV file and the CLOCK_MONOTONIC ms of its start."""
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            async with self._session.get(child.url + "/api/heard.wav") as response:
                response.raise_for_status()
                started = response.headers.get("X-Started-Ms", "")
                return await response.read(), int(started) if started else None


def free_port(wanted: int, kind: socket.SocketKind) -> int:
    """Give `wanted` if it is free on loopback, else any free port."""
    return free_ports((wanted, kind))[0]


def free_ports(*wanted: tuple[int, socket.SocketKind]) -> list[int]:
    """Give as many different ports, each the wanted one if it is free on loopback, else any."""
    found: list[int] = []
    for port, kind in wanted:
        candidates = ([port] if port else []) + random.sample(_PORTS, _PORT_TRIES)
        free = (each for each in candidates if each not in found and is_free(each, kind))
        chosen = next(free, None)
        if chosen is None:
            raise DemoError("There is no free port on this machine.")
        found.append(chosen)
    return found


def free_range(first: int, count: int) -> int:
    """Give an even port from which `count` UDP ports are free on loopback."""
    for base in range(first, 64_000 - count, count):
        if all(is_free(base + offset, socket.SOCK_DGRAM) for offset in range(count)):
            return base
    raise DemoError("There are no free UDP ports for sound and picture on this machine.")


def tail(file: Path, lines: int = 12) -> str:
    """Give a file's last lines."""
    return "\n".join(file.read_text("utf-8", "replace").splitlines()[-lines:])


def is_free(port: int, kind: socket.SocketKind) -> bool:
    """Tell whether nobody has bound this port of loopback."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _clean_environment() -> dict[str, str]:
    """Leave our own settings out: the demonstration brings its own."""
    return {k: v for k, v in os.environ.items() if not k.startswith("INTERCOM_")}
