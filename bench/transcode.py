"""What a transcoding costs: CPU for one direction of one call, in ms a second of sound.

python -m bench.transcode
"""

import time

from intercom.media import tones
from intercom.media.encode import Encoder
from intercom.media.repacketise import Piece
from intercom.media.transcode import transcoder
from intercom.sip.codec import Codec

SECONDS = 10
ROUNDS = 3
FRAME_BYTES = 320


def packets(codec: Codec) -> list[Piece]:
    """Make sound that is neither silence nor one tone: two that come and go."""
    pcm = b"".join(
        tones.tone([180 + 40 * n, 900 + 90 * n], 200, -14.0) + tones.silence(50) for n in range(8)
    )
    pcm = (pcm * (SECONDS // 2 + 1))[: SECONDS * 16_000]
    encoder, step = Encoder(codec), codec.clock_hz // 50
    return [
        Piece(n, n * step, encoder.encode(pcm[n * FRAME_BYTES : (n + 1) * FRAME_BYTES]))
        for n in range(SECONDS * 50)
    ]


def cost(one: Codec, other: Codec) -> tuple[float, float]:
    """Give (ms of CPU a second of sound, that of the longest packet), the best of some rounds."""
    sent, best, longest = packets(one), float("inf"), float("inf")
    for _ in range(ROUNDS):
        machine = transcoder(one, other)
        worst = 0.0
        began = time.process_time()
        for packet in sent:
            at = time.thread_time()
            machine.feed(packet)
            worst = max(worst, time.thread_time() - at)
        best = min(best, (time.process_time() - began) * 1000 / SECONDS)
        longest = min(longest, worst * 1000)
    return best, longest


def main() -> None:
    """Print a table."""
    print("| from | to | ms of CPU a second | of the longest packet |")
    print("| --- | --- | --- | --- |")
    pairs = [
        (Codec.OPUS, Codec.PCMA),
        (Codec.PCMA, Codec.OPUS),
        (Codec.G722, Codec.PCMA),
        (Codec.PCMA, Codec.G722),
        (Codec.OPUS, Codec.G722),
        (Codec.G722, Codec.OPUS),
    ]
    for one, other in pairs:
        ms, longest = cost(one, other)
        print(f"| {one.name} | {other.name} | {ms:.1f} | {longest:.2f} |")


if __name__ == "__main__":
    main()
