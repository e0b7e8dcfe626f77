"""Which doors an app is told of: those that ring its person, and those that the person has a key to.

The index follows a change by what changed alone, so that one doorbell among thousands costs microseconds.
"""

from collections.abc import Iterable
from typing import TypeVar

from intercom.routing.change import DirectoryChange
from intercom.routing.directory import Directory
from intercom.routing.ids import DoorbellId, DoorId, PanelId, ResidentId
from intercom.routing.rights import has_key

_Owner = TypeVar("_Owner")
_Thing = TypeVar("_Thing")


class AppDoors:
    """The doors of every person of a directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._residents_of: dict[DoorbellId, frozenset[ResidentId]] = {}
        self._doorbells_of: dict[ResidentId, set[DoorbellId]] = {}
        self._doorbells_at: dict[PanelId, frozenset[DoorbellId]] = {}
        self._door_at: dict[PanelId, DoorId] = {}
        self._panels_of: dict[DoorbellId, set[PanelId]] = {}
        self._order: dict[DoorId, int] = {}
        self._take_doorbells(directory.doorbells)
        self._take_panels(directory.panels)
        self._take_doors()

    def follow(self, directory: Directory, change: DirectoryChange) -> frozenset[ResidentId] | None:
        """Take the next directory; give whose doors may be others now, None: anybody's."""
        self._directory = directory
        concerned = change.residents | self._take_doorbells(change.doorbells)
        concerned |= self._take_panels(change.panels)
        if change.doors or change.properties:
            self._take_doors()
            return None
        return concerned

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
            (door_ids | ringing) & self._order.keys(), key=self._order.__getitem__
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
            self._directory.panels[panel_id].door_id
            for doorbell_id in self._doorbells_of.get(resident_id, ())
            for panel_id in self._panels_of.get(doorbell_id, ())
        }

    def _take_doorbells(self, doorbell_ids: Iterable[DoorbellId]) -> frozenset[ResidentId]:
        """Look at these doorbells again; give whom they rang or ring."""
        concerned: set[ResidentId] = set()
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
        return frozenset(concerned)

    def _take_panels(self, panel_ids: Iterable[PanelId]) -> frozenset[ResidentId]:
        """Look at these panels again; give whom they rang or ring and did not, or do not, before."""
        differing: set[DoorbellId] = set()
        for panel_id in panel_ids:
            panel = self._directory.panels.get(panel_id)
            before = self._doorbells_at.pop(panel_id, frozenset())
            after = frozenset(each.doorbell_id for each in panel.buttons) if panel else frozenset()
            door_before = self._door_at.pop(panel_id, None)
            if panel is not None:
                self._doorbells_at[panel_id] = after
                self._door_at[panel_id] = panel.door_id
                if panel.door_id != door_before:
                    differing |= before | after
            for doorbell_id in (others := before ^ after):
                if doorbell_id in after:
                    self._panels_of.setdefault(doorbell_id, set()).add(panel_id)
                else:
                    _remove(self._panels_of, doorbell_id, panel_id)
            differing |= others
        nobody: frozenset[ResidentId] = frozenset()
        return nobody.union(*(self._residents_of.get(each, nobody) for each in differing))

    def _take_doors(self) -> None:
        self._order = {door_id: number for number, door_id in enumerate(self._directory.doors)}


def _remove(things_of: dict[_Owner, set[_Thing]], owner: _Owner, thing: _Thing) -> None:
    things = things_of.get(owner, set())
    things.discard(thing)
    if not things:
        things_of.pop(owner, None)
