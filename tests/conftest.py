"""What holds for every test."""

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail, on a CI machine, what was skipped because that machine lacks a program or root."""
    report = yield
    needs_machine = item.get_closest_marker("interop") or item.get_closest_marker("e2e")
    if report.skipped and needs_machine and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason}. On a CI machine nothing is skipped: run `make setup` as root."
    return report
