"""A property as an administrator has it after some weeks, and a small office beside it; all names are made up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import invitations, tokens, transfers
from intercom.administration.accounts import create, grant
from intercom.administration.alerts import AlertKind
from intercom.administration.door_rights import KEY, OPEN, RightFacts, add_right
from intercom.administration.doorbells import Face, change_face, doorbell_of
from intercom.administration.doors import DoorFacts, doors_of, make_door
from intercom.administration.panels import NEW_DOOR, PanelFacts, make_panel
from intercom.administration.people import NewPerson, add_person
from intercom.administration.properties import PropertyFacts, make_property
from intercom.administration.quiet import EVERY_DAY, QuietFacts, add_quiet
from intercom.administration.units import add_unit
from intercom.routing.log_line import Means, What
from intercom.store.database import Database
from intercom.store.folding import folded
from intercom.store.kinds import Layout, MailState, Role, TokenPurpose
from intercom.store.models import Account, Alert, CommercialLog, Event, Mail, Panel, Property, Unit
from intercom.web.passwords import hash_password

HOUSE, OFFICE, EMPTY = "storgata-14", "havnekontoret", "fjordhagen"
ADMINISTRATOR, PASSWORD = "kari", "three plain words"
WEEKDAYS = 31
_OTHER_MAKE = {"relay": "1", "host": "192.0.2.31", "username": "admin", "password": "made up"}
"""How a panel of another maker is reached over HTTP."""
_HOUSEHOLDS: tuple[tuple[str, str, Layout, tuple[str, ...]], ...] = (
    ("H0101", "Berg", Layout.GROUPED, ("Anna Berg", "Jonas Berg", "Mia Berg")),
    ("H0102", "Nguyen & Lie", Layout.PARALLEL, ("Mei Nguyen", "Lars Lie")),
    ("H0201", "Ødegård", Layout.SEQUENTIAL, ("Ingrid Ødegård", "Bjørn Ødegård")),
    ("H0202", "Kollektivet", Layout.INDIVIDUAL, ("Fatima Ahmed", "Sindre Moe", "Åse Dahl")),
    ("H0203", "Hansen", Layout.PARALLEL, ("Per Hansen",)),
    ("H0301", "Strand", Layout.PARALLEL, ("Tone Strand", "Ali Strand")),
    ("H0302", "Vik", Layout.PARALLEL, ("Gerd Vik",)),
)
"""Unit, name on the panel, layout, people; the first one owns it."""
_NOT_YET = {"Jonas Berg", "Ali Strand", "Åse Dahl"}
"""Were invited and have no password yet."""
_LINES: tuple[tuple[float, What, str, Means | None], ...] = (
    (0.3, What.OPENED, "vera", Means.KEY),
    (1.2, What.OPENED, "vera", Means.APP),
    (1.21, What.ANSWERED, "vera", Means.APP),
    (1.22, What.RANG, "vera", Means.APP),
    (3.0, What.MISSED, "", None),
    (3.02, What.UNREACHED, "tor", Means.PHONE),
    (3.04, What.RANG, "tor", Means.PHONE),
    (26.0, What.SENT, "tor", Means.PHONE),
    (26.02, What.ANSWERED, "tor", Means.PHONE),
    (26.04, What.RANG, "tor", Means.PHONE),
    (28.0, What.REFUSED, "tor", Means.KEY),
)
"""Hours ago, what, who, by which means."""
_AT_A_DOOR = {What.OPENED, What.SENT, What.REFUSED}


@dataclass(frozen=True, slots=True)
class Links:
    """Ends of the links that are in mails, and where they lead."""

    password: str
    confirm: str
    """To take over H0302."""
    panel_password: str
    """Of the main entrance's panel."""


async def furnish(database: Database) -> Links:
    """Fill an empty database; Kari runs the service and has the password PASSWORD."""
    now = datetime.now(UTC)
    digest = hash_password(PASSWORD)
    async with database.writing() as session:
        kari = await create(
            session, name="Kari Nordmann", email="kari@example.org", language="en", today=now.date()
        )
        kari.username, kari.password_hash = ADMINISTRATOR, digest
        await grant(session, kari, Role.OPERATOR)
        facts = PropertyFacts(
            "Storgata 14", "Storgata 14, Oslo", "en", "Europe/Oslo", "5", True, "board@example.org"
        )
        await make_property(session, facts, "residential", now.date())
        facts = PropertyFacts("Havnekontoret", "Havnegata 2, Oslo", "en", "Europe/Oslo", "5", True)
        await make_property(session, facts, "commercial", now.date())
        facts = PropertyFacts("Fjordhagen", "Fjordveien 3, Oslo", "en", "Europe/Oslo", "5")
        await make_property(session, facts, "residential", now.date())
        panel = await _house(session)
        await _people(session, digest, now)
        await _office(session, digest, now)
    async with database.writing() as session:
        return await _links(session, panel.document["password"], now)


