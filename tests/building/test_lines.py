"""Line numbers of a TOML text's values."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from intercom.building.lines import LineIndex

TEXT = '''# comment = "x"
[property]
name = "a # b"

[[panel]]
id = "main"
buttons = { "1" = "x" }
[panel.profile]
early = "183"

[[panel]]
"id" = 'other'
allowed = [
  "a",  # ]
  "b",
]
long = """
[[panel]]
id = "no"
"""
profile.early = "answer"
'''


def test_each_key_has_the_line_on_which_it_begins():
    tomllib.loads(TEXT)
    lines = LineIndex(TEXT)

    assert lines.line_of(("property", "name")) == 3
    assert lines.line_of(("panel", 0)) == 5
    assert lines.line_of(("panel", 0, "profile", "early")) == 9
    assert lines.line_of(("panel", 1, "id")) == 12
    assert lines.line_of(("panel", 1, "allowed", 1)) == 13
    assert lines.line_of(("panel", 1, "long")) == 17
    assert lines.line_of(("panel", 1, "profile", "early")) == 21


def test_a_value_inside_an_inline_table_has_the_table_s_line():
    assert LineIndex(TEXT).line_of(("panel", 0, "buttons", "1")) == 7


def test_what_stands_nowhere_has_the_line_of_the_nearest_table_or_none():
    lines = LineIndex(TEXT)

    assert lines.line_of(("panel", 1, "missing")) == 11
    assert lines.line_of(("door",)) is None


def test_a_table_of_many_has_the_line_of_its_first():
    assert LineIndex(TEXT).line_of(("panel",)) == 5


@given(st.text(alphabet="[]{}=.,\"'#\n a1\\", max_size=200))
def test_no_text_makes_the_scanner_fail(text):
    LineIndex(text)
