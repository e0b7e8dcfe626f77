"""Ports of loopback that nobody uses."""

import contextlib
import secrets
import socket

HOST = "127.0.0.1"


def free_port() -> int:
    """Find a port that is free for UDP and TCP, below those that clients are given."""
    for _ in range(50):
        port = 20_000 + secrets.randbelow(12_000)
        with (
            socket.socket() as tcp,
            socket.socket(type=socket.SOCK_DGRAM) as udp,
            contextlib.suppress(OSError),
        ):
            tcp.bind((HOST, port))
            udp.bind((HOST, port))
            return port
    raise OSError("no port is free")


def sound_ports(count: int) -> int:
    """Choose the first of `count` ports for sound: even, and none that `free_port` gives."""
    return 10_000 + count * secrets.randbelow(9_000 // count)
