"""The load generator of bench/media.py tells the truth: what was lost, and how late the rest came."""

import contextlib
import heapq
import select
import shutil
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(30),
    pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed"),
]

BENCH = Path(__file__).parents[2] / "bench"
HOST = "127.0.0.1"
SSRC_IN, SSRC_OUT = 7, 9
SHIFT, DELAY_S, DROPPED = 40_000, 0.030, 10
SECONDS = 1.0


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Give the generator, and how to write its plan."""
    monkeypatch.syspath_prepend(str(BENCH))
    import media_load

    yield media_load, media_load.Generator(tmp_path)
    for name in ("media_load", "sipp", "big_house"):
        sys.modules.pop(name, None)


@contextlib.contextmanager
def ends():
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(bound()) for _ in range(2)]


def bound():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((HOST, 0))
    return one


class LateRelay(threading.Thread):
    """Sends packets on under another SSRC and other numbers, 30 ms late, but for each tenth."""

    def __init__(self, to):
        super().__init__()
        self.udp = bound()
        self.is_over = False
        self._to = to

    def run(self):
        due, count = [], 0
        while not self.is_over:
            wait_s = max(0.0, due[0][0] - time.monotonic()) if due else 0.05
            if select.select([self.udp], [], [], wait_s)[0]:
                packet = self.udp.recv(2048)
                count += 1
                if count % DROPPED:
                    heapq.heappush(due, (time.monotonic() + DELAY_S, count, packet))
            while due and due[0][0] <= time.monotonic():
                packet = heapq.heappop(due)[2]
                number = (int.from_bytes(packet[2:4]) + SHIFT) & 0xFFFF
                head = packet[:2] + number.to_bytes(2) + packet[4:8] + SSRC_OUT.to_bytes(4)
                self.udp.sendto(head + packet[12:], self._to)


def plan(media_load, one, other, to, ssrc, *, is_stamped):
    made = media_load.Plan(0.3, SECONDS)
    frames = (bytes(160),)
    script = media_load.audio_script(made.length_s, SSRC_IN, frames, is_stamped=is_stamped)
    made.add_socket(other)
    stream = made.add_stream(one, to, made.add_script(script), phase_s=0.001)
    made.add_flow(ssrc, stream, 0, is_stamped=is_stamped)
    return made


@pytest.mark.parametrize("is_stamped", [True, False])
def test_each_packet_that_goes_straight_is_counted_once(bench, is_stamped):
    media_load, generator = bench
    with ends() as (one, other):
        straight = plan(media_load, one, other, other.getsockname(), SSRC_IN, is_stamped=is_stamped)

        load = generator.run(straight, lambda: 0.0)

    found = load.carried[0]
    assert abs(found.expected - SECONDS * 50) <= 2
    assert (found.received, found.extra) == (found.expected, 0)


@pytest.mark.parametrize("is_stamped", [True, False])
def test_loss_and_delay_of_a_relay_are_told_though_it_numbers_anew(bench, is_stamped):
    media_load, generator = bench
    with ends() as (one, other):
        relay = LateRelay(other.getsockname())
        late = plan(
            media_load, one, other, relay.udp.getsockname(), SSRC_OUT, is_stamped=is_stamped
        )
        relay.start()
        try:
            load = generator.run(late, lambda: 0.0)
        finally:
            relay.is_over = True
            relay.join()
            relay.udp.close()

    found = load.carried[0]
    assert found.loss == pytest.approx(1 / DROPPED, abs=0.03)
    assert found.p50_us >= DELAY_S * 1e6 or not is_stamped
