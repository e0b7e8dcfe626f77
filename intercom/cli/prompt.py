"""`intercom prompt`: what the service makes of a recording, and which words can be recorded."""

from pathlib import Path

import click

from intercom.building.recordings import prepare_file
from intercom.media.prompts import LANGUAGES, Words, texts
from intercom.media.tones import SAMPLE_RATE_HZ
from intercom.media.wav import write_wav

_FilePath = click.Path(path_type=Path, dir_okay=False)


@click.command(
    "prompt",
    short_help="Hear what the service makes of a recording of your own.",
    epilog="""\b
Examples:
  intercom prompt nobody.wav --out heard.wav   say what is changed, write it as phones hear it
  intercom prompt --words sv                   what is said in Swedish, by the keys that replace it

\b
In the building file:
  [property.prompts]
  nobody_answers = "nobody.wav"                beside the building file""",
)
@click.argument("file", type=_FilePath, required=False)
@click.option("--out", type=_FilePath, metavar="OUT.wav", help="Write it as it will be heard.")
@click.option("--words", "language", type=click.Choice(LANGUAGES), help="List what can be said.")
def prompt(file: Path | None, out: Path | None, language: str | None) -> None:
    """Judge a recording FILE (WAV) as check-building does, and say what is changed of it."""
    if language is not None:
        said = texts(language)
        width = max(map(len, Words))
        for words in Words:
            click.echo(f"{words.value:<{width}}  {said[words]}")
        return
    if file is None:
        raise click.UsageError("Give a recording, or --words with a language.")
    recording = prepare_file(file)
    click.echo(f"{file}: {recording.was}")
    for change in recording.changes or ("nothing has to be changed",):
        click.echo(f"  {change}")
    click.echo(f"It will be heard for {recording.length_s:.1f} s.")
    if out is not None:
        out.write_bytes(write_wav(recording.pcm, SAMPLE_RATE_HZ))
        click.echo(f"{out}: as phones and panels hear it")
