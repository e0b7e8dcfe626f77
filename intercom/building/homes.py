"""Doorbells as their layouts have them on the panels, quiet hours, and people's rights."""

from collections.abc import Iterable, Iterator

from intercom.building.check import Tables
from intercom.building.check_homes import OWN_BUTTONS
from intercom.building.home_tables import DAYS, HoursTable, QuietTable, RightTable
from intercom.building.tables import DoorbellTable
from intercom.routing.directory import Doorbell, DoorRight
from intercom.routing.hours import DAY_MINUTES, Hours, Quiet, QuietMode
from intercom.routing.ids import DoorbellId, DoorId, PropertyId, ResidentId


def doorbells_of(tables: Tables, property_id: PropertyId) -> Iterator[Doorbell]:
    """Make the doorbells that stand on panels: where persons have their own buttons, one for each."""
    names = {each.username: each.name for each in tables.residents.values()}
    for table in tables.doorbells.values():
        if table.hidden:
            continue
        if table.layout not in OWN_BUTTONS:
            yield _doorbell(table, property_id, table.id, table.name, table.residents)
            continue
        for username in table.residents:
            if username not in table.hidden_residents:
                own = f"{table.id}/{username}"
                yield _doorbell(table, property_id, own, names[username], [username])


def quiet_of(tables: Iterable[QuietTable]) -> tuple[Quiet, ...]:
    """Make quiet hours."""
    return tuple(Quiet(hours_of(each), QuietMode(each.mode)) for each in tables)


def hours_of(table: HoursTable) -> Hours:
    """Make hours of what is written."""
    days = frozenset(DAYS.index(day) for day in table.days)
    return Hours(days, minutes_of(table.from_), minutes_of(table.to) % DAY_MINUTES)


def minutes_of(clock: str) -> int:
    """Count the minutes of a time of day; 24:00 is 1440."""
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def rights_of(tables: Tables, username: str) -> tuple[DoorRight, ...]:
    """Give a person's rights; one's own for a door take the place of the unit's for it."""
    units = set(_units_of(tables, username))
    own = {each.door for each in tables.rights.values() if each.resident == username}
    return tuple(
        _right(each)
        for each in tables.rights.values()
        if each.resident == username or (each.unit in units and each.door not in own)
    )


def _units_of(tables: Tables, username: str) -> Iterator[str]:
    for unit in tables.units.values():
        if username in (*unit.owners, *unit.residents, *unit.stations):
            yield unit.name
    for doorbell in tables.doorbells.values():
        if doorbell.unit is not None and username in doorbell.residents:
            yield doorbell.unit


def _right(table: RightTable) -> DoorRight:
    return DoorRight(DoorId(table.door), table.may_open, table.key, hours_of(table))


def _doorbell(
    table: DoorbellTable, property_id: PropertyId, name: str, shown: str, rung: Iterable[str]
) -> Doorbell:
    return Doorbell(
        doorbell_id=DoorbellId(name),
        property_id=property_id,
        name=shown,
        residents=tuple(map(ResidentId, rung)),
        app_stage_s=table.app_stage_s,
        phone_stage_s=table.phone_stage_s,
        step_s=table.step_s if table.layout == "sequential" else None,
        group=table.name if table.layout == "grouped" else "",
        quiet=quiet_of(table.quiet),
    )
