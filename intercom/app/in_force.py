"""The building that is in force, and who wants to know when another takes its place."""

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
        self.directory = self._read(file)
        self.on_change: list[Callable[[Directory], None]] = []

    def reload(self, file: Path | None = None) -> BuildingChange:
        """Load the file again; a wrong one raises ConfigError and changes nothing."""
        new = self._read(file or self._file)
        change = diff(self.directory, new)
        self._file = file or self._file
        self.directory = new
        for listener in self.on_change:
            listener(new)
        return change

    def _read(self, file: Path) -> Directory:
        building = self._load(file)
        if building.warnings:
            log.warning("building.doubtful", count=len(building.warnings), remedy=CHECK_BUILDING)
        return building.directory

    def reload_by_signal(self) -> None:
        """Load the file again and only log what came of it."""
        try:
            change = self.reload()
        except ConfigError:  # its words name people; the command shows them to the operator
            log.exception("building.refused", remedy=CHECK_BUILDING)
        else:
            log.info("building.loaded", **change.counts())
