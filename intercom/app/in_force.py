"""The building that is in force, from a file or the database, and who wants to know of another."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import structlog

from intercom.building import Building, BuildingChange, diff
from intercom.errors import ConfigError
from intercom.routing.change import DirectoryChange, change_between
from intercom.routing.directory import Directory

log = structlog.get_logger()

CHECK_BUILDING = "`intercom check-building` says where and what"
Listener = Callable[[Directory, DirectoryChange], None]
"""Called with the directory that is in force now, and what differs from the one of before."""


class Said(Protocol):
    """What loading again has changed."""

    def summary(self) -> str:
        """Say it for a person."""


class InForce(Protocol):
    """Where the directory comes from; it is never waited for."""

    on_change: list[Listener]

    @property
    def directory(self) -> Directory:
        """The directory in force."""

    async def reload(self, file: Path | None = None) -> Said:
        """Load everything again; ConfigError when it cannot be, and nothing changes."""

    async def reload_and_log(self) -> None:
        """Load everything again and only log what came of it."""

    def doubts(self) -> dict[str, object]:
        """Say what the operator should know of it, for `intercom status`."""

    def figures(self) -> dict[str, float]:
        """Give figures for the metrics."""


class BuildingInForce:
    """A building file's directory, and who wants to know when it changes."""

    def __init__(self, file: Path, load: Callable[[Path], Building]) -> None:
        self._file = file
        self._load = load
        self.directory = _looked_through(load(file))
        self.on_change: list[Listener] = []
        self._one_at_a_time = asyncio.Lock()

    async def reload(self, file: Path | None = None) -> BuildingChange:
        """Load the file again; a wrong one raises ConfigError and changes nothing.

        A large building takes a quarter of a second, so it is read in a thread; then all of it is in
        force at once.
        """
        async with self._one_at_a_time:
            file = file or self._file
            building, change, touched = await asyncio.to_thread(self._read, file)
            self._file = file
            self.directory = _looked_through(building)
        for listener in self.on_change:
            listener(self.directory, touched)
        return change

    def _read(self, file: Path) -> tuple[Building, BuildingChange, DirectoryChange]:
        building = self._load(file)
        old, new = self.directory, building.directory
        return building, diff(old, new), change_between(old, new)

    async def reload_and_log(self) -> None:
        """Load the file again and only log what came of it."""
        try:
            change = await self.reload()
        except ConfigError:  # its words name people; the command shows them to the operator
            log.exception("building.refused", remedy=CHECK_BUILDING)
        else:
            log.info("building.loaded", **change.counts())

    def doubts(self) -> dict[str, object]:
        """Say nothing: `intercom check-building` says it."""
        return {}

    def figures(self) -> dict[str, float]:
        """Give none."""
        return {}


def _looked_through(building: Building) -> Directory:
    if building.warnings:
        log.warning("building.doubtful", count=len(building.warnings), remedy=CHECK_BUILDING)
    return building.directory
