"""Ports of loopback in blocks, each lent to one process or stage of a machine at a time.

To look whether a port is free is not enough: sound's ports are bound call by call, and somebody else
may have taken them by then.
"""

import contextlib
import socket
from types import TracebackType
from typing import Self

from intercom.demo.processes import HOST, DemoError

BLOCK_PORTS = 512
_FIRST, _BLOCKS = 9_216, 28
"""Up to 23 552: below those that Linux gives out by itself, and those of the benchmarks' calls; above 8888 and
what follows, which every sipp takes for its remote control."""


class PortBlock:
    """So many ports that nobody else is given until it is closed, or its process ends."""

    def __init__(self) -> None:
        self._lease, self.first = _lend()
        self._next = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give it back; idempotent."""
        self._lease.close()

    def take(self, count: int = 1, *, host: str = HOST) -> int:
        """Give the even first of `count` ports in a row, free for UDP and TCP at this host.

        Its ports have their turn one after the other: one that was given is given again last.
        """
        size = count + count % 2
        for _ in range(BLOCK_PORTS // 2 if size <= BLOCK_PORTS else 0):
            if self._next + size > BLOCK_PORTS:
                self._next = 0
            first = self.first + self._next
            if all(_is_free(host, port) for port in range(first, first + count)):
                self._next += size
                return first
            self._next += 2
        msg = f"{count} ports in a row are not free in {self.first} to {self.first + BLOCK_PORTS}"
        raise DemoError(msg)


def _lend() -> tuple[socket.socket, int]:
    """Hold the name of the first block that nobody holds: the kernel frees it with the process."""
    for number in range(_BLOCKS):
        first = _FIRST + number * BLOCK_PORTS
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lease.bind(f"\0open-intercom-ports-{first}")
        except OSError:
            lease.close()
        else:
            return lease, first
    msg = "There are no free ports on this machine."
    raise DemoError(msg)


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        contextlib.suppress(OSError),
        socket.socket(family, socket.SOCK_STREAM) as tcp,
        socket.socket(family, socket.SOCK_DGRAM) as udp,
    ):
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((host, port))
        udp.bind((host, port))
        return True
    return False
