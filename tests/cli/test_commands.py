"""The command line: what each command says, and how it ends."""

import asyncio
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner

from intercom.adapters.control import ControlHandlers, control_server
from intercom.cli import cli
from intercom.cli.exit_codes import ExitCode
from intercom.errors import ConfigError, MediaError, NotThereYetError
from intercom.ports import RelayOutcome, RelayResult
from intercom.trace import Hop, Trace

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in list(os.environ):
        if name.startswith("INTERCOM_"):
            monkeypatch.delenv(name)


def run(*arguments, **options):
    return CliRunner().invoke(cli, [str(one) for one in arguments], **options)


class Change:
    def summary(self) -> str:
        return 'added resident "kari"'


class Service:
    def __init__(self) -> None:
        self.now = 0.0
        self.trace = Trace(lambda: self.now)
        self.result = RelayResult(RelayOutcome.OPENED, on_ms=2998, coil_ma=121)
        self.loaded: list[Path | None] = []

    async def relay_test(self, door: str) -> RelayResult:
        if door != "main":
            msg = f'There is no door "{door}".'
            raise ConfigError(msg)
        return self.result

    async def reload(self, file: Path | None) -> Change:
        self.loaded.append(file)
        return Change()

    def status(self) -> dict[str, object]:
        return {"calls": 1, "panels_online": {"main": True, "back": False}, "apps_online": 2}


