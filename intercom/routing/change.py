"""What differs between one snapshot and the next, so that whoever follows looks at that alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from intercom.routing.directory import Directory
from intercom.routing.ids import DoorbellId, DoorId, PanelId, PropertyId, ResidentId

_Id = TypeVar("_Id")
_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """Ids of what was added, is another now, or is gone."""

    properties: frozenset[PropertyId] = frozenset()
    doors: frozenset[DoorId] = frozenset()
    panels: frozenset[PanelId] = frozenset()
    doorbells: frozenset[DoorbellId] = frozenset()
    residents: frozenset[ResidentId] = frozenset()
    rung: frozenset[ResidentId] = frozenset()
    """Whom the doorbells among these ring, or rang before."""
    has_other_trunks: bool = False

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return self.count > 0

    @property
    def count(self) -> int:
        """How many things differ; all trunks together are one."""
        kinds = (self.properties, self.doors, self.panels, self.doorbells, self.residents)
        return sum(map(len, kinds)) + self.has_other_trunks

    def summary(self) -> str:
        """Say it for the operator, in counts."""
        counts = {
            "properties": len(self.properties),
            "doors": len(self.doors),
            "panels": len(self.panels),
            "doorbells": len(self.doorbells),
            "residents": len(self.residents),
            "the trunks": int(self.has_other_trunks),
        }
        said = [f"{name}: {count}" for name, count in counts.items() if count]
        return ", ".join(said) or "nothing differs"


def change_between(old: Directory, new: Directory) -> DirectoryChange:
    """Compare two snapshots, thing by thing; what both share costs next to nothing."""
    doorbells = _differing(old.doorbells, new.doorbells)
    return DirectoryChange(
        properties=_differing(old.properties, new.properties),
        doors=_differing(old.doors, new.doors),
        panels=_differing(old.panels, new.panels),
        doorbells=doorbells,
        residents=_differing(old.residents, new.residents),
        rung=rung_by(doorbells, old, new),
        has_other_trunks=old.trunks != new.trunks,
    )


def rung_by(doorbells: Iterable[DoorbellId], *directories: Directory) -> frozenset[ResidentId]:
    """Give whom some doorbells ring, in any of the snapshots."""
    return frozenset(
        resident
        for directory in directories
        for each in doorbells
        if (bell := directory.doorbells.get(each)) is not None
        for resident in bell.residents
    )


def _differing(old: Mapping[_Id, _Thing], new: Mapping[_Id, _Thing]) -> frozenset[_Id]:
    if old is new:
        return frozenset()
    gone = {one for one in old if one not in new}
    return frozenset(gone | {one for one, thing in new.items() if _is_other(old.get(one), thing)})


def _is_other(before: object, after: object) -> bool:
    return before is not after and before != after
