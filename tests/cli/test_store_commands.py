"""The commands that touch the database as a whole, as an operator types them."""

import json

import pytest
from click.testing import CliRunner

from intercom.cli import cli
from intercom.cli.exit_codes import ExitCode
from tests.store.house_file import ENVIRONMENT, SMALL

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command in a folder with a building file and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTERCOM_CALLER_ID", "+4723506953")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "building.toml").write_text(SMALL)
    (tmp_path / "building.toml").chmod(0o600)

    def run(*arguments):
        result = CliRunner().invoke(cli, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


def test_an_empty_database_gets_its_tables_and_then_has_them(run):
    assert "its tables are made" in run("migrate").output
    assert "already" in run("migrate").output


def test_a_file_is_taken_in_exported_and_good(run, tmp_path):
    tried = run("import-building", "building.toml", "--dry-run")
    made = run("import-building", "building.toml")
    again = run("import-building", "building.toml")

    assert 'Property "storgata": would be 11 added' in tried.output
    assert 'added resident "kari"' in made.output
    assert "2 numbers are not called before" in made.output
    assert 'Property "storgata": 0 added, 0 changed, 0 removed' in again.output

    assert run("export-building", "--out", "out.toml").exit_code == ExitCode.DONE
    assert (tmp_path / "out.toml").stat().st_mode & 0o777 == 0o600
    assert "out.toml is good" in run("check-building", "out.toml").output


def test_a_wrong_file_says_all_that_is_wrong_and_changes_nothing(run, tmp_path):
    (tmp_path / "building.toml").write_text(SMALL.replace('["berg"]', '["nobody"]'))

    result = run("import-building", "building.toml")

    assert result.exit_code == ExitCode.CONFIGURATION
    assert 'resident "nobody" is not defined' in result.output
    assert "There is none yet" in run("export-building").output


def test_a_backup_is_restored_and_the_restore_taken_back(run, tmp_path):
    run("import-building", "building.toml")
    made = run("backup", "saved.db")
    assert "saved.db" in made.output
    (tmp_path / "building.toml").write_text(SMALL.replace("Kari Hansen", "Kari Moen"))
    run("import-building", "building.toml")

    restored = run("restore", "saved.db")

    assert "Kari Hansen" in run("export", "kari").output
    run("restore", restored.output.split()[-1])
    assert "Kari Moen" in run("export", "kari").output


def test_what_is_no_backup_is_refused_in_words(run):
    run("migrate")

    result = run("restore", "building.toml")

    assert result.exit_code == ExitCode.CONFIGURATION
    assert "is no backup of Open Intercom's database" in result.output


def test_a_person_s_data_are_json_with_the_log_ins(run, tmp_path):
    run("import-building", "building.toml")
    (tmp_path / "var" / "logins.json").write_text(
        json.dumps(
            [
                {
                    "token_digest": digest * 32,
                    "resident": name,
                    "device": f"{name}-phone",
                    "password_mark": "cd" * 32,
                    "label": "Firefox, Linux",
                    "created_on": "2026-11-01",
                }
                for name, digest in (("kari", "ab"), ("ola", "ef"))
            ]
        )
    )

    found = json.loads(run("export", "kari").stdout)

    assert found["account"][0]["name"] == "Kari Hansen"
    assert found["log-ins"] == [
        {"device": "kari-phone", "label": "Firefox, Linux", "created_on": "2026-11-01"}
    ]


def test_nobody_of_a_name_is_said_in_words(run):
    assert "There is no person" in run("export", "nobody").output


def test_a_database_that_is_not_there_is_said_in_words(run, monkeypatch, tmp_path):
    monkeypatch.setenv("INTERCOM_DATABASE", f"postgresql://x@/none?host={tmp_path}")

    result = run("migrate")

    assert result.exit_code == ExitCode.NOT_DONE
    assert "The database cannot be reached" in result.output