@pytest.fixture
async def service(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERCOM_STATE_DIR", str(tmp_path))
    service = Service()
    handlers = ControlHandlers(
        service.trace, service.relay_test, service.reload, service.status, unlock=lambda: 3
    )
    async with control_server(tmp_path / "control.sock", handlers):
        yield service


def test_help_teaches_with_examples_and_lists_the_exit_codes():
    result = run("--help")

    assert "intercom relay-test main" in result.output
    for code in ExitCode:
        assert f"\n    {code.value} " in result.output


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_explains_itself_in_a_sentence(command):
    text = cli.commands[command].help or ""

    assert text.partition("\n")[0].rstrip().endswith(".")


def test_the_command_line_starts_without_the_media_libraries():
    code = "import sys, intercom.cli; print(sorted({'aiortc', 'av'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_serve_without_a_caller_id_says_what_to_give():
    result = run("serve")

    assert result.exit_code == ExitCode.CONFIGURATION
    assert result.stderr.startswith("INTERCOM_CALLER_ID is missing: give the number")


@pytest.mark.parametrize("is_grouped", [False, True])
@pytest.mark.parametrize(
    ("kind", "code"),
    [(ConfigError, ExitCode.CONFIGURATION), (NotThereYetError, ExitCode.NOT_DONE)],
    ids=["for good", "for now"],
)
def test_serve_says_in_words_why_it_could_not_start(monkeypatch, is_grouped, kind, code):
    async def serve(settings, building_file):
        assert building_file == Path("b.toml")
        error = kind("Port 5060 is taken: end the program that uses it.")
        raise ExceptionGroup("tasks", [error]) if is_grouped else error

    app = types.ModuleType("intercom.app")
    app.serve = serve
    monkeypatch.setitem(sys.modules, "intercom.app", app)
    monkeypatch.setattr("intercom.logs.configure", lambda *_: None)
    monkeypatch.setenv("INTERCOM_CALLER_ID", "+4723506953")

    result = run("serve", "--building", "b.toml")

    assert result.exit_code == code
    assert result.stderr == "Port 5060 is taken: end the program that uses it.\n"


def test_a_bug_beside_one_of_our_errors_is_not_hidden(monkeypatch):
    async def serve(settings, building_file):
        raise ExceptionGroup("tasks", [MediaError("no port"), ZeroDivisionError()])

    app = types.ModuleType("intercom.app")
    app.serve = serve
    monkeypatch.setitem(sys.modules, "intercom.app", app)
    monkeypatch.setattr("intercom.logs.configure", lambda *_: None)
    monkeypatch.setenv("INTERCOM_CALLER_ID", "+4723506953")

    assert isinstance(run("serve").exception, ExceptionGroup)


@pytest.mark.parametrize(
    "arguments", [("trace",), ("relay-test", "main"), ("reload",), ("status",)]
)
def test_without_a_service_the_way_to_start_one_is_said(tmp_path, arguments):
    result = run(*arguments, "--socket", tmp_path / "none.sock")

    assert result.exit_code == ExitCode.NO_SERVICE
    assert "Start it with `intercom serve`" in result.stderr


async def test_trace_shows_a_call_hop_by_hop_in_milliseconds(service):
    service.trace.step("3f9a01", Hop.PRESS, "the button was pressed", button="2")
    service.now = 0.188
    service.trace.step("3f9a01", Hop.PICTURE_READY, leg=None)

    result = await asyncio.to_thread(run, "trace")

    assert result.exit_code == ExitCode.DONE
    assert result.stdout.splitlines() == [
        "call 3f9a01",
        "      ms     +ms  hop             what",
        "       0          press           the button was pressed  button=2",
        "     188    +188  picture ready",
    ]


async def test_trace_shows_the_call_that_was_asked_for(service):
    service.trace.step("3f9a01", Hop.PRESS)
    service.trace.step("77aa01", Hop.PRESS)

    result = await asyncio.to_thread(run, "trace", "77")

    assert "77aa01" in result.stdout
    assert "3f9a01" not in result.stdout


async def test_trace_of_a_call_that_is_not_there_says_so(service):
    result = await asyncio.to_thread(run, "trace", "zz")

    assert result.exit_code == ExitCode.NOT_DONE
    assert "No call of the last 15 minutes begins with zz" in result.stderr


async def test_what_a_panel_sends_cannot_steer_the_terminal(service):
    service.trace.step("c1", Hop.PRESS, "\x1b[2Jgone", button="\r\n2")

    result = await asyncio.to_thread(run, "trace")

    assert "\x1b" not in result.stdout
    assert "\r" not in result.stdout


@pytest.mark.parametrize(
    ("result", "said", "code"),
    [
        (
            RelayResult(RelayOutcome.OPENED, on_ms=2998, coil_ma=121),
            'Door "main": opened: measured 2998 ms, coil 121 mA',
            ExitCode.DONE,
        ),
        (
            RelayResult(RelayOutcome.OPENED, on_ms=0, coil_ma=180),
            'Door "main": opened: measured coil 180 mA',
            ExitCode.DONE,
        ),
        (
            RelayResult(RelayOutcome.OPENED, on_ms=0, coil_ma=None),
            'Door "main": opened: measured by its contact',
            ExitCode.DONE,
        ),
        (RelayResult(RelayOutcome.SENT), 'Door "main": sent: the relay took', ExitCode.DONE),
        (RelayResult(RelayOutcome.UNKNOWN), "unknown: no answer in time", ExitCode.NOT_DONE),
        (
            RelayResult(RelayOutcome.FAILED, "the panel is offline"),
            "failed: the panel is offline",
            ExitCode.NOT_DONE,
        ),
    ],
)
async def test_relay_test_says_what_was_measured(service, result, said, code):
    service.result = result

    done = await asyncio.to_thread(run, "relay-test", "main")

    assert said in done.stdout
    assert done.exit_code == code


async def test_relay_test_of_no_door_says_so(service):
    done = await asyncio.to_thread(run, "relay-test", "x")

    assert 'There is no door "x".' in done.stderr
    assert done.exit_code == ExitCode.NOT_DONE


async def test_reload_says_what_changed_and_sends_an_absolute_path(service, tmp_path):
    done = await asyncio.to_thread(run, "reload")
    await asyncio.to_thread(run, "reload", "--building", "other.toml")

    assert done.stdout == 'added resident "kari"\n'
    assert service.loaded == [None, Path.cwd() / "other.toml"]


async def test_unlock_says_how_many_sources_were_shut_out(service):
    done = await asyncio.to_thread(run, "unlock")

    assert done.exit_code == ExitCode.DONE
    assert done.stdout == "Unlocked: 3 sources, and every SIP user.\n"


async def test_status_says_what_runs(service):
    done = await asyncio.to_thread(run, "status")

    assert done.stdout == "calls: 1\npanels online: main yes, back no\napps online: 2\n"


def test_check_building_names_all_faults(tmp_path):
    file = tmp_path / "b.toml"
    file.write_text("[[door]]\n[[panel]]\n")

    result = run("check-building", file)

    assert result.exit_code == ExitCode.CONFIGURATION
    assert f"{file}:1: door no. 1 → id: is missing" in result.stderr
    assert f"{file}:2: panel no. 1 → door: is missing" in result.stderr


EXAMPLE_SECRETS = (
    *("GARAGE_RELAY", "PANEL_MAIN", "CARRIER", "KARI_DESK", "YARD_RELAY", "PANEL_YARD"),
    *("CELLAR_CODE", "PANEL_CELLAR", "CELLAR_PICTURE"),
)


def test_check_building_counts_what_a_good_file_holds(monkeypatch):
    monkeypatch.setenv("INTERCOM_CALLER_ID", "+4723506953")
    for name in EXAMPLE_SECRETS:
        monkeypatch.setenv(f"INTERCOM_SECRET_{name}", "12345678")

    result = run("check-building", ROOT / "examples" / "building.toml")

    assert result.exit_code == ExitCode.DONE
    assert "is good: 4 doors, 4 panels, 2 doorbells, 3 residents, 1 trunks" in result.stdout


def test_check_building_finds_the_passwords_in_the_settings_file(monkeypatch, tmp_path):
    names = [f"INTERCOM_SECRET_{name}" for name in EXAMPLE_SECRETS]
    for name in names:
        monkeypatch.setenv(name, "")  # so that it is taken away again
        monkeypatch.delenv(name)
    file = tmp_path / "intercom.env"
    lines = ["INTERCOM_CALLER_ID=+4723506953", *(f"{name}=12345678" for name in names)]
    file.write_text("\n".join(lines))

    result = run("check-building", "--settings", file, ROOT / "examples" / "building.toml")

    assert result.exit_code == ExitCode.DONE, result.stderr


def test_serve_says_that_its_state_directory_cannot_be_made(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("INTERCOM_CALLER_ID", "+4723506953")
    monkeypatch.setenv("INTERCOM_STATE_DIR", str(tmp_path / "file" / "var"))

    result = run("serve", "--building", ROOT / "examples" / "building.toml")

    assert result.exit_code == ExitCode.CONFIGURATION
    assert "cannot be made (Not a directory): set INTERCOM_STATE_DIR" in result.stderr


def test_hash_password_gives_an_argon2id_hash_of_the_first_line():
    result = run("hash-password", input="hunter2222\nmore\n")

    assert result.stdout.startswith("$argon2id$")
    assert PasswordHasher().verify(result.stdout.strip(), "hunter2222")


def test_hash_password_refuses_a_short_password():
    result = run("hash-password", input="short\n")

    assert result.exit_code == ExitCode.NOT_DONE
    assert result.stdout == ""


def test_settings_are_shown_also_when_they_are_not_complete():
    result = run("settings")

    assert "INTERCOM_SIP_PORT = 5060" in result.stdout
    assert "INTERCOM_CALLER_ID is missing" in result.stderr
    assert result.exit_code == ExitCode.CONFIGURATION


def test_settings_as_markdown_are_the_document():
    assert run("settings", "--markdown").stdout == (ROOT / "docs" / "settings.md").read_text()


async def test_follow_shows_steps_as_they_come(service, tmp_path):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "intercom", "trace", "--follow", cwd=tmp_path, stdout=-1
    )
    try:
        assert process.stdout is not None
        for _ in range(300):
            if service.trace._subscribers:
                break
            await asyncio.sleep(0.01)
        service.trace.step("c1", Hop.PRESS)

        assert await process.stdout.readline() == b"call c1\n"
    finally:
        process.terminate()
        await process.communicate()
