"""Measure the packet path: `python bench/packet.py [--json] [--rows TEXT]`; microseconds a packet on one core.

The rows of 50 calls send real datagrams over the loopback to the calls' legs, one to each as calls have
it, drive the loop until all were dealt with, and divide by the packets that came in: wake-up, reading,
source check, header rewrite, SRTP where there is any, sending. The far ends' own work is not counted.
Figures are of the processor's time, the best tenth or the best of three: a shared machine only adds.
"""

import argparse
import asyncio
import json
import time
import timeit
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median, quantiles

from packet_peers import HOST, App, Far, Phone, open_socket

from intercom.media import dtmf, g711, prompts, rtp, tones
from intercom.media.bridge import Bridge
from intercom.media.dtls import DtlsIdentity
from intercom.media.h264 import GopCache
from intercom.media.mux import MuxPort
from intercom.media.port import PortPool
from intercom.routing.ids import LegId
from intercom.sip.offer_answer import Codec

ROUNDS = 20_000
BURST = 32  # small enough for any kernel's default socket buffer
CALLS = 50
TURNS = 200
SETTLED_AFTER = 3
"""Turns after which the legs are told that some seconds have passed."""
WAKE_UPS = 5  # each reads 64 packets at least
PORTS = (42_000, 46_000)


def speech() -> list[bytes]:
    """Read a voice, a packet for each turn: the detectors have work with it."""
    path = Path(prompts.__file__).with_name("prompts") / "en_nobody_reachable.wav"
    with wave.open(str(path)) as clip:
        sound = g711.encode(clip.readframes(clip.getnframes()), Codec.PCMA)
    frames = [sound[at : at + 160] for at in range(0, len(sound) - 160, 160)]
    return [frames[turn % len(frames)] for turn in range(TURNS)]


VOICE = speech()


class PassingTap:
    """Hears everything and changes nothing: what the hook alone costs."""

    def hear(self, packet: memoryview, now: float) -> memoryview:
        """Give the packet back."""
        del now
        return packet


class Calls:
    """Calls in which a panel and a resident talk, and further devices listen."""

    def __init__(
        self,
        *,
        is_app: bool = False,
        is_encrypted: bool = False,
        has_picture: bool = False,
        is_phone: bool = False,
        codec: Codec = Codec.PCMA,
        listeners: int = 1,
    ) -> None:
        self._pool = PortPool(HOST, *PORTS)
        self._mux = MuxPort.open(HOST, 0, [HOST])
        self._identity = DtlsIdentity.generate()
        self.bridges: list[Bridge] = []
        self.panels: list[Phone] = []
        self.residents: list[Far] = []
        self.ends: list[Far] = []
        for _ in range(CALLS):
            bridge = Bridge(on_digit=lambda *_: None)
            panel = Phone(
                "panel",
                Codec.PCMA,
                self._pool,
                is_encrypted=is_encrypted,
                has_picture=has_picture,
            )
            bridge.attach_panel(panel.leg)
            devices: list[Far] = []
            for n in range(listeners):
                devices.append(
                    App(f"leg{n}", codec, self._mux, self._identity, has_picture=has_picture)
                    if is_app
                    else Phone(f"leg{n}", codec, self._pool, is_encrypted=is_encrypted)
                )
                bridge.attach(devices[-1].leg, hears_visitor=not is_phone, is_phone=is_phone)
            bridge.connect(LegId("leg0"))
            self.bridges.append(bridge)
            self.panels.append(panel)
            self.residents.append(devices[0])
            self.ends += [panel, *devices]

    def set_taps(self) -> None:
        """Let a tap hear each leg."""
        for bridge in self.bridges:
            for member in bridge._everybody():  # noqa: SLF001 - the switchboard's own way sets others
                member.tap = PassingTap()

    async def settle(self) -> None:
        """Come to the state of a call that has lasted for some seconds."""
        for end in self.ends:  # who only listens is believed by what it says, too
            say_sound(end, SETTLED_AFTER)
        for _ in range(WAKE_UPS):
            await asyncio.sleep(0)
        for end in self.ends:
            end.drain()
        later = asyncio.get_running_loop().time() + 2
        for end in self.ends:
            end.leg.settle(later)

    def close(self) -> None:
        """Free everything."""
        for bridge in self.bridges:
            bridge.close()
        for end in self.ends:
            end.close()
        self._mux.close()


