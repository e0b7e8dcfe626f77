"""Measure the in-band DTMF detector: `python bench/dtmf.py [--lines N] [--seed S] [--json] [--talk-off HOURS]`.

The corpus is that of tests/media/dtmf_corpus.py. Debian's libspandsp2 hears the same, if it is there; it
has no mask, so what is lost reaches it as silence.
"""

import argparse
import ctypes
import ctypes.util
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from difflib import SequenceMatcher

import speech

from intercom.media.inband import InBandDetector
from tests.media import dtmf_corpus

BLOCK_BYTES = 320


@dataclass
class Row:
    condition: str
    digits: int = 0
    missed: int = 0
    extra: int = 0
    blocks: int = 0
    spent_s: float = 0.0
    late_ms: float = 0.0
    spandsp_missed: int = 0
    spandsp_extra: int = 0
    spandsp_spent_s: float = 0.0


class Spandsp:
    """Debian's spandsp, as it comes."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("spandsp")
        self.lib = ctypes.CDLL(name) if name else None
        if self.lib:
            self.lib.dtmf_rx_init.restype = ctypes.c_void_p
            self.lib.dtmf_rx_init.argtypes = [ctypes.c_void_p] * 3
            self.lib.dtmf_rx.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
            self.lib.dtmf_rx_get.restype = ctypes.c_size_t
            self.lib.dtmf_rx_get.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
            self.lib.dtmf_rx_free.argtypes = [ctypes.c_void_p]

    def hear(self, pcm: bytes) -> str:
        if not self.lib:
            return ""
        state = self.lib.dtmf_rx_init(None, None, None)
        got = ""
        for at in range(0, len(pcm), BLOCK_BYTES):
            block = pcm[at : at + BLOCK_BYTES]
            self.lib.dtmf_rx(state, block, len(block) // 2)
            room = ctypes.create_string_buffer(129)
            if self.lib.dtmf_rx_get(state, room, 128):
                got += room.value.decode()
        self.lib.dtmf_rx_free(state)
        return got


def compare(wanted: str, got: str) -> tuple[int, int]:
    """Count what is missed and what is extra."""
    same = sum(
        m.size for m in SequenceMatcher(None, wanted, got, autojunk=False).get_matching_blocks()
    )
    return len(wanted) - same, len(got) - same


def hear(case: dtmf_corpus.Case, row: Row) -> str:
    """Stream a case and note how late each digit was told."""
    detector = InBandDetector()
    told = []
    began = time.process_time()
    for n, at in enumerate(range(0, len(case.pcm), BLOCK_BYTES)):
        digits = detector.feed(case.pcm[at : at + BLOCK_BYTES], is_lost=n in case.lost)
        told += [(digit.digit, (n + 1) * 0.02) for digit in digits]
    row.spent_s += time.process_time() - began
    row.blocks += len(case.pcm) // BLOCK_BYTES
    if len(told) == len(case.onsets_s):
        late = [at - onset for (_, at), onset in zip(told, case.onsets_s, strict=True)]
        row.late_ms = max(row.late_ms, max(late) * 1000)
    return "".join(digit for digit, _ in told)


def measure(condition: str, lines: int, seed: int, spandsp: Spandsp, *, is_verbose: bool) -> Row:
    row = Row(condition)
    for n, case in enumerate(dtmf_corpus.make(condition, lines, seed)):
        row.digits += len(case.onsets_s)
        got = hear(case, row)
        missed, extra = compare(case.digits, got)
        row.missed += missed
        row.extra += extra
        if is_verbose and (missed or extra):
            print(f"  {condition} #{n}: {case.digits or '(none)'} heard as {got or '(none)'}")
        began = time.process_time()
        missed, extra = compare(case.digits, spandsp.hear(case.pcm))
        row.spandsp_spent_s += time.process_time() - began
        row.spandsp_missed += missed
        row.spandsp_extra += extra
    return row


def show(rows: list[Row]) -> None:
    print(
        f"{'condition':32} {'digits':>6} {'missed':>6} {'extra':>5} {'late ms':>7} {'us/block':>8}",
        end="",
    )
    print(f" | spandsp {'missed':>6} {'extra':>5} {'us/block':>8}")
    for row in rows:
        cost = row.spent_s / row.blocks * 1e6
        print(
            f"{row.condition:32} {row.digits:6} {row.missed:6} {row.extra:5} {row.late_ms:7.0f} {cost:8.1f}"
            f" |         {row.spandsp_missed:6} {row.spandsp_extra:5}"
            f" {row.spandsp_spent_s / row.blocks * 1e6:8.1f}"
        )
    print(f"{'all':32} {sum(r.digits for r in rows):6} {sum(r.missed for r in rows):6}", end="")
    print(f" {sum(r.extra for r in rows):5}", " " * 15, "|        ", end=" ")
    print(f"{sum(r.spandsp_missed for r in rows):6} {sum(r.spandsp_extra for r in rows):5}")


def talk_off(hours: float, seed: int, spandsp: Spandsp, folder: Path) -> None:
    """Listen to speech and count the keys in it; blocks of 20 ms, a new detector for each file."""
    spent = length_s = spandsp_s = 0.0
    told: list[str] = []
    others = ""
    for name, pcm in speech.stream(folder, hours, seed):
        detector = InBandDetector()
        began = time.process_time()
        for at in range(0, len(pcm), BLOCK_BYTES):
            for digit in detector.feed(pcm[at : at + BLOCK_BYTES]):
                told.append(digit.digit)
                print(f"  {name}: {digit}")
        spent += time.process_time() - began
        began = time.process_time()
        others += spandsp.hear(pcm)
        spandsp_s += time.process_time() - began
        length_s += len(pcm) / 2 / speech.RATE_HZ
    blocks = max(1.0, length_s / 0.02)
    print(
        f"{length_s / 3600:.2f} h of speech: {len(told)} keys, {told.count('5')} of them 5,"
        f" {spent / blocks * 1e6:.1f} us/block; spandsp {len(others)} keys, {others.count('5')} of them 5,"
        f" {spandsp_s / blocks * 1e6:.1f} us/block"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=84, help="lines of 8 digits a condition")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="conditions whose name contains this")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="name each line that went wrong")
    parser.add_argument("--talk-off", type=float, metavar="HOURS", help="speech instead of digits")
    parser.add_argument("--speech", type=Path, default=Path(tempfile.gettempdir()) / "speech")
    arguments = parser.parse_args()
    spandsp = Spandsp()
    if arguments.talk_off:
        talk_off(arguments.talk_off, arguments.seed, spandsp, arguments.speech)
        return
    rows = [
        measure(condition, arguments.lines, arguments.seed, spandsp, is_verbose=arguments.verbose)
        for condition in dtmf_corpus.CONDITIONS
        if arguments.only in condition
    ]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        show(rows)


if __name__ == "__main__":
    main()
