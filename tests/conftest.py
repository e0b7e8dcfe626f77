"""What holds for every test."""

import os
from collections.abc import Generator

import pytest

pytest_plugins = ["tests.store.databases"]
BESIDE_OTHERS_S = 15


def pytest_configure(config: pytest.Config) -> None:
    """Name the marks that say how tests may be run together."""
    config.addinivalue_line("markers", "alone: measures time, so that nothing may run beside it")
    config.addinivalue_line("markers", "xdist_group(name): those of a name run one after the other")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a test more than its five seconds where others take the processor from it."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        for item in items:
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(BESIDE_OTHERS_S))


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
