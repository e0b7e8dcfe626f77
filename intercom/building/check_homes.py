"""What is said of units, layouts, buttons of persons and rights: whether it fits together."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from intercom.building.faults import Faults, did_you_mean
from intercom.building.lines import Path
from intercom.building.tables import DoorbellTable

if TYPE_CHECKING:
    from intercom.building.check import Tables

OWN_BUTTONS = frozenset({"individual", "grouped"})
"""Layouts in which each person has a button."""


def check_homes(tables: "Tables", faults: Faults) -> None:
    """Note what no single table shows."""
    _check_units(tables, faults)
    _check_layouts(tables, faults)
    _check_targets(tables, faults)
    _check_rights(tables, faults)


def _check_units(tables: "Tables", faults: Faults) -> None:
    for position, unit in tables.units.items():
        for kind in ("owners", "residents", "stations"):
            for name in getattr(unit, kind):
                _refer(tables, faults, ("unit", position, kind), "resident", name)
    for kind, named in (("doorbell", tables.doorbells), ("door", tables.doors)):
        for position, table in named.items():
            if table.unit is not None and tables.names["unit"]:
                _refer(tables, faults, (kind, position, "unit"), "unit", table.unit)
            elif table.unit is not None and kind == "door":
                faults.add((kind, position, "unit"), f'unit "{table.unit}" is not defined')


def _check_layouts(tables: "Tables", faults: Faults) -> None:
    for position, doorbell in tables.doorbells.items():
        path: Path = ("doorbell", position, "hidden_residents")
        for name in doorbell.hidden_residents:
            if name not in doorbell.residents:
                faults.add(path, f'resident "{name}" is not one of its residents')


def _check_targets(tables: "Tables", faults: Faults) -> None:
    bells: Mapping[str, DoorbellTable] = {bell.id: bell for bell in tables.doorbells.values()}
    for position, panel in tables.panels.items():
        for button, target in panel.buttons.items():
            doorbell, _, person = target.partition("/")
            bell = bells.get(doorbell)
            path: Path = ("panel", position, "buttons", button)
            if bell is None:
                continue
            if bell.layout in OWN_BUTTONS and not person:
                faults.add(path, f'each person has a button of it: write "{doorbell}/USERNAME"')
            elif bell.layout not in OWN_BUTTONS and person:
                faults.add(path, f'it has one button for all: write "{doorbell}"')
            elif person and person not in bell.residents:
                faults.add(path, f'resident "{person}" is not one of doorbell "{doorbell}"')


def _check_rights(tables: "Tables", faults: Faults) -> None:
    for position, right in tables.rights.items():
        path: Path = ("right", position)
        _refer(tables, faults, (*path, "door"), "door", right.door)
        if (right.resident is None) == (right.unit is None):
            faults.add(path, "give either resident or unit")
        elif right.resident is not None:
            _refer(tables, faults, (*path, "resident"), "resident", right.resident)
        elif right.unit is not None and tables.names["unit"]:
            _refer(tables, faults, (*path, "unit"), "unit", right.unit)


def _refer(tables: "Tables", faults: Faults, path: Path, kind: str, name: str) -> None:
    known = tables.names[kind]
    if name not in known:
        suggestion = did_you_mean(name, filter(None, known))
        faults.add_reference(path, f'{kind} "{name}" is not defined{suggestion}')
