"""What the strangers need of the machine: child processes ended by pid, namespaces, free ports.

What a machine lacks (root, `ip`, a program) skips the test with a word for it.
"""

import asyncio
import os
import secrets
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests import ports

START_S = 5.0
STOP_S = 3.0
CALL_S = 30.0
POLL_S = 0.02
SUBNET_TRIES = 20


class ChildProcess:
    """One child process with its output in a file; ended by pid, first gently."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def spawn(self, *command: str, cwd: Path | None = None) -> None:
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, cwd=cwd
            )

    async def ended(self, limit_s: float = CALL_S) -> int:
        """Wait for its own end; give the exit code."""
        assert self._process is not None
        async with asyncio.timeout(limit_s):
            return await self._process.wait()

    async def stop(self) -> None:
        """End it: SIGTERM, and SIGKILL when that does not help; idempotent."""
        if not self.is_running:
            return
        assert self._process is not None
        self._process.terminate()
        try:
            await self.ended(STOP_S)
        except TimeoutError:
            self._process.kill()
            await self.ended(STOP_S)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.stop()


class Namespace:
    """A network namespace, joined to this host by a veth pair: `host` here, `guest` in there."""

    def __init__(self) -> None:
        mark = secrets.token_hex(3)
        self.name = f"oi-{mark}"
        self.host = ""
        """This host's address on the pair: what the service under test must be reached at."""
        self.guest = ""
        self._outer, self._inner = f"oi{mark}h", f"oi{mark}g"

    async def __aenter__(self) -> Self:
        needs_root("a network namespace")
        found("ip", "iproute2")
        try:
            await self._create()
        except BaseException:
            await self._delete()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self._delete()

    def wrap(self, *command: str) -> tuple[str, ...]:
        """Give the command that runs this one inside."""
        return ("ip", "netns", "exec", self.name, *command)

    async def set_link(self, *, is_up: bool) -> None:
        """Cut or restore the cable."""
        await _run("ip", "link", "set", self._outer, "up" if is_up else "down")

    async def _create(self) -> None:
        if await _try("ip", "netns", "add", self.name):
            pytest.skip("this machine allows no network namespaces")
        await _run(
            *("ip", "link", "add", self._outer, "type", "veth", "peer", "name", self._inner),
            *("netns", self.name),
        )
        inside = ("ip", "-n", self.name)
        for _ in range(SUBNET_TRIES):
            net = f"10.{199 + secrets.randbelow(50)}.{secrets.randbelow(256)}"
            self.host, self.guest = f"{net}.1", f"{net}.2"
            if net not in await _output("ip", "-o", "-4", "addr"):
                break
        await _run("ip", "addr", "add", f"{self.host}/30", "dev", self._outer)
        await _run(*inside, "addr", "add", f"{self.guest}/30", "dev", self._inner)
        await _run("ip", "link", "set", self._outer, "up")
        await _run(*inside, "link", "set", self._inner, "up")
        await _run(*inside, "link", "set", "lo", "up")
        await _run(*inside, "route", "add", "default", "via", self.host)

    async def _delete(self) -> None:
        await _try("ip", "link", "del", self._outer)
        await _try("ip", "netns", "del", self.name)


def free_port(host: str) -> int:
    """Find an even port that nobody uses, for UDP and TCP."""
    return ports.free_port(host)


def free_ports(host: str, count: int) -> int:
    """Find the even first of so many ports that nobody uses."""
    return ports.free_ports(count, host)


def free_tcp_port(host: str) -> int:
    """Find a TCP port that nobody uses."""
    return ports.free_port(host)


def is_bound(address: tuple[str, int], *, is_tcp: bool = False) -> bool:
    kind = socket.SOCK_STREAM if is_tcp else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as probe:
        if is_tcp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return True
    return False


def needs_root(what: str) -> None:
    """Skip the test, with a word for it, unless this is root."""
    if os.geteuid() != 0:
        pytest.skip(f"{what} needs root")


def found(program: str, package: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed (Debian: {package})")
    return path


def text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(START_S):
        while not is_so():  # noqa: ASYNC110 - another process's doing has no Event
            await asyncio.sleep(POLL_S)


async def _try(*command: str) -> int:
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


async def _run(*command: str) -> None:
    assert await _try(*command) == 0, " ".join(command)


async def _output(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()
