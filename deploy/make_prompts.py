# noqa: INP001 - a script, not a package
"""Make the spoken prompts with espeak-ng: `.venv/bin/python deploy/make_prompts.py` (Debian: espeak-ng).

They say what stands in `intercom/media/prompts/texts.toml`, are kept in the repository beside it, and
`manifest.json` there tells of which texts they are; the router itself needs no speech synthesis. The
same texts give the same files again. For a person's voice a property gives recordings of its own
(`[property.prompts]`), so that these stay as they are made.
"""

import hashlib
import json
import subprocess
from pathlib import Path

from intercom.media.prompts import LANGUAGES, Words, texts
from intercom.media.recording import prepare
from intercom.media.tones import SAMPLE_RATE_HZ
from intercom.media.wav import write_wav

FOLDER = Path(__file__).parent.parent / "intercom" / "media" / "prompts"
MANIFEST = FOLDER / "manifest.json"
VOICES = {"nb": "nb", "nn": "nb", "en": "en-gb", "sv": "sv"}
SPEED = "150"
"""Words a minute."""
TIME_LIMIT_S = 20


def speak(text: str, language: str) -> bytes:
    """Synthesise; give a WAV file as espeak-ng writes it."""
    command = ["espeak-ng", "-v", VOICES[language], "-s", SPEED, "--stdout", text]
    return subprocess.run(command, check=True, capture_output=True, timeout=TIME_LIMIT_S).stdout  # noqa: S603 - our own texts


def make(text: str, language: str) -> bytes:
    """Give one prompt's file."""
    return write_wav(prepare(speak(text, language)).pcm, SAMPLE_RATE_HZ)


def sign(text: str, language: str) -> str:
    """Name what a file was made of: another text, voice or speed gives another name."""
    return _digest("\n".join((VOICES[language], SPEED, text)).encode())


def entry(text: str, language: str, content: bytes) -> dict[str, str]:
    """Tell of one file what it says and which one it is."""
    return {"said": sign(text, language), "file": _digest(content)}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def main() -> None:
    """Write every file anew, and the manifest."""
    manifest = {}
    for language in LANGUAGES:
        for words in Words:
            text = texts(language)[words]
            name = f"{language}_{words.value}.wav"
            content = make(text, language)
            (FOLDER / name).write_bytes(content)
            manifest[name] = entry(text, language, content)
    MANIFEST.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", "utf-8")
    for stale in set(FOLDER.glob("*.wav")) - {FOLDER / name for name in manifest}:
        stale.unlink()


if __name__ == "__main__":
    main()
