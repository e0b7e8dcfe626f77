"""Speech without end for talk-off: espeak-ng and flite where they are, Debian's spoken prompts, varied by a seed.

Sentences are made of words and of syllables that no language has: what counts are vowels in all voices.
Raw speech is kept under the folder given, so that it is spoken once; variation is made anew from the seed.
"""

import io
import shutil
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from intercom.media import g711
from intercom.sip.offer_answer import Codec

RATE_HZ = 8000
PROMPTS = Path("/usr/share/asterisk/sounds")
WORDS = {
    "nb": "hei ja nei det er jeg som ringer på døra kan du åpne pakken står nede i gangen takk skal du ha "
    "vi kommer opp nå hvem der fra posten hjemme i dag øl ål båt åtte femti fem syv",
    "sv": "hej ja nej det är jag som ringer på dörren kan du öppna paketet står nere i hallen tack så mycket "
    "vi kommer upp nu vem där från posten hemma i dag öl ål båt åtta femtio fem sju",
    "en": "hello yes no it is me at the door can you open the parcel is down in the hall thank you very much "
    "we are coming up now who is there from the post at home today father calm hot bar five seven",
}
VARIANTS = ["", "+m1", "+m3", "+m5", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5", "+croak", "+whisper"]
FLITE = ["kal", "kal16", "awb_time", "awb", "rms", "slt"]
_CONSONANTS = list("bdfghjklmnprstv")
_VOWELS = ["a", "e", "i", "o", "u", "aa", "ae", "oe", "ou"]


def sentences(rng: np.random.Generator, language: str, count: int) -> str:
    """Make up some text."""
    words = WORDS[language].split()
    made = []
    for _ in range(count):
        line = [
            str(rng.choice(words)) if rng.random() < 0.6 else _nonsense(rng)
            for _ in range(rng.integers(4, 12))
        ]
        made.append(" ".join(line) + str(rng.choice([".", "?", "!", ","])))
    return " ".join(made)


def _nonsense(rng: np.random.Generator) -> str:
    return "".join(
        str(rng.choice(_CONSONANTS)) + str(rng.choice(_VOWELS)) for _ in range(rng.integers(1, 4))
    )


def spoken(rng: np.random.Generator) -> bytes | None:
    """Let a voice say something for about a minute: a WAV file."""
    language = str(rng.choice(list(WORDS)))
    if shutil.which("flite") and rng.random() < 0.15:
        text = sentences(rng, "en", 12)
        command = ["flite", "-voice", str(rng.choice(FLITE)), "-t", text, "-o", "/dev/stdout"]
    elif shutil.which("espeak-ng"):
        voice = language + str(rng.choice(VARIANTS))
        pitch, speed = str(rng.integers(5, 95)), str(rng.integers(100, 260))
        text = sentences(rng, language, 14)
        command = ["espeak-ng", "--stdout", "-v", voice, "-p", pitch, "-s", speed, text]
    else:
        return None
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=False
    )
    return done.stdout if done.returncode == 0 and len(done.stdout) > 1000 else None


def load(data: bytes) -> tuple[NDArray[np.float64], int]:
    """Read a 16-bit WAV file, also one whose length was not known when it began."""
    with wave.open(io.BytesIO(data)) as file:
        rate_hz, channels = file.getframerate(), file.getnchannels()
        frames = file.readframes(len(data))
    samples = np.frombuffer(frames[: len(frames) & ~1], dtype="<i2").astype(np.float64)
    return samples[::channels], rate_hz


def resample(samples: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Make it this many times as long."""
    wanted = max(2, round(len(samples) * factor))
    spectrum = np.fft.rfft(samples)
    bins = wanted // 2 + 1
    cut = np.zeros(bins, dtype=spectrum.dtype)
    cut[: min(bins, len(spectrum))] = spectrum[:bins]
    result: NDArray[np.float64] = np.fft.irfft(cut, wanted) * (wanted / len(samples))
    return result


def raw(folder: Path, files: int, seed: int) -> list[Path]:
    """Have this many minutes of made-up speech, and all prompts there are."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for n in range(files):
        path = folder / f"{seed}-{n}.wav"
        if not path.exists():
            data = spoken(np.random.default_rng((seed, n)))
            if data is None:
                continue
            path.write_bytes(data)
        paths.append(path)
    return paths + sorted(PROMPTS.glob("**/*.wav"))


def varied(path: Path, rng: np.random.Generator) -> bytes:
    """Give a file as a telephone would carry it: another speed, level, law and line noise."""
    samples, rate_hz = load(path.read_bytes())
    if len(samples) < 800:
        return b""
    samples = resample(samples, RATE_HZ / rate_hz * rng.uniform(0.8, 1.25))
    loud = np.sqrt(np.mean(samples**2)) + 1.0
    samples *= 32768 * 10 ** (rng.uniform(-32, -12) / 20) / loud
    samples += rng.normal(0, 10 ** rng.uniform(0, 1.7), len(samples))
    law = Codec.PCMA if rng.random() < 0.5 else Codec.PCMU
    pcm = np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes()
    return g711.decode(g711.encode(pcm, law), law)


def stream(folder: Path, hours: float, seed: int) -> Iterator[tuple[str, bytes]]:
    """Give so many hours of speech, file by file; the same for the same seed."""
    paths = raw(folder, min(600, max(10, round(hours * 20))), seed)
    rng = np.random.default_rng((seed, 7))
    left = hours * 3600 * RATE_HZ
    while paths and left > 0:
        for n in rng.permutation(len(paths)).tolist():
            pcm = varied(paths[n], rng)
            yield paths[n].name, pcm
            left -= len(pcm) // 2
            if left <= 0:
                return
