"""Alerts: raised when something lasts, mailed once, cleared when it is over; never about a person."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import select

from intercom.administration.alerts import Alarm, AlertKind, Fault
from intercom.administration.invitations import ALERT
from intercom.store.kinds import MailState, Role
from intercom.store.models import Account, Alert, Grant, Mail
from tests.administration.house import build_house
from tests.fakes import PANEL, make_house
from tests.web.privacy_office import NOW

MINUTE = timedelta(minutes=1)


@dataclass
class State:
    is_online: bool = True
    trunk_id: str = "carrier"
    is_up: bool = True


@dataclass
class World:
    """A house whose panel and trunk can be away, at a time that can be set."""

    state: State = field(default_factory=State)
    now = NOW
    others: tuple[Fault, ...] = ()

    def panel(self, _):
        return self.state

    def trunks(self):
        return (self.state,)


@pytest.fixture
async def house(sqlite_database):
    """Give the alarm of a house with an administrator, an operator and whoever lives there."""
    await build_house(sqlite_database, today=NOW.date())
    async with sqlite_database.writing() as session:
        for name, role, place in (
            ("vera", Role.ADMINISTRATOR, "house"),
            ("olga", Role.OPERATOR, None),
        ):
            account = Account(
                username=name, name=name, email=f"{name}@x.example", created_on=NOW.date()
            )
            session.add(account)
            await session.flush()
            session.add(Grant(account_id=account.id, role=role, property_id=place))
    world = World()
    alarm = Alarm(
        sqlite_database,
        world,
        directory=make_house,
        now=lambda: world.now,
        others=lambda: world.others,
    )
    return alarm, world, sqlite_database


async def alerts(database):
    async with database.reading() as session:
        rows = await session.scalars(select(Alert).order_by(Alert.id))
        return [(each.kind, each.subject, each.cleared_at is None) for each in rows]


async def mailed(database):
    async with database.reading() as session:
        rows = await session.execute(
            select(Account.username, Mail.asked_at)
            .join(Account, Account.id == Mail.account_id)
            .where(Mail.kind == ALERT)
        )
        return {name: at for name, at in rows}  # noqa: C416 - rows are no tuples


async def test_a_panel_that_is_away_for_a_minute_is_an_alert_mailed_once_to_its_administrators(
    house,
):
    alarm, world, database = house
    world.state.is_online = False
    await alarm.look()
    assert await alerts(database) == []

    for _ in range(3):
        world.now += MINUTE
        await alarm.look()

    assert await alerts(database) == [("panel_offline", PANEL, True)]
    assert await mailed(database) == {"vera": NOW + MINUTE}


async def test_a_panel_that_comes_back_in_time_is_none(house):
    alarm, world, database = house
    for is_online in (False, True, False):
        world.state.is_online = is_online
        await alarm.look()
        world.now += MINUTE / 2

    assert await alerts(database) == []


async def test_what_is_over_is_cleared_and_what_comes_back_soon_is_not_mailed_again(house):
    alarm, world, database = house
    world.others = (Fault("house", AlertKind.EVENTS_LOST),)
    await alarm.look()
    world.now, world.others = NOW + MINUTE, ()
    await alarm.look()
    world.now, world.others = NOW + 2 * MINUTE, (Fault("house", AlertKind.EVENTS_LOST),)
    await alarm.look()

    assert await alerts(database) == [("events_lost", "", False), ("events_lost", "", True)]
    assert await mailed(database) == {"vera": NOW}


async def test_a_trunk_is_the_operators(house):
    alarm, world, database = house
    world.state.is_up = False
    for _ in range(2):
        await alarm.look()
        world.now += MINUTE

    assert await alerts(database) == [("trunk_down", "carrier", True)]
    assert set(await mailed(database)) == {"olga"}


async def test_a_mail_and_a_number_are_told_without_whose_they_are(house):
    alarm, _, database = house
    async with database.writing() as session:
        anna = await session.get_one(Account, 1)
        anna.number_verified_on = NOW.date() - timedelta(days=366)
        session.add(Mail(account_id=1, kind="invitation", state=MailState.FAILED, asked_at=NOW))

    await alarm.look()

    found = await alerts(database)
    assert set(found) == {("mail_failed", "", True), ("numbers_due", "1", True)}


async def test_a_mail_about_an_alert_that_fails_is_no_alert(house):
    alarm, _, database = house
    async with database.writing() as session:
        session.add(Mail(account_id=1, kind=ALERT, state=MailState.FAILED, asked_at=NOW))

    await alarm.look()

    assert await alerts(database) == []


async def test_alerts_that_are_long_over_are_forgotten(house):
    alarm, world, database = house
    async with database.writing() as session:
        old = NOW - timedelta(days=91)
        session.add(Alert(kind="trunk_down", subject="x", raised_at=old, cleared_at=old))
    world.others = (Fault(None, AlertKind.CERTIFICATE, "tls.pem"),)

    await alarm.look()

    assert await alerts(database) == [("certificate", "tls.pem", True)]