async def _house(session: AsyncSession) -> Panel:
    main = DoorFacts("Main entrance", "3", {"relay": "1"})
    panel = await make_panel(session, HOUSE, PanelFacts("open-intercom", NEW_DOOR), main)
    other = DoorFacts("Back yard", "4", _OTHER_MAKE)
    await make_panel(session, HOUSE, PanelFacts("2n", NEW_DOOR), other)
    relay = {"driver": "panel-link", "panel": panel.id, "relay": "2"}
    await make_door(session, HOUSE, DoorFacts("Garage", "5", relay))
    night = QuietFacts(days=EVERY_DAY, start="23:00", end="06:30", mode="phone-only")
    await add_quiet(session, night, property_id=HOUSE)
    return panel


async def _people(session: AsyncSession, digest: str, now: datetime) -> None:
    for label, name, layout, people in _HOUSEHOLDS:
        unit = await add_unit(session, HOUSE, label)
        for at, person in enumerate(people):
            await _person(session, unit, person, digest, now, is_owner=at == 0)
        bell = await doorbell_of(session, unit.id)
        assert bell is not None
        await change_face(session, bell, Face(name, layout))
    await add_unit(session, HOUSE, "H0303")
    anna = await _named(session, "Anna Berg")
    anna.number, anna.number_verified_on = "+4790012345", now.date() - timedelta(days=40)
    garage = next(each for each in await doors_of(session, HOUSE) if each.name == "Garage")
    for what, days, start, end in (
        (KEY, EVERY_DAY, "00:00", "00:00"),
        (OPEN, WEEKDAYS, "08:00", "16:00"),
    ):
        right = RightFacts(garage.id, what, days, start, end)
        await add_right(session, [garage], right, account_id=anna.id)
    session.add(
        Alert(
            property_id=HOUSE,
            kind=AlertKind.NUMBERS_DUE.value,
            subject="1",
            raised_at=now - timedelta(days=3),
            cleared_at=now - timedelta(days=2),
        )
    )


async def _person(
    session: AsyncSession, unit: Unit, name: str, digest: str, now: datetime, *, is_owner: bool
) -> None:
    role = Role.OWNER if is_owner else Role.RESIDENT
    email = f"{folded(name.split(maxsplit=1)[0])}@example.org"
    account = await add_person(
        session, unit, NewPerson(name, email=email, language="en", role=role), now
    )
    await session.flush()
    for mail in await session.scalars(select(Mail).where(Mail.account_id == account.id)):
        mail.state, mail.sent_at = MailState.SENT, now
    if name not in _NOT_YET:
        account.password_hash = digest


async def _office(session: AsyncSession, digest: str, now: datetime) -> None:
    await make_panel(
        session,
        OFFICE,
        PanelFacts("akuvox", NEW_DOOR),
        DoorFacts("Reception", "3", _OTHER_MAKE),
    )
    unit = await add_unit(session, OFFICE, "2nd floor")
    for name in ("Vera Skog", "Tor Holm"):
        await _person(session, unit, name, digest, now, is_owner=name == "Vera Skog")
        (await _named(session, name)).username = name.split()[0].lower()
    bell = await doorbell_of(session, unit.id)
    assert bell is not None
    await change_face(session, bell, Face("Skog Design", Layout.PARALLEL))
    log_id = await session.scalar(
        select(CommercialLog.id).where(CommercialLog.property_id == OFFICE)
    )
    assert log_id is not None
    for hours, what, person, means in _LINES:
        session.add(
            Event(
                id=str(uuid4()),
                log_id=log_id,
                at=now - timedelta(hours=hours),
                call="" if means is Means.KEY else f"call-{hours:.0f}",
                what=what.value,
                doorbell="" if means is Means.KEY else "Skog Design",
                door="Reception" if what in _AT_A_DOOR else "",
                person=person,
                means=means.value if means else "",
            )
        )


async def _links(session: AsyncSession, panel_password: str, now: datetime) -> Links:
    ali = await _named(session, "Ali Strand")
    end = now + timedelta(days=1)
    password = await tokens.make(session, ali.id, TokenPurpose.SET_PASSWORD, end)
    unit = (await session.scalars(select(Unit).where(Unit.label == "H0302"))).one()
    owner = await create(
        session, name="Nils Aas", email="nils@example.org", language="en", today=now.date()
    )
    transfer = await transfers.ask(session, unit, owner, now)
    purpose = TokenPurpose.CONFIRM_TRANSFER
    confirm = await tokens.make(session, owner.id, purpose, end, transfer_id=transfer.id)
    jonas = await _named(session, "Jonas Berg")
    await invitations.invite(session, jonas, now)
    prop = await session.get_one(Property, HOUSE)
    await create_team(session, prop, now)
    return Links(password, confirm, panel_password)


async def create_team(session: AsyncSession, place: Property, now: datetime) -> None:
    """Give a property an administrator and an installer who were invited."""
    for name, role in (("Hilde Ruud", Role.ADMINISTRATOR), ("Ola Elektro", Role.INSTALLER)):
        email = f"{name.split()[0].lower()}@example.org"
        account = await create(session, name=name, email=email, language="en", today=now.date())
        await grant(session, account, role, property_id=place.id)
        await invitations.invite(session, account, now)


async def _named(session: AsyncSession, name: str) -> Account:
    return (await session.scalars(select(Account).where(Account.name == name))).one()
