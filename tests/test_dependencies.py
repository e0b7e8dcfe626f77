"""What the code imports is declared: a fresh machine gets all of it, and nothing by chance."""

import ast
import functools
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"intercom", "firmware_sim", "tests", "bench"}
OURS |= {file.stem for file in (ROOT / "bench").glob("*.py")}  # a benchmark is started as a file
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def declared(*groups: list[str]) -> set[str]:
    return {normal(re.split(r"[\[=<>]", one)[0]) for group in groups for one in group}


def normal(distribution: str) -> str:
    return re.sub("[-_.]+", "-", distribution).lower()


@functools.cache
def by_module() -> dict[str, list[str]]:
    return dict(packages_distributions())


def imported(folder: str) -> set[str]:
    """Name the distributions that a folder's modules import."""
    modules: set[str] = set()
    for file in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Import():
                    modules |= {alias.name.partition(".")[0] for alias in node.names}
                case ast.ImportFrom(module=str(module), level=0):
                    modules.add(module.partition(".")[0])
    strangers = modules - OURS - sys.stdlib_module_names
    return {normal(by_module().get(module, [module])[0]) for module in strangers}


@pytest.mark.parametrize(
    ("folder", "groups"),
    [
        ("intercom", [PROJECT["dependencies"]]),
        ("firmware_sim", [PROJECT["dependencies"], EXTRAS["sim"]]),
        ("tests", [PROJECT["dependencies"], EXTRAS["sim"], EXTRAS["dev"], EXTRAS["fuzz"]]),
    ],
)
def test_every_package_that_is_imported_is_declared(folder, groups):
    # pydantic pins its own core, and both are used as one
    assert imported(folder) - declared(*groups) <= {"pydantic-core"}
