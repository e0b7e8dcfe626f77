"""Which doors an app is told of: those that ring its person, and those that the person has a key to.

The index follows a change by what changed alone, so that one doorbell among thousands costs microseconds.
"""

import math
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from intercom.routing.change import DirectoryChange
from intercom.routing.directory import Directory
from intercom.routing.ids import DoorbellId, DoorId, PanelId, ResidentId
from intercom.routing.rights import has_key

_BUTTONS = 100
"""Of a panel, that are looked at in one part."""
_Owner = TypeVar("_Owner")
_Thing = TypeVar("_Thing")


class Following:
    """A change that is being taken; a panel has thousands of buttons, so that is done in slices."""

    def __init__(self, parts: Iterator[bool], concerned: set[ResidentId]) -> None:
        self._parts = parts
        self._concerned = concerned
        self._is_anybody = False
        self.is_done = False

    def go_on(self, slice_s: float = math.inf) -> None:
        """Take some more of it."""
        until_s = time.perf_counter() + slice_s
        for is_anybody in self._parts:
            self._is_anybody = is_anybody
            if time.perf_counter() > until_s:
                return
        self.is_done = True

    @property
    def concerned(self) -> frozenset[ResidentId] | None:
        """Give, once it is done, whose doors may be others now; None: anybody's."""
        return None if self._is_anybody else frozenset(self._concerned)


class AppDoors:
    """The doors of every person of a directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._residents_of: dict[DoorbellId, frozenset[ResidentId]] = {}
        self._doorbells_of: dict[ResidentId, set[DoorbellId]] = {}
        self._doorbells_at: dict[PanelId, set[DoorbellId]] = {}
        self._door_at: dict[PanelId, DoorId] = {}
        self._panels_of: dict[DoorbellId, set[PanelId]] = {}
        self._order: dict[DoorId, int] = {}
        for _ in self._take_doorbells(directory.doorbells, set()):
            pass
        for _ in self._take_panels(directory.panels, set()):
            pass
        self._take_doors()

    def follow(self, directory: Directory, change: DirectoryChange) -> frozenset[ResidentId] | None:
        """Take the next directory at once; give whose doors may be others now, None: anybody's."""
        following = self.following(directory, change)
        following.go_on()
        return following.concerned

    def following(self, directory: Directory, change: DirectoryChange) -> Following:
        """Take the next directory in slices; the one before must be taken whole."""
        concerned: set[ResidentId] = set()
        return Following(self._parts(directory, change, concerned), concerned)

    def _parts(
        self, directory: Directory, change: DirectoryChange, concerned: set[ResidentId]
    ) -> Iterator[bool]:
        """Give after each part whether anybody's doors may be others now."""
        self._directory = directory
        is_anybody = bool(change.doors or change.properties)
        if is_anybody:
            self._take_doors()
        concerned |= change.residents
        for _ in self._take_doorbells(change.doorbells, concerned):
            yield is_anybody
        for _ in self._take_panels(change.panels, concerned):
            yield is_anybody
        yield is_anybody

    def of(self, resident_id: ResidentId) -> list[dict[str, object]]:
        """List a person's doors as the app is told them, in the building's order."""
        directory = self._directory
        resident = directory.residents.get(resident_id)
        if resident is None:
            return []
        door_ids = {right.door_id for right in resident.rights if right.has_key and right.may_open}
        ringing = self._ringing_doors(resident_id)
        doors = []
        for door_id in sorted(
            (door_ids | ringing) & self._order.keys() & directory.doors.keys(),
            key=self._order.__getitem__,
        ):
            door = directory.doors[door_id]
            prop = directory.properties[door.property_id]
            is_key = has_key(resident, prop, door_id)
            if is_key or door_id in ringing:
                doors.append(
                    {"id": door_id, "name": door.name, "place": prop.address, "key": is_key}
                )
        return doors

    def _ringing_doors(self, resident_id: ResidentId) -> set[DoorId]:
        return {
            self._door_at[panel_id]
            for doorbell_id in self._doorbells_of.get(resident_id, ())
            for panel_id in self._panels_of.get(doorbell_id, ())
        }

    def _take_doorbells(
        self, doorbell_ids: Iterable[DoorbellId], concerned: set[ResidentId]
    ) -> Iterator[None]:
        """Look at these doorbells again; add whom they rang or ring."""
        for doorbell_id in doorbell_ids:
            doorbell = self._directory.doorbells.get(doorbell_id)
            before = self._residents_of.pop(doorbell_id, frozenset())
            after = frozenset(doorbell.residents) if doorbell is not None else frozenset()
            if doorbell is not None:
                self._residents_of[doorbell_id] = after
            for resident_id in before - after:
                _remove(self._doorbells_of, resident_id, doorbell_id)
            for resident_id in after - before:
                self._doorbells_of.setdefault(resident_id, set()).add(doorbell_id)
            concerned |= before | after
            yield

    def _take_panels(
        self, panel_ids: Iterable[PanelId], concerned: set[ResidentId]
    ) -> Iterator[None]:
        """Look at these panels again; add whom they rang or ring and did not, or do not, before."""
        for panel_id in panel_ids:
            panel = self._directory.panels.get(panel_id)
            before = self._doorbells_at.pop(panel_id, set())
            after: set[DoorbellId] = set()
            buttons = iter(panel.buttons if panel else ())
            while some := {each.doorbell_id for each in islice(buttons, _BUTTONS)}:
                after |= some
                yield
            door_before = self._door_at.get(panel_id)
            door_after = panel.door_id if panel else None
            others = before ^ after
            if panel is not None:
                self._doorbells_at[panel_id] = after
                self._door_at[panel_id] = panel.door_id
            for doorbell_id in others if door_before == door_after else before | after:
                if doorbell_id in others:
                    self._take_button(panel_id, doorbell_id, is_there=doorbell_id in after)
                concerned |= self._residents_of.get(doorbell_id, frozenset())
                yield
            if panel is None:
                self._door_at.pop(panel_id, None)
            yield

    def _take_button(self, panel_id: PanelId, doorbell_id: DoorbellId, *, is_there: bool) -> None:
        if is_there:
            self._panels_of.setdefault(doorbell_id, set()).add(panel_id)
        else:
            _remove(self._panels_of, doorbell_id, panel_id)

    def _take_doors(self) -> None:
        self._order = {door_id: number for number, door_id in enumerate(self._directory.doors)}


def _remove(things_of: dict[_Owner, set[_Thing]], owner: _Owner, thing: _Thing) -> None:
    things = things_of.get(owner, set())
    things.discard(thing)
    if not things:
        things_of.pop(owner, None)
