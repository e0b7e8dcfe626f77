"""A property of many units, filled into a database: for measuring, and for looking at pages with it.

python -m bench.big_property sqlite+aiosqlite:////tmp/big.db --units 5000 --people 12000
"""

import argparse
import asyncio
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from typing import Any

from sqlalchemy import insert

from intercom.routing.directory import PropertyKind, RingWay
from intercom.store.database import Database, touch
from intercom.store.kinds import Layout, Role
from intercom.store.models import (
    Account,
    Base,
    Button,
    Door,
    Doorbell,
    DoorRight,
    Grant,
    Member,
    Panel,
    Property,
    Unit,
)

UNITS, PEOPLE, PANELS = 5_000, 12_000, 20
FIRST = ("Kari", "Ola", "Åse", "Bjørn", "Ingrid", "Sindre", "Fatima", "Lars", "Øyvind", "Mei")
LAST = ("Hansen", "Nordmann", "Berg", "Ødegård", "Åsen", "Ahmed", "Lie", "Dahl", "Moe", "Nguyen")
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo"
"""Of a password that nobody knows."""
_A_TIME = 2_000
"""Rows of a transaction, which has 5 s."""


async def fill(
    database: Database,
    *,
    units: int = UNITS,
    people: int = PEOPLE,
    panels: int = PANELS,
    property_id: str = "big",
    first_id: int = 1,
    today: date = date(2026, 1, 2),
) -> None:
    """Add one residential property; the database has its tables already. `first_id`: of units and people."""
    async with database.writing() as session:
        session.add(
            Property(
                id=property_id,
                name="Storgården",
                kind=PropertyKind.RESIDENTIAL,
                address="Storgata 1-99",
                has_keys_in_app=True,
                created_on=today,
            )
        )
    place = _Place(
        property_id=property_id,
        units=units,
        people=people,
        panels=panels,
        first=first_id,
        today=today,
    )
    for model, rows in (
        (Unit, place.units()),
        (Account, place.accounts()),
        (Grant, place.grants()),
        (Door, place.doors()),
        (Panel, place.panels()),
        (Doorbell, place.doorbells()),
        (Member, place.members()),
        (DoorRight, place.rights()),
        (Button, place.buttons()),
    ):
        await _insert(database, model, rows)
    async with database.writing() as session:
        touch(session, Property, property_id)


async def _insert(database: Database, model: type[Base], rows: Iterator[dict[str, Any]]) -> None:
    while some := list(islice(rows, _A_TIME)):
        async with database.writing() as session:
            await session.execute(insert(model.__table__), some)


class _Place:
    """The rows of a property; person n lives in unit n modulo the number of units."""

    def __init__(
        self, *, property_id: str, units: int, people: int, panels: int, first: int, today: date
    ) -> None:
        self._property_id = property_id
        self._units = range(first, first + units)
        self._people = range(first, first + people)
        self._panel_ids = [f"{property_id}-panel-{n}" for n in range(1, panels + 1)]
        self._door_ids = [f"{property_id}-door-{n}" for n in range(1, panels + 1)]
        self._today = today

    def units(self) -> Iterator[dict[str, Any]]:
        for n, unit in enumerate(self._units):
            label = f"H{n // 100 + 1:02}{n % 100:02}"
            yield {"id": unit, "property_id": self._property_id, "label": label}

    def accounts(self) -> Iterator[dict[str, Any]]:
        for n, account in enumerate(self._people):
            has_number = n % 3 == 0
            yield {
                "id": account,
                "username": f"{self._property_id}.{n}",
                "name": f"{FIRST[n % 10]} {LAST[n // 10 % 10]} {n}",
                "email": f"person{n}@{self._property_id}.example",
                "password_hash": HASH if n % 10 else None,
                "number": f"+479{n:07}" if has_number else None,
                "number_verified_on": self._today if has_number else None,
                "ring_way": RingWay.APP_THEN_PHONE,
                "devices": {},
                "created_on": self._today,
            }

    def grants(self) -> Iterator[dict[str, Any]]:
        for n, (account, unit) in enumerate(self._lived_in()):
            role = Role.OWNER if n < len(self._units) else Role.RESIDENT
            yield {"account_id": account, "role": role, "unit_id": unit}

    def doors(self) -> Iterator[dict[str, Any]]:
        for n, (door, panel) in enumerate(zip(self._door_ids, self._panel_ids, strict=True)):
            relay = {"driver": "panel-link", "panel": panel, "relay": 1}
            yield {
                "id": door,
                "property_id": self._property_id,
                "name": f"Entrance {n + 1}",
                "document": {"relay": relay},
            }

    def panels(self) -> Iterator[dict[str, Any]]:
        for door, panel in zip(self._door_ids, self._panel_ids, strict=True):
            yield {
                "id": panel,
                "property_id": self._property_id,
                "door_id": door,
                "document": {"make": "open-intercom", "password": f"secret of {panel}"},
            }

    def doorbells(self) -> Iterator[dict[str, Any]]:
        for n, unit in enumerate(self._units):
            yield {
                "id": self._bell(unit),
                "property_id": self._property_id,
                "unit_id": unit,
                "name": LAST[n % 10] + f" {n}",
                "layout": Layout.SEQUENTIAL if n % 10 == 1 else Layout.PARALLEL,
                "is_hidden": n % 50 == 7,
            }

    def members(self) -> Iterator[dict[str, Any]]:
        for n, (account, unit) in enumerate(self._lived_in()):
            position = n // max(len(self._units), 1)
            yield {
                "doorbell_id": self._bell(unit),
                "account_id": account,
                "position": position,
            }

    def rights(self) -> Iterator[dict[str, Any]]:
        for unit in self._units:
            yield {
                "unit_id": unit,
                "door_id": self._door_ids[unit % len(self._door_ids)],
                "has_key": True,
            }

    def buttons(self) -> Iterator[dict[str, Any]]:
        for panel in self._panel_ids:
            for n, unit in enumerate(self._units):
                yield {"panel_id": panel, "name": str(101 + n), "doorbell_id": self._bell(unit)}

    def _bell(self, unit: int) -> str:
        return f"{self._property_id}-bell-{unit}"

    def _lived_in(self) -> Iterable[tuple[int, int]]:
        units = self._units
        return ((each, units[n % len(units)]) for n, each in enumerate(self._people))


async def _main(url: str, units: int, people: int, panels: int) -> None:
    database = Database(url)
    try:
        await database.migrate()
        await fill(database, units=units, people=people, panels=panels)
    finally:
        await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--panels", type=int, default=PANELS)
    given = parser.parse_args()
    asyncio.run(_main(given.url, given.units, given.people, given.panels))
