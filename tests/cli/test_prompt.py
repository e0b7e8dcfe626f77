"""`intercom prompt`: what becomes of a recording, and which words there are."""

from click.testing import CliRunner

from intercom.cli import cli
from intercom.cli.exit_codes import ExitCode
from intercom.media.prompts import Words
from intercom.media.recording import to_pcm
from intercom.media.wav import read_wav, write_wav
from tests.media.test_recording import sine


def run(*arguments):
    return CliRunner().invoke(cli, ["prompt", *map(str, arguments)])


def test_it_says_what_is_changed_and_writes_what_will_be_heard(tmp_path):
    mine, heard = tmp_path / "mine.wav", tmp_path / "heard.wav"
    mine.write_bytes(write_wav(to_pcm(sine(800, 44100, amplitude=0.9)), 44100))

    result = run(mine, "--out", heard)

    assert result.exit_code == 0
    assert "1.0 s, 44100 Hz, PCM, 16 bits, mono" in result.stdout
    assert "44100 Hz brought to 8000 Hz" in result.stdout
    assert "dB quieter" in result.stdout
    assert read_wav(heard.read_bytes()).rate_hz == 8000


def test_a_file_that_cannot_be_used_is_named_with_the_remedy(tmp_path):
    mine = tmp_path / "mine.wav"
    mine.write_bytes(b"ID3")

    result = run(mine)

    assert result.exit_code == ExitCode.CONFIGURATION
    assert f"{mine} is no WAV file" in result.stderr
    assert "save it as WAV, PCM, 16 bits, mono" in result.stderr


def test_it_lists_what_can_be_said_in_a_language():
    result = run("--words", "sv")

    assert "nobody_answers    Ingen svarar\n" in result.stdout
    assert len(result.stdout.splitlines()) == len(Words)


def test_without_a_file_it_says_how_it_is_used():
    result = run()

    assert result.exit_code == 2
    assert "Give a recording, or --words with a language" in result.stderr
