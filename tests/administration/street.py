"""A property with two panels, for tests of what is done with units and people."""

from datetime import UTC, date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.people import NewPerson, add_person
from intercom.administration.units import add_unit
from intercom.routing.directory import PropertyKind
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import Account, Door, Panel, Property, Unit

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


async def build(database: Database, property_id: str = "storgata", panels: int = 2) -> None:
    """Make a property with a door and panels, and nobody in it."""
    async with database.writing() as session:
        session.add(
            Property(
                id=property_id,
                name="Storgata 14",
                kind=PropertyKind.RESIDENTIAL,
                address="Storgata 14, Oslo",
                created_on=date(2026, 1, 1),
            )
        )
        await session.flush()
        session.add(
            Door(
                id=f"{property_id}-main", property_id=property_id, name="Hovedinngang", document={}
            )
        )
        await session.flush()
        for number in range(1, panels + 1):
            session.add(
                Panel(
                    id=f"{property_id}-panel{number}",
                    property_id=property_id,
                    door_id=f"{property_id}-main",
                    document={},
                )
            )


async def settle(
    session: AsyncSession, label: str, *names: str, property_id: str = "storgata"
) -> tuple[Unit, list[Account]]:
    """Make a unit with people: the first one its owner, none invited."""
    unit = await add_unit(session, property_id, label)
    people = [
        await add_person(
            session,
            unit,
            NewPerson(name=name, role=Role.RESIDENT if place else Role.OWNER, is_invited=False),
            NOW,
        )
        for place, name in enumerate(names)
    ]
    return unit, people
