"""Sound of one codec in another: what is heard, and what a loss does."""

import random
from itertools import pairwise

import av
import numpy as np
import pytest

from intercom.media import tones
from intercom.media.clips import encoded_clip, encoded_ringback
from intercom.media.decode import Decoder
from intercom.media.encode import Encoder
from intercom.media.repacketise import Piece
from intercom.media.resample import Decimator, Doubler
from intercom.media.transcode import transcoder
from intercom.sip.codec import G711, Codec

TONE = tones.tone([440], 1000)
FRAME = 320
PAIRS = [
    (one, other)
    for one in Codec
    for other in Codec
    if one is not other and {one, other} - set(G711)
]


def encoded(codec, pcm=TONE):
    encoder = Encoder(codec)
    return [encoder.encode(pcm[at : at + FRAME]) for at in range(0, len(pcm), FRAME)]


def packets(codec, pcm=TONE, *, sequence=9, timestamp=4_000_000_000):
    step = codec.clock_hz // 50
    return [
        Piece(sequence + n, (timestamp + n * step) & 0xFFFFFFFF, payload, marker=n == 0)
        for n, payload in enumerate(encoded(codec, pcm))
    ]


def decoded(codec, payloads):
    decoder = Decoder(codec)
    return b"".join(decoder.feed(payload) for payload in payloads)


def sine(hz, rate_hz, length=9600):
    wave = 10_000 * np.sin(2 * np.pi * hz * np.arange(length) / rate_hz)
    return wave.astype(np.int16)


