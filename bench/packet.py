"""Measure the packet path: `python bench/packet.py [--json]`; microseconds a packet on one core.

"through the bridge" sends real datagrams over the loopback to a panel's leg and on to a phone's leg:
receive, source check, header rewrite, send; the far ends' own sending and receiving is not counted.
Figures are medians of bursts, or the best of three, because a shared machine only ever adds.
"""

import argparse
import asyncio
import json
import socket
import time
import timeit
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from statistics import median

from pylibsrtp import Policy

from intercom.media import dtmf, g711, rtp, tones
from intercom.media.bridge import Bridge
from intercom.media.h264 import GopCache
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.media.srtp import SrtpSender
from intercom.routing.ids import LegId
from intercom.sip.crypto import Crypto, SrtpKey, Suite
from intercom.sip.offer_answer import Law, Negotiated, NegotiatedAudio

HOST = "127.0.0.1"
ROUNDS = 20_000
BURST = 32  # small enough for any kernel's default socket buffer
VOICE = bytes(160)
SUITE = Suite.AES_CM_128_HMAC_SHA1_80
FAR_KEY = SrtpKey(SUITE, bytes(range(SUITE.key_bytes)))


def open_sockets() -> tuple[socket.socket, socket.socket]:
    """Bind the RTP and RTCP sockets of a far end."""
    pair = []
    for _ in range(2):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((HOST, 0))
        one.setblocking(False)
        pair.append(one)
    return pair[0], pair[1]


def open_leg(
    name: str, far: tuple[socket.socket, socket.socket], law: Law, *, is_encrypted: bool = False
) -> PlainLeg:
    """Start a leg toward a far end."""
    leg = PlainLeg.open(LegId(name), PortPool(HOST), with_video=False)
    remote, remote_rtcp = far[0].getsockname(), far[1].getsockname()
    audio = NegotiatedAudio(remote, remote_rtcp, law, law.value, 101, 8000, 101, 20, True, True)
    if is_encrypted:
        leg.draw_keys()
        audio = replace(audio, crypto=Crypto(1, FAR_KEY))
    leg.start(Negotiated(audio), signalling_host=HOST)
    return leg


async def through_the_bridge(
    phone_law: Law, *, listeners: int = 1, is_encrypted: bool = False
) -> float:
    """Measure one direction, panel to phone (or to several that listen)."""
    panel_end = open_sockets()
    panel = open_leg("panel", panel_end, Law.PCMA, is_encrypted=is_encrypted)
    far = SrtpSender(Policy.SRTP_PROFILE_AES128_CM_SHA1_80, FAR_KEY.key) if is_encrypted else None
    bridge = Bridge(on_digit=lambda *_: None)
    bridge.attach_panel(panel)
    ends, legs = [], []
    for n in range(listeners):
        ends.append(open_sockets())
        legs.append(open_leg(f"leg{n}", ends[-1], phone_law, is_encrypted=is_encrypted))
        bridge.attach(legs[-1], hears_visitor=True, is_phone=False)
    spent = []
    sent = 0
    for start in range(0, ROUNDS, BURST):
        for n in range(start, start + BURST):
            packet = rtp.build_header(8, n & 0xFFFF, 160 * n, 1) + VOICE
            wire = packet if far is None else far.protect(packet)
            panel_end[0].sendto(wire or b"", (HOST, panel.audio_port))
        sent += BURST
        began = time.perf_counter()
        while bridge.statistics(legs[-1].leg_id).packets_out < sent:  # noqa: ASYNC110 - it drives the loop
            await asyncio.sleep(0)
        spent.append(time.perf_counter() - began)
        drain(ends)
    bridge.close()
    for leg in (panel, *legs):
        leg.close()
    for one in chain(panel_end, *ends):
        one.close()
    return median(spent) / BURST * 1e6


def drain(ends: list[tuple[socket.socket, socket.socket]]) -> None:
    """Take what one burst brought to the far ends."""
    for rtp_socket, _ in ends:
        for _ in range(BURST):
            rtp_socket.recv(2048)


def kernel_alone() -> float:
    """Measure what the system takes for receiving and sending one packet on the loopback."""
    one, other = open_sockets()
    target, buffer = other.getsockname(), bytearray(2048)
    spent = []
    for _ in range(ROUNDS // BURST):
        began = time.perf_counter()
        for _ in range(BURST):
            one.sendto(bytes(172), target)
        for _ in range(BURST):
            other.recvfrom_into(buffer)
        spent.append(time.perf_counter() - began)
    one.close()
    other.close()
    return median(spent) / BURST * 1e6


def each(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Give microseconds a call, the best of three."""
    return min(timeit.repeat(call, number=rounds, repeat=3)) / rounds * 1e6


def rewriting(table: bytes | None) -> float:
    """Measure the header rewrite alone."""
    sender = rtp.RtpSender(payload_type=8, ssrc=1, clock_hz=8000, sequence_number=1, timestamp=1)
    packets = [memoryview(rtp.build_header(8, n, 160 * n, 7) + VOICE) for n in range(1000)]

    def rewrite_all() -> None:
        for n, packet in enumerate(packets):
            sender.rewrite(packet, 1, n * 0.02, table=table)

    return each(rewrite_all, 20) / len(packets)


def caching() -> float:
    """Measure the picture cache on packets of pictures without a key frame's start."""
    cache = GopCache()
    cache.add(rtp.build_header(96, 0, 0, 1) + b"\x65" + bytes(1000))
    packets = [
        rtp.build_header(96, n, n // 4 * 3000, 1) + b"\x61" + bytes(1000) for n in range(1000)
    ]

    def add_all() -> None:
        for packet in packets:
            cache.add(packet)

    return each(add_all, 20) / len(packets)


def measure() -> dict[str, float]:
    """Run every measurement."""
    event = dtmf.build_event("5", 160)
    receiver = dtmf.EventReceiver()
    second = tones.tone([1000], 1000)
    return {
        "one recvfrom and one sendto": kernel_alone(),
        "through the bridge, same law": asyncio.run(through_the_bridge(Law.PCMA)),
        "through the bridge, law converted": asyncio.run(through_the_bridge(Law.PCMU)),
        "through the bridge, both ends SRTP": asyncio.run(
            through_the_bridge(Law.PCMA, is_encrypted=True)
        ),
        "through the bridge, to five devices": asyncio.run(
            through_the_bridge(Law.PCMA, listeners=5)
        ),
        "header rewrite alone": rewriting(None),
        "header rewrite and law conversion": rewriting(g711.conversion_table(Law.PCMA, Law.PCMU)),
        "picture cache": caching(),
        "telephone-event": each(
            lambda: receiver.receive(
                1, 1, dtmf.parse_event(event) or dtmf.TelephoneEvent(0, False, 0, 0)
            )
        ),
        "20 ms of PCM encoded": each(lambda: g711.encode(second[:320], Law.PCMA)),
        "20 ms of tone measured": each(lambda: tones.tone_share(second, 1000), 20) / 50,
    }


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    figures = {name: round(value, 2) for name, value in measure().items()}
    if parser.parse_args().json:
        print(json.dumps({"unit": "us", "figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:40}{value:8.2f} us")


if __name__ == "__main__":
    main()
