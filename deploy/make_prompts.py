# noqa: INP001 - a script, not a package
"""Make the spoken prompts with espeak-ng: `python deploy/make_prompts.py` (Debian: espeak-ng).

The files are kept in the repository; the router itself needs no speech synthesis. For a person's
voice, replace a file by a recording of 8 kHz, 16 bits, mono at the same place.
"""

import io
import math
import subprocess
import sys
import wave
from array import array
from operator import mul
from pathlib import Path

from intercom.media.prompts import Words
from intercom.media.tones import SAMPLE_RATE_HZ

FOLDER = Path(__file__).parent.parent / "intercom" / "media" / "prompts"
SPEECH_RMS = 32767 * 10 ** (-16 / 20)  # -16 dBFS, about as loud as a person on the telephone
PEAK = 32000
CUT_OFF_HZ = 3600
HALF_WIDTH = 24
"""Of the resampling filter, in input samples at the cut-off."""
TIME_LIMIT_S = 20

TEXTS = {
    "nb": {
        Words.RING_FROM: "Det ringer fra",
        Words.PRESS_ANY_KEY: "Trykk en tast for å fortsette samtalen",
        Words.DOOR_OPENED: "Døren er åpen",
        Words.NOBODY_ANSWERS: "Ingen svarer",
        Words.NOBODY_REACHABLE: "Ingen kan nås akkurat nå",
        Words.TOO_MANY_CALLS: "For mange anrop akkurat nå. Prøv igjen om litt",
        Words.NO_CALLBACK: "Dette er en dørtelefon. Den kan ikke ringes opp",
        Words.IN_USE: "Opptatt. Vent litt, og ring på igjen",
        Words.NOT_OPENED: "Døren ble ikke åpnet",
        Words.MAIN_ENTRANCE: "hovedinngangen",
        Words.GARAGE: "garasjen",
        Words.BACK_DOOR: "bakdøren",
        Words.ENTRANCE: "inngangen",
    },
    "en": {
        Words.RING_FROM: "Somebody is at",
        Words.PRESS_ANY_KEY: "Press any key to go on with the call",
        Words.DOOR_OPENED: "The door is open",
        Words.NOBODY_ANSWERS: "Nobody answers",
        Words.NOBODY_REACHABLE: "Nobody can be reached right now",
        Words.TOO_MANY_CALLS: "Too many calls right now. Please try again soon",
        Words.NO_CALLBACK: "This is the door intercom's number. It cannot be called back",
        Words.IN_USE: "Busy. Please wait a moment and ring again",
        Words.NOT_OPENED: "The door was not opened",
        Words.MAIN_ENTRANCE: "the main entrance",
        Words.GARAGE: "the garage",
        Words.BACK_DOOR: "the back door",
        Words.ENTRANCE: "the entrance",
    },
}


def speak(text: str, language: str) -> tuple[list[float], int]:
    """Synthesise; give samples and their rate."""
    voice = {"nb": "nb", "en": "en-gb"}[language]
    command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text]
    sound = subprocess.run(command, check=True, capture_output=True, timeout=TIME_LIMIT_S).stdout  # noqa: S603 - our own texts
    with wave.open(io.BytesIO(sound)) as recording:
        samples = array("h", recording.readframes(recording.getnframes()))
        return [float(sample) for sample in samples], recording.getframerate()


def resample(samples: list[float], rate_hz: int) -> list[float]:
    """Bring to 8 kHz through a windowed sinc low-pass."""
    step = rate_hz / SAMPLE_RATE_HZ
    band = 2 * CUT_OFF_HZ / rate_hz
    half = int(HALF_WIDTH / band)
    out = []
    for n in range(int(len(samples) / step)):
        centre = n * step
        first = max(0, math.ceil(centre - half))
        window = samples[first : int(centre + half) + 1]
        weights = [kernel(first + i - centre, band, half) for i in range(len(window))]
        out.append(sum(map(mul, window, weights)))
    return out


def kernel(distance: float, band: float, half: int) -> float:
    """Weigh a sample by its distance: sinc under a Hann window."""
    if abs(distance) < 1e-9:
        return band
    sinc = math.sin(math.pi * band * distance) / (math.pi * distance)
    return sinc * (0.5 + 0.5 * math.cos(math.pi * distance / half))


def trim(samples: list[float]) -> list[float]:
    """Cut silence off both ends, leaving 30 ms."""
    loud = [n for n, sample in enumerate(samples) if abs(sample) > 200]
    margin = SAMPLE_RATE_HZ * 30 // 1000
    return samples[max(0, loud[0] - margin) : loud[-1] + margin]


def normalise(samples: list[float]) -> "array[int]":
    """Bring speech to its level; the few peaks above full scale are bent, not cut."""
    power = sum(map(mul, samples, samples)) / len(samples)
    gain = SPEECH_RMS / math.sqrt(power)
    return array("h", [round(PEAK * math.tanh(sample * gain / PEAK)) for sample in samples])


def main() -> None:
    """Write every file anew."""
    FOLDER.mkdir(exist_ok=True)
    for language, texts in TEXTS.items():
        for words, text in texts.items():
            samples = normalise(trim(resample(*speak(text, language))))
            if sys.byteorder == "big":
                samples.byteswap()
            with wave.open(str(FOLDER / f"{language}_{words.value}.wav"), "wb") as file:
                file.setparams((1, 2, SAMPLE_RATE_HZ, len(samples), "NONE", "not compressed"))
                file.writeframes(samples.tobytes())


if __name__ == "__main__":
    main()
