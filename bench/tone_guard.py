"""Measure what guards a call against tones: `python bench/tone_guard.py [--hours H] [--lines N] [--seed S]`.

What a packet of 20 ms costs in each tap, how much of speech the guard touches, how often a voice would veto
a key, and what spandsp and our own detector still hear of tones after it.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import speech

from intercom.media import g711, rtp
from intercom.media.inband import detect
from intercom.media.inband_fit import KEYS
from intercom.media.phone_ear import PhoneEar
from intercom.media.tone_guard import ToneGuard, ToneVeto
from intercom.media.tone_pair import PairFinder
from intercom.sip.codec import Codec
from tests.media import spandsp
from tests.media.key_house import FRAME, PlainerLeg, frames, key_tone, to_pcm

SPEECH_LEVEL = 150.0
Hear = Callable[[memoryview, float], memoryview | bytes | None]


def packets(pcm: bytes) -> list[memoryview]:
    sound = g711.encode(pcm, Codec.PCMA)
    return [
        memoryview(
            rtp.build_header(8, n & 0xFFFF, n * FRAME, 1) + sound[n * FRAME : (n + 1) * FRAME]
        )
        for n in range(len(sound) // FRAME)
    ]


def ear(*, beep: bool) -> Hear:
    one = PhoneEar(PlainerLeg("phone", float), lambda _digit, _now: None, lambda: None)
    if not beep:
        one.stop_beep()
    return one.hear


def cost(make: Callable[[], Hear], stream: list[memoryview]) -> float:
    """Give the best of three, in microseconds a packet."""
    best = float("inf")
    for _ in range(3):
        hear = make()
        began = time.process_time()
        for packet in stream:
            hear(packet, 0.0)
        best = min(best, time.process_time() - began)
    return best / len(stream) * 1e6


def costs(voices: bytes) -> None:
    rng = np.random.default_rng(1)
    street = to_pcm(rng.normal(0, 300, FRAME * 2000))
    kinds = {
        "speech": packets(voices),
        "street": packets(street),
        "silence": packets(bytes(320 * 2000)),
    }
    print(f"{'us a packet':24}" + "".join(f"{kind:>10}" for kind in kinds))
    taps: dict[str, Callable[[], Hear]] = {
        "panel: guard": lambda: ToneGuard(PlainerLeg("panel", float), ToneVeto()).hear,
        "phone: ear": lambda: ear(beep=False),
        "phone: ear, unaccepted": lambda: ear(beep=True),
    }
    for name, make in taps.items():
        row = [cost(make, stream) for stream in kinds.values()]
        print(f"{name:24}" + "".join(f"{each:10.1f}" for each in row))


def touched(voices: list[bytes]) -> None:
    """Count what speech loses, and what keys it would veto."""
    spoken = hit = fives = any_key = count = 0
    for pcm in voices:
        finder = PairFinder()
        five_until = key_until = -1
        for n, sound in enumerate(frames(np.frombuffer(pcm, "<i2").astype(np.float32))):
            pair = finder.look(sound)
            spoken += float(np.sqrt(np.mean(sound**2))) > SPEECH_LEVEL
            hit += pair is not None
            if pair is not None:
                key_until = n + 75
                five_until = n + 75 if "5" in pair.keys else five_until
            fives += n < five_until
            any_key += n < key_until
            count += 1
    print(
        f"{count / 180_000:.2f} h of voices: {hit} of {spoken} packets of speech touched"
        f" ({100 * hit / spoken:.3f} %); a 5 is vetoed {100 * fives / count:.2f} % of the time,"
        f" some key {100 * any_key / count:.1f} %"
    )


def left(lines: int, seed: int) -> None:
    """Count what is still heard of tones over the whole mask; a receiver's own share of it first."""
    rng = np.random.default_rng(seed)
    before = {"spandsp": 0, "ours": 0}
    after = dict(before)
    found = 0
    for _ in range(lines):
        twist_db = rng.uniform(-15, 15)
        level = -max(0.0, twist_db) - rng.uniform(0, 30)
        is_near = rng.random() < 0.5
        wave = key_tone(
            str(rng.choice(list(KEYS))),
            float(np.exp(rng.uniform(np.log(15), np.log(2000)))),
            low_dbm0=level,
            twist_db=twist_db * (0.3 if is_near else 1.0),
            low_off=rng.uniform(-0.05, 0.05) * (0.3 if is_near else 1.0),
            high_off=rng.uniform(-0.05, 0.05) * (0.3 if is_near else 1.0),
            lead=FRAME * 5 + int(rng.integers(FRAME)),
        )
        stream = packets(
            to_pcm(np.concatenate((wave + rng.normal(0, 8, len(wave)), np.zeros(1600))))
        )
        guard = ToneGuard(PlainerLeg("panel", float), ToneVeto()).hear
        out = [bytes(guard(packet, 0.0) or packet) for packet in stream]
        found += any(one != packet for one, packet in zip(out, stream, strict=True))
        for heard, sound in ((before, stream), (after, out)):
            pcm = g711.decode(
                b"".join(bytes(each[rtp.HEADER_BYTES :]) for each in sound), Codec.PCMA
            )
            heard["ours"] += len(detect(pcm))
            heard["spandsp"] += len(spandsp.digits(pcm)) if spandsp.IS_THERE else 0
    print(f"{lines} tones: {found} found; heard before {before}, after {after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=0.5)
    parser.add_argument("--lines", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speech", type=Path, default=Path(tempfile.gettempdir()) / "speech")
    arguments = parser.parse_args()
    voices = [pcm for _, pcm in speech.stream(arguments.speech, arguments.hours, arguments.seed)]
    left(arguments.lines, arguments.seed)
    touched(voices)
    costs(b"".join(voices)[: 320 * 20_000])


if __name__ == "__main__":
    main()