def loudness(samples):
    settled = samples[len(samples) // 2 :].astype(float)
    return np.sqrt((settled**2).mean()) / (10_000 / np.sqrt(2))


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_tone_is_the_same_tone_as_loud_in_the_other_codec(one, other):
    machine = transcoder(one, other)

    out = [piece for packet in packets(one) for piece in machine.feed(packet)]

    pcm = decoded(other, [piece.payload for piece in out])[FRAME * 5 :]
    assert tones.level_of(pcm, 440) > 0.97
    assert 0.9 < tones.rms(pcm) / tones.rms(TONE[FRAME * 5 :]) < 1.1
    assert len(out) == 50
    assert [piece.sequence for piece in out] == list(range(50))
    steps = {(later.timestamp - earlier.timestamp) & 0xFFFFFFFF for earlier, later in pairwise(out)}
    assert steps == {other.clock_hz // 50}


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_a_lost_packet_stays_one_lost_packet(one, other):
    machine = transcoder(one, other)
    sent = packets(one)
    del sent[20]

    out = [piece for packet in sent for piece in machine.feed(packet)]

    assert [piece.sequence for piece in out] == [n for n in range(50) if n != 20]
    gap = (out[20].timestamp - out[19].timestamp) & 0xFFFFFFFF
    assert gap == 2 * other.clock_hz // 50
    assert not any(piece.marker for piece in out[1:])


def test_between_g722_and_opus_the_sound_stays_wide():
    wide = sine(6000, 16_000, 16_000)
    encoder = Encoder(Codec.G722, 16_000)
    machine = transcoder(Codec.G722, Codec.OPUS)
    heard = Decoder(Codec.OPUS, 16_000)
    pcm = b""

    for n in range(50):
        payload = encoder.encode(wide[n * 320 : (n + 1) * 320].tobytes())
        for piece in machine.feed(Piece(n, n * 160, payload)):
            pcm += heard.feed(piece.payload)

    assert 0.6 < loudness(np.frombuffer(pcm, np.int16)) < 1.2


@pytest.mark.parametrize("frame_ms", [10, 20, 30, 40])
@pytest.mark.parametrize("to", [Codec.PCMU, Codec.G722])
def test_the_length_of_packets_is_what_the_receiver_asked_for(to, frame_ms):
    machine = transcoder(Codec.OPUS, to, frame_ms)

    out = [piece for packet in packets(Codec.OPUS) for piece in machine.feed(packet)]

    assert {len(piece.payload) for piece in out} == {frame_ms * 8}


def test_opus_of_60_ms_goes_into_packets_of_20():
    encoder = Encoder(Codec.OPUS, 8000, 60)
    machine = transcoder(Codec.OPUS, Codec.PCMA)
    out = []

    for n in range(16):
        payload = encoder.encode(TONE[n * 960 : (n + 1) * 960])
        out += machine.feed(Piece(n, n * 2880, payload))

    assert len(out) == 48
    assert tones.level_of(decoded(Codec.PCMA, [p.payload for p in out])[3200:], 440) > 0.97


def test_stereo_opus_is_mixed():
    context = av.CodecContext.create("libopus", "w")
    context.format, context.layout, context.sample_rate = "s16", "stereo", 48_000
    left = sine(440, 48_000, 48_000)
    both = np.stack((left, left), axis=1).reshape(1, -1)
    decoder, pcm = Decoder(Codec.OPUS), b""
    for n in range(50):
        frame = av.AudioFrame.from_ndarray(
            both[:, n * 1920 : (n + 1) * 1920], format="s16", layout="stereo"
        )
        frame.sample_rate = 48_000
        for packet in context.encode(frame):
            pcm += decoder.feed(bytes(packet))

    assert tones.level_of(pcm[3200:], 440) > 0.97


@pytest.mark.parametrize("codec", Codec)
def test_rubbish_is_dropped_and_the_next_packet_is_heard(codec):
    rng = random.Random(7)
    decoder = Decoder(codec)

    for size in [0, 1, 2, 3, 7, 160, 400, 1200]:
        for _ in range(20):
            decoder.feed(rng.randbytes(size))
    pcm = b"".join(decoder.feed(payload) for payload in encoded(codec))

    assert tones.level_of(pcm[FRAME * 10 :], 440) > 0.9


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("rate_hz", [8000, 16_000])
def test_a_decoder_gives_the_rate_that_was_asked_for(codec, rate_hz):
    decoder = Decoder(codec, rate_hz)

    assert [len(decoder.feed(payload)) for payload in encoded(codec)] == [rate_hz // 25] * 50


@pytest.mark.parametrize(("factor", "from_hz"), [(2, 16_000), (3, 48_000), (6, 48_000)])
def test_a_lower_rate_keeps_what_it_can_and_folds_nothing_back(factor, from_hz):
    to_hz = from_hz // factor

    def kept(hz):
        decimator = Decimator(factor)
        wave = sine(hz, from_hz)
        pieces = [wave[at : at + 60 * factor] for at in range(0, len(wave), 60 * factor)]
        return loudness(np.concatenate([decimator.feed(piece) for piece in pieces]))

    assert 0.95 < kept(to_hz * 0.05) < 1.05
    assert 0.9 < kept(to_hz * 0.4) < 1.1
    assert kept(to_hz * 0.56) < 0.02


def test_twice_the_rate_is_the_same_sound_without_its_mirror():
    doubler = Doubler()
    wave = sine(1000, 8000)

    out = np.concatenate([doubler.feed(wave[at : at + 160]) for at in range(0, len(wave), 160)])

    assert len(out) == 2 * len(wave)
    assert 0.98 < loudness(out) < 1.02
    spectrum = np.abs(np.fft.rfft(out[-8000:]))
    assert spectrum[3500] < spectrum[500] / 300  # 7 kHz against 1 kHz


@pytest.mark.parametrize("codec", Codec)
def test_prompts_are_frames_of_20_ms_in_every_codec(codec):
    clip = encoded_clip(TONE + bytes(2), codec)

    pcm = decoded(codec, clip)
    assert len(clip) == 51
    assert tones.level_of(pcm[FRAME * 3 : FRAME * 49], 440) > 0.97
    assert list(clip) == list(encoded_clip(TONE + bytes(2), codec))
    assert len(encoded_ringback(codec)) == 250


def test_a_frame_may_be_asked_for_again_and_out_of_turn():
    clip = encoded_clip(TONE, Codec.OPUS)

    late, early = clip[30], clip[3]

    assert (clip[30], clip[3], clip[-20]) == (late, early, late)
    assert clip[28:31][2] == late
