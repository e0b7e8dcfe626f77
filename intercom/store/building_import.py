"""Building files into the store and out of it."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy import select

from intercom.building import BuildingChange
from intercom.building.load import ParsedBuilding
from intercom.errors import ConfigError
from intercom.store.building_tables import inventory_of
from intercom.store.building_text import building_text
from intercom.store.database import LONG_S, Database
from intercom.store.inventory import changes, left_alone, settle_numbers
from intercom.store.inventory_reading import read_inventory
from intercom.store.inventory_writing import InventoryWriter
from intercom.store.models import Property


@dataclass(frozen=True, slots=True)
class ImportWish:
    """How a building file is taken in."""

    property_id: str | None = None
    """The property that it becomes; None: as the file says."""
    is_pruned: bool = False
    """What the file lacks is taken out of the store as well."""
    are_numbers_verified: bool = False
    """The operator vouches that each number is its resident's."""
    is_tried_only: bool = False
    """Nothing is written."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    property_id: str
    change: BuildingChange
    left_alone: dict[str, tuple[str, ...]]
    """What is in the store and not in the file, and stays; by kind."""
    unverified: int
    """How many people have a number that is not called before they have confirmed it."""


async def import_building(
    database: Database, building: ParsedBuilding, folder: Path, wish: ImportWish, today: date
) -> ImportResult:
    """Take a building file into the store, all of it or nothing; doing it again changes nothing.

    Raises ConfigError in words for what cannot be, StoreDownError when the database is down.
    """
    wanted = inventory_of(building, folder, wish.property_id)
    property_id = next(iter(wanted["property"]))
    opened = database.reading if wish.is_tried_only else database.writing
    async with opened(LONG_S) as session:
        stored = await read_inventory(session, property_id)
        settle_numbers(stored, wanted, today if wish.are_numbers_verified else None)
        change = changes(stored, wanted, is_pruned=wish.is_pruned)
        writer = InventoryWriter(session, stored, wanted, today)
        if wish.is_tried_only:
            await writer.check(change)
        else:
            await writer.write(change)
    return ImportResult(
        property_id=property_id,
        change=change,
        left_alone={} if wish.is_pruned else left_alone(stored, wanted),
        unverified=sum(
            each["number"] is not None and each["number_verified_on"] is None
            for each in wanted["resident"].values()
        ),
    )


async def export_building(database: Database, property_id: str | None) -> str:
    """Write a property as a building file; None: the only one. It holds passwords."""
    async with database.reading(LONG_S) as session:
        known = (await session.scalars(select(Property.id).order_by(Property.id))).all()
        if property_id is None and len(known) == 1:
            property_id = known[0]
        if property_id is None or property_id not in known:
            there = f"There are: {', '.join(known)}" if known else "There is none yet"
            msg = f"Name the property. {there}"
            raise ConfigError(msg)
        return building_text(await read_inventory(session, property_id))
