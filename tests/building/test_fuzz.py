"""Whatever stands in a building file, loading it says so in words or gives a building."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom.building import load_building
from intercom.errors import ConfigError

EXAMPLE = (Path(__file__).parents[2] / "examples" / "building.toml").read_text()
LINES = [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")]
VALUES = r"""
1 | -1 | 1.5 | nan | 1e400 | true | 2026-01-01 | "" | "x" | "\u0000" | "sip:" | "[::" | "http://[" | "$argon2id$"
[] | [1] | ["x"] | [[]] | [{ a = 1 }] | {} | { a = 1 } | { "1" = 2 } | { driver = "http" } | { driver = 1 }
""".replace("\n", "|").split("|")
HEADERS = [
    "[property]",
    "[[property]]",
    "[door]",
    "[[door]]",
    "[panel]",
    "[[panel.buttons]]",
    "[trunk]",
    "[[resident]]",
    "[[door.relay]]",
    "[x.y]",
    "door=1",
    "panel=[1,2]",
    "resident={}",
]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("building") / "building.toml"


def load(file, text):
    file.write_text(text)
    with contextlib.suppress(ConfigError):
        load_building(file, caller_id="+4723506953", environment={})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(LINES) - 1), st.sampled_from(VALUES))
def test_any_value_in_any_place_is_taken_or_refused_in_words(file, position, value):
    changed = list(LINES)
    changed[position] = re.sub(r"= .*", lambda _: f"= {value}", changed[position])

    load(file, "\n".join(changed))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(LINES)), st.sampled_from(HEADERS)), min_size=1, max_size=3
    )
)
def test_any_header_in_any_place_is_taken_or_refused_in_words(file, inserted):
    changed = list(LINES)
    for position, header in inserted:
        changed.insert(position, header)

    load(file, "\n".join(changed))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(LINES) - 1), max_size=6))
def test_any_missing_lines_are_refused_in_words_or_not_missed(file, removed):
    load(file, "\n".join(line for at, line in enumerate(LINES) if at not in removed))
