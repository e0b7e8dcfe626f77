"""A stage for a test: the demonstration's processes, with their last words when a test fails."""

import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from intercom.demo.processes import tail
from intercom.demo.stage import Plan, open_stage
from tests.e2e.play import ALL, Play

OpenPlay = Callable[..., AbstractAsyncContextManager[Play]]


@pytest.fixture
def open_play(tmp_path_factory: pytest.TempPathFactory) -> OpenPlay:
    """Give a function that opens a stage with the cast that is up: `open_play(Plan(), cast=…)`."""

    @contextlib.asynccontextmanager
    async def opened(
        plan: Plan | None = None,
        *,
        cast: tuple[str, ...] = ALL,
        edit: Callable[[str], str] | None = None,
        is_online: bool = True,
    ) -> AsyncIterator[Play]:
        # Not tmp_path: a test's name is too long for the path of a Unix socket.
        directory = tmp_path_factory.mktemp("stage")
        try:
            async with open_stage(plan or Plan(), directory) as stage:
                if edit is not None:
                    building = stage.directory / "building.toml"
                    building.write_text(edit(building.read_text()))
                for name in ("router", *cast):
                    await getattr(stage, f"start_{name}")()
                if is_online:
                    await stage.wait_online()
                yield Play(stage)
        except BaseException:
            _print_logs(directory)
            raise

    return opened


def _print_logs(directory: Path) -> None:
    for file in sorted(directory.glob("*.log")):
        sys.stderr.write(f"--- {file.name}\n{tail(file, 30)}\n")
