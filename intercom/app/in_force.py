"""The building that is in force, and who wants to know when another takes its place."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from intercom.building import Building, BuildingChange, diff
from intercom.errors import ConfigError
from intercom.routing.directory import Directory

log = structlog.get_logger()

CHECK_BUILDING = "`intercom check-building` says where and what"


class BuildingInForce:
    """The directory in force, and who wants to know when it changes."""

    def __init__(self, file: Path, load: Callable[[Path], Building]) -> None:
        self._file = file
        self._load = load
        self.directory = _looked_through(load(file))
        self.on_change: list[Callable[[Directory], None]] = []
        self._one_at_a_time = asyncio.Lock()

    async def reload(self, file: Path | None = None) -> BuildingChange:
        """Load the file again; a wrong one raises ConfigError and changes nothing.

        A large building takes a quarter of a second, so it is read in a thread; then all of it is in
        force at once.
        """
        async with self._one_at_a_time:
            file = file or self._file
            building, change = await asyncio.to_thread(self._read, file)
            self._file = file
            self.directory = _looked_through(building)
        for listener in self.on_change:
            listener(self.directory)
        return change

    def _read(self, file: Path) -> tuple[Building, BuildingChange]:
        building = self._load(file)
        return building, diff(self.directory, building.directory)

    async def reload_and_log(self) -> None:
        """Load the file again and only log what came of it."""
        try:
            change = await self.reload()
        except ConfigError:  # its words name people; the command shows them to the operator
            log.exception("building.refused", remedy=CHECK_BUILDING)
        else:
            log.info("building.loaded", **change.counts())


def _looked_through(building: Building) -> Directory:
    if building.warnings:
        log.warning("building.doubtful", count=len(building.warnings), remedy=CHECK_BUILDING)
    return building.directory