async def measured(
    calls: Calls,
    talkers: Sequence[Far],
    say: Callable[[Far, int], None],
    *,
    out: int,
    is_settled: bool = True,
) -> float:
    """Measure turns in which each talker says one packet, of which `out` leave the router."""
    spent = []
    for turn in range(TURNS):
        for far in talkers:
            say(far, turn)
        began = time.process_time()
        for _ in range(WAKE_UPS):
            await asyncio.sleep(0)
        spent.append(time.process_time() - began)
        heard = sum(end.drain() for end in calls.ends)
        assert heard >= out * len(talkers), f"{heard} packets came out"
        if turn == SETTLED_AFTER and is_settled:
            await calls.settle()
    return quantiles(spent[2 * SETTLED_AFTER :], n=10)[0] / len(talkers) * 1e6


def say_sound(far: Far, turn: int) -> None:
    """Send the next packet of sound."""
    far.say(turn, VOICE[turn])


def of_calls(
    *,
    is_app: bool = False,
    is_encrypted: bool = False,
    codec: Codec = Codec.PCMA,
    listeners: int = 1,
    who: str = "both",
    has_taps: bool = False,
    is_phone: bool = False,
) -> float:
    """Measure ordinary sound of one end or both."""

    async def run() -> float:
        calls = Calls(
            is_app=is_app,
            is_encrypted=is_encrypted,
            codec=codec,
            listeners=listeners,
            is_phone=is_phone,
        )
        if has_taps:
            calls.set_taps()
        talkers: list[Far] = [*calls.panels] if who != "resident" else []
        talkers += calls.residents if who != "panel" else []
        out = listeners if who == "panel" else 1
        try:
            return await measured(calls, talkers, say_sound, out=out)
        finally:
            calls.close()

    return asyncio.run(run())


def of_pictures(listeners: int) -> float:
    """Measure packets of picture to apps."""

    async def run() -> float:
        calls = Calls(is_app=True, has_picture=True, listeners=listeners)

        def show(far: Far, turn: int) -> None:
            assert isinstance(far, Phone)
            far.show(turn)

        try:
            return await measured(calls, calls.panels, show, out=listeners)
        finally:
            calls.close()

    return asyncio.run(run())


def of_bad_packets(kind: str, *, is_settled: bool = True) -> float:
    """Measure what a packet costs that reaches nobody."""

    async def run() -> float:
        calls = Calls()
        stranger = open_socket()

        def say(far: Far, turn: int) -> None:
            if kind == "source":
                stranger.sendto(VOICE[0], far.router)
            elif kind == "payload type":
                far.say(turn, VOICE[0], payload_type=77)
            else:
                far.socket.sendto(b"\xff" * 172, far.router)

        try:
            await measured(calls, calls.panels, say_sound, out=1, is_settled=is_settled)
            return await measured(calls, calls.panels, say, out=0, is_settled=False)
        finally:
            stranger.close()
            calls.close()

    return asyncio.run(run())


