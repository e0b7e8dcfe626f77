"""A residential and a commercial property with an entrance and a person each, and an operator: all are at work already."""

from dataclasses import dataclass
from datetime import UTC, datetime

from intercom.adapters.panel_link import load_or_create_key, public_key_text
from intercom.administration import panels, people, properties, team, units
from intercom.administration.doors import DoorFacts
from intercom.demo.processes import HOST, Child, start
from intercom.routing.directory import PropertyKind
from intercom.store.database import Database
from intercom.store.kinds import Role
from intercom.store.models import Account, Panel
from intercom.web.passwords import hash_password
from tests.e2e.empty_house import EmptyHouse
from tests.store.databases import opened


@dataclass(frozen=True)
class Lived:
    """One property, as it was furnished."""

    name: str
    kind: PropertyKind
    door: str
    unit: str
    person: str
    username: str


HOME = Lived(
    "Storgata 14",
    PropertyKind.RESIDENTIAL,
    "Main entrance",
    "H0301",
    "Kari Nordmann",
    "kari.nordmann",
)
OFFICE = Lived(
    "Elvegata Business Park",
    PropertyKind.COMMERCIAL,
    "Staff entrance",
    "Reception",
    "Vera Skjeldrup",
    "vera.skjeldrup",
)
OPERATOR = "ola.drift"
ONLINE_S = 15.0


async def move_in(house: EmptyHouse, password: str) -> dict[Lived, Child]:
    """Furnish both, start the service and switch the panels on; everybody has the same password."""
    (house.folder / "var").mkdir(mode=0o700)
    async with opened(house.database) as database:
        await database.migrate()
        given = [(each, await _furnish(database, each, password)) for each in (HOME, OFFICE)]
        async with database.writing() as session:
            operator = await team.add(
                session,
                name="Ola Drift",
                email="ola@example.org",
                role=Role.OPERATOR,
                property_id=None,
                language="en",
                now=datetime.now(UTC),
                may_see_all=True,
            )
            operator.username, operator.password_hash = OPERATOR, hash_password(password)
    house.inbox.mails.clear()
    await house.start_router()
    key = public_key_text(load_or_create_key(house.folder / "var" / "panel-link.key"))
    shared = {"server": house.url, "sip_server": f"{HOST}:{house.sip_port}", "key": key}
    return {
        each: await house.start_panel(
            {**shared, "username": panel.id, "password": panel.document["password"]}
        )
        for each, panel in given
    }


async def _furnish(database: Database, lived: Lived, password: str) -> Panel:
    now = datetime.now(UTC)
    facts = properties.PropertyFacts(lived.name, f"{lived.name}, Oslo", "en", "Europe/Oslo", "5")
    async with database.writing() as session:
        place = await properties.make_property(session, facts, lived.kind.value, now.date())
        entrance = panels.PanelFacts(make=panels.OWN, door_id=panels.NEW_DOOR)
        door = DoorFacts(lived.door, "3", {"relay": "1"})
        panel = await panels.make_panel(session, place.id, entrance, door)
        unit = await units.add_unit(session, place.id, lived.unit)
        person = people.NewPerson(
            name=lived.person,
            email=f"{lived.username}@example.org",
            number="+4790000001" if lived is HOME else "",
            language="en",
            role=Role.OWNER,
            is_invited=False,
        )
        account: Account = await people.add_person(session, unit, person, now)
        account.password_hash = hash_password(password)
    return panel


async def start_app(house: EmptyHouse, lived: Lived, password: str) -> Child:
    """Start somebody's app in a box."""
    child = await start(
        f"resident-{lived.username}",
        (
            "firmware_sim.resident",
            f"--server={house.url}",
            f"--username={lived.username}",
            f"--password={password}",
        ),
        house.folder,
    )
    house.children.append(child)
    await house.until(child, "connected")
    return child
