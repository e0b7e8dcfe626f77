"""The state table in ARCHITECTURE.md is what the machine does."""

import pytest

from tests.routing.state_table import DOCUMENT, documented_table, make_table


@pytest.mark.timeout(60)
def test_the_documented_state_table_is_what_the_machine_does():
    table = documented_table(DOCUMENT.read_text(encoding="utf-8"))

    assert table is not None, "ARCHITECTURE.md has lost its markers"
    assert table == make_table(), "run: python -m tests.routing.state_table --write"