def kernel_alone() -> float:
    """Measure what the system takes for receiving and sending one packet on the loopback."""
    one, other = open_socket(), open_socket()
    target, buffer = other.getsockname(), bytearray(2048)
    spent = []
    for _ in range(ROUNDS // BURST):
        began = time.process_time()
        for _ in range(BURST):
            one.sendto(bytes(172), target)
        for _ in range(BURST):
            other.recvfrom_into(buffer)
        spent.append(time.process_time() - began)
    one.close()
    other.close()
    return median(spent) / BURST * 1e6


def each(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Give microseconds a call, the best of three."""
    return min(timeit.repeat(call, number=rounds, repeat=3)) / rounds * 1e6


def rewriting(table: bytes | None) -> float:
    """Measure the header rewrite alone."""
    sender = rtp.RtpSender(payload_type=8, ssrc=1, clock_hz=8000, sequence_number=1, timestamp=1)
    packets = [memoryview(rtp.build_header(8, n, 160 * n, 7) + VOICE[0]) for n in range(1000)]

    def rewrite_all() -> None:
        for n, packet in enumerate(packets):
            sender.rewrite(packet, 1, n * 0.02, table=table)

    return each(rewrite_all, 20) / len(packets)


def caching() -> float:
    """Measure the picture cache on packets of pictures without a key frame's start."""
    cache = GopCache()
    nals = (b"\x65" + bytes(1000), b"\x61" + bytes(1000))
    packets = [rtp.build_header(96, n, n // 4 * 3000, 1) + nals[n % 200 > 3] for n in range(20_000)]
    began = time.process_time()
    for packet in packets:
        cache.add(packet)
    return (time.process_time() - began) / len(packets) * 1e6


def of_events() -> float:
    """Measure the reading of a telephone-event."""
    event = dtmf.build_event("5", 160)
    receiver = dtmf.EventReceiver()
    nothing = dtmf.TelephoneEvent(0, False, 0, 0)
    return each(lambda: receiver.receive(1, 1, dtmf.parse_event(event) or nothing))


SECOND = tones.tone([1000], 1000)
ROWS: dict[str, Callable[[], float]] = {
    "one recvfrom and one sendto": kernel_alone,
    "of 50 calls, RTP to RTP": of_calls,
    "of 50 calls, law converted": lambda: of_calls(codec=Codec.PCMU),
    "of 50 calls, through taps": lambda: of_calls(has_taps=True),
    "of 50 calls, with a phone's detectors": lambda: of_calls(is_phone=True),
    "of 50 calls, both ends SRTP by SDP": lambda: of_calls(is_encrypted=True),
    "of 50 calls, RTP to and from WebRTC": lambda: of_calls(is_app=True),
    "of 50 calls, RTP out to WebRTC": lambda: of_calls(is_app=True, who="panel"),
    "of 50 calls, WebRTC in to RTP": lambda: of_calls(is_app=True, who="resident"),
    "of 50 calls, RTP to 3 devices": lambda: of_calls(listeners=3, who="panel"),
    "of 50 calls, RTP to 5 devices": lambda: of_calls(listeners=5, who="panel"),
    "of 50 calls, RTP to 3 WebRTC": lambda: of_calls(is_app=True, listeners=3, who="panel"),
    "of 50 calls, picture to 1 WebRTC": lambda: of_pictures(1),
    "of 50 calls, picture to 3 WebRTC": lambda: of_pictures(3),
    "bad: from a wrong source, first seconds": lambda: of_bad_packets("source", is_settled=False),
    "bad: from a wrong source, later": lambda: of_bad_packets("source"),
    "bad: of a wrong payload type": lambda: of_bad_packets("payload type"),
    "bad: garbage from the right source": lambda: of_bad_packets("garbage"),
    "header rewrite with a copy": lambda: rewriting(None),
    "header rewrite and law conversion": lambda: rewriting(
        g711.conversion_table(Codec.PCMA, Codec.PCMU)
    ),
    "picture cache": caching,
    "telephone-event": of_events,
    "20 ms of PCM encoded": lambda: each(lambda: g711.encode(SECOND[:320], Codec.PCMA)),
    "20 ms of tone measured": lambda: each(lambda: tones.tone_share(SECOND, 1000), 20) / 50,
}


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", default="", help="only those whose name has this in it")
    arguments = parser.parse_args()
    chosen = {name: row for name, row in ROWS.items() if arguments.rows in name}
    figures = {name: round(row(), 2) for name, row in chosen.items()}
    if arguments.json:
        print(json.dumps({"unit": "us", "figures": figures}))
        return
    for name, value in figures.items():
        print(f"{name:40}{value:8.2f} us")


if __name__ == "__main__":
    main()
