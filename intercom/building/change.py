"""What differs between two directories, so that loading again touches only that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from intercom.routing.directory import Directory

_KINDS: Final = {
    "property": "properties",
    "door": "doors",
    "panel": "panels",
    "doorbell": "doorbells",
    "resident": "residents",
    "trunk": "trunks",
}
"""What one thing is called, and where a directory has all of them."""


@dataclass(frozen=True, slots=True)
class BuildingChange:
    """Ids by kind ("panel", "resident", …); no kind without an id."""

    added: Mapping[str, tuple[str, ...]]
    changed: Mapping[str, Mapping[str, tuple[str, ...]]]
    """With the names of the fields that differ; never their values."""
    removed: Mapping[str, tuple[str, ...]]
    is_trunk_order_changed: bool = False

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.added or self.changed or self.removed or self.is_trunk_order_changed)

    def lines(self) -> Iterator[str]:
        """Say in words what differs, one line for each thing."""
        for kind, ids in self.removed.items():
            yield from (f'removed {kind} "{one}"' for one in ids)
        for kind, ids in self.added.items():
            yield from (f'added {kind} "{one}"' for one in ids)
        for kind, names_by_id in self.changed.items():
            for one, names in names_by_id.items():
                yield f'changed {kind} "{one}": {", ".join(names)}'
        if self.is_trunk_order_changed:
            yield "changed the order of the trunks"

    def summary(self) -> str:
        """Say all of it for a person; it names people and doors, so it is not for a log."""
        return "\n".join(self.lines()) or "nothing differs"

    def counts(self) -> dict[str, int]:
        """Count what differs, for a log."""
        kinds = {"added": self.added, "changed": self.changed, "removed": self.removed}
        return {name: sum(map(len, by_kind.values())) for name, by_kind in kinds.items()}


def diff(old: Directory, new: Directory) -> BuildingChange:
    """Compare two directories, thing by thing."""
    added, changed, removed = {}, {}, {}
    for kind, attribute in _KINDS.items():
        before, after = _by_id(old, attribute), _by_id(new, attribute)
        if here := tuple(one for one in after if one not in before):
            added[kind] = here
        if gone := tuple(one for one in before if one not in after):
            removed[kind] = gone
        differing = {
            one: _differing_fields(before[one], after[one])
            for one in after
            if one in before and before[one] != after[one]
        }
        if differing:
            changed[kind] = differing
    return BuildingChange(added, changed, removed, _has_new_order(old, new))


def _by_id(directory: Directory, attribute: str) -> dict[str, Any]:
    if attribute == "trunks":
        return {trunk.trunk_id: trunk for trunk in directory.trunks}
    return dict(getattr(directory, attribute))


def _differing_fields(before: Any, after: Any) -> tuple[str, ...]:  # noqa: ANN401 - any of the kinds
    if type(before) is not type(after):
        return ("kind",)  # a property that is of the other type now
    names = (one.name for one in fields(after))
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def _has_new_order(old: Directory, new: Directory) -> bool:
    before = [trunk.trunk_id for trunk in old.trunks]
    after = [trunk.trunk_id for trunk in new.trunks]
    return [one for one in before if one in after] != [one for one in after if one in before]
