"""What the documents promise about the code."""

import ast
import re
import tomllib
from pathlib import Path

from intercom.cli import cli
from intercom.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
OPERATORS = (ROOT / "docs" / "operators.md").read_text()


def texts_of_the_code() -> str:
    """Give every text of the code, one a line; what an f-string fills in ends a text."""
    return "\n".join(
        node.value
        for file in (ROOT / "intercom").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_the_words_that_operators_look_up_are_the_code_s():
    table = OPERATORS.partition("| words |")[2].partition("\n\n")[0]
    quoted = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    texts = texts_of_the_code()

    assert len(quoted) > 20
    fragments = {one.strip() for words in quoted for one in words.split("…") if one.strip()}
    assert sorted(one for one in fragments if one not in texts) == []


def test_settings_that_documents_name_exist():
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").iterdir()]
    named = {
        name
        for file in files
        for name in re.findall(rf"\b{PREFIX}[A-Z0-9_]*[A-Z0-9]\b", file.read_text())
        if not name.startswith("INTERCOM_SECRET")
    }

    known = {PREFIX + name.upper() for name in Settings.model_fields} | {"INTERCOM_SETTINGS"}
    assert named - known == set()


def test_commands_that_documents_name_exist():
    files = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        command
        for file in files
        for command in re.findall(r"(?:^|`|\bsudo )intercom ([a-z-]+)", file.read_text(), re.M)
    }

    assert named - set(cli.commands) == set()


def test_make_targets_that_documents_name_exist():
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    named = {
        target
        for file in files
        for target in re.findall(r"(?:^|`)make ([a-z]+)", file.read_text(), re.M)
    }

    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert named - targets == set()


def test_links_between_documents_lead_somewhere():
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    broken = [
        f"{file.name}: {link}"
        for file in files
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", file.read_text())
        if not (file.parent / link).exists()
    ]

    assert broken == []


def test_the_licence_is_the_one_that_the_package_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert project["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()


def test_the_architecture_lists_every_log_event():
    logged = {
        node.args[0].value
        for file in (ROOT / "intercom").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and isinstance(node.args[0], ast.Constant)
    }
    section = (ROOT / "ARCHITECTURE.md").read_text().partition("## Log events")[2]

    assert len(logged) > 20
    assert logged == set(re.findall(r"`([a-z_]+\.[a-z_]+)`", section)) - {"logs.py"}


def test_every_room_of_the_architecture_exists_and_every_module_has_its_room():
    rooms = (ROOT / "ARCHITECTURE.md").read_text().partition("## The rooms")[2]
    named = set(re.findall(r"[a-z_]+", rooms.partition("Imports point down")[0]))
    top = {path.stem for path in (ROOT / "intercom").iterdir() if path.name[0] not in "_."}

    assert top - named == set()
