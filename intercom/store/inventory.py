"""A property with all that belongs to it as plain values: what is compared, imported and exported.

Of each kind of thing, by its key: the fields with their values. Keys are those of a building file, so that
two databases that hold the same have equal inventories.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from intercom.building import BuildingChange

Things = dict[str, dict[str, Any]]
"""By key, the fields."""
Inventory = dict[str, Things]
"""By kind, the things."""

KINDS: Final = ("property", "unit", "resident", "door", "panel", "doorbell", "right", "trunk")
"""Each refers only to what stands before it, but for a door whose panel opens it."""
_SHARED: Final = frozenset({"property", "trunk"})
"""What an import never takes away."""
_OWN: Final = frozenset({"password_hash"})
"""What a person has changed since stays as it is."""


def changes(stored: Inventory, wanted: Inventory, *, is_pruned: bool) -> BuildingChange:
    """Tell what has to change in the store; what the file does not say of a thing stays as it is.

    Things that the file lacks go only where `is_pruned`.
    """
    added, changed, removed = {}, {}, {}
    for kind in KINDS:
        before, after = stored[kind], wanted[kind]
        if new := tuple(key for key in after if key not in before):
            added[kind] = new
        differing = {
            key: names
            for key in after
            if key in before and (names := tuple(_differing(before[key], after[key])))
        }
        if differing:
            changed[kind] = differing
        gone = tuple(key for key in before if key not in after)
        if is_pruned and gone and kind not in _SHARED:
            removed[kind] = gone
    return BuildingChange(added, changed, removed)


def left_alone(stored: Inventory, wanted: Inventory) -> dict[str, tuple[str, ...]]:
    """List what is in the store and not in the file, by kind."""
    found = {
        kind: tuple(key for key in stored[kind] if key not in wanted[kind])
        for kind in KINDS
        if kind not in _SHARED
    }
    return {kind: keys for kind, keys in found.items() if keys}


def settle_numbers(stored: Inventory, wanted: Inventory, vouched_on: date | None) -> None:
    """Decide in `wanted` which numbers count as verified (requirement B11).

    One that the file gives no day for is what it was; a new one is not verified, unless the operator
    vouches for all of them on a day.
    """
    for key, fields in wanted["resident"].items():
        before = stored["resident"].get(key, {})
        if "number_verified_on" in fields:
            continue
        has_number = fields["number"] is not None
        is_same = has_number and before.get("number") == fields["number"]
        day = before.get("number_verified_on") if is_same else None
        if vouched_on is not None and has_number and not _holds(day, vouched_on):
            day = vouched_on
        fields["number_verified_on"] = day


def _holds(day: date | None, today: date) -> bool:
    return day is not None and today - day < timedelta(days=365)


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name, value in after.items():
        is_own = name in _OWN and before.get(name) is not None
        if not is_own and before.get(name) != value:
            yield name
