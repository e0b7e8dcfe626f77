"""Ports that nobody uses: each process of tests has a block of its own, so that several may run at once."""

import functools

from intercom.demo.ports import PortBlock
from intercom.demo.processes import HOST

SPARE = 4
"""What is given with each: a phone's RTCP and picture, and SIP by TLS, are beside it."""


@functools.cache
def block() -> PortBlock:
    """Give this process's block, which it keeps to its end."""
    return PortBlock()


def free_port(host: str = HOST) -> int:
    """Find an even port that is free for UDP and TCP, and three behind it."""
    return block().take(SPARE, host=host)


def free_ports(count: int, host: str = HOST) -> int:
    """Find the even first of `count` ports in a row."""
    return block().take(count, host=host)


def loopback_settings() -> dict[str, object]:
    """Give the settings by which a service of a test listens on this machine alone."""
    rtp = free_ports(20)
    return {
        "public_address": HOST,
        "sip_host": HOST,
        "sip_port": free_port(),
        "http_host": HOST,
        "http_port": free_port(),
        "media_host": HOST,
        "rtp_port_first": rtp,
        "rtp_port_last": rtp + 19,
        "webrtc_port": free_port(),
    }
