"""Check calls of people's numbers: what is remembered, what is kept, and what is never dialled."""

from datetime import date, timedelta

import pytest

from intercom.administration.number_checks import NumberChecks, ends_on, is_verified
from intercom.errors import RefusedError, StoreDownError
from intercom.routing.number_check import CheckResult
from intercom.routing.numbers import DialPolicy
from intercom.store.models import Account
from tests.fakes import HOUSE, make_house

TODAY = date(2026, 3, 1)
NUMBER, OTHER = "+4790000009", "+4790000010"


class Calls:
    """Check calls that end as they are told."""

    def __init__(self, result=CheckResult.CONFIRMED):
        self.result = result
        self.rung = []
        self.meanwhile = None
        """Done while it rings."""

    async def check(self, number, prop):
        self.rung.append((number, prop.name))
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.result


class Desk:
    def __init__(self, database, calls):
        self.calls = calls
        self.waiting = []
        self.now = 0.0
        self.checks = NumberChecks(
            database,
            check=calls.check,
            spawn=lambda work, _: self.waiting.append(work),
            directory=make_house,
            today=lambda: TODAY,
            policy=DialPolicy(),
            clock=lambda: self.now,
        )

    async def run(self):
        for work in self.waiting:
            await work
        self.waiting.clear()


@pytest.fixture
async def account(sqlite_database):
    async with sqlite_database.writing() as session:
        made = Account(username="kari", name="Kari", number=NUMBER, created_on=TODAY)
        session.add(made)
    return made


async def stored(database, account_id):
    async with database.reading() as session:
        return await session.get(Account, account_id)


async def test_a_confirmed_number_may_be_called_for_a_year(sqlite_database, account):
    desk = Desk(sqlite_database, Calls())

    desk.checks.start(account, HOUSE)
    assert desk.checks.state(account.id).result is None
    await desk.run()

    kept = await stored(sqlite_database, account.id)
    assert desk.calls.rung == [(NUMBER, "House")]
    assert desk.checks.state(account.id).result is CheckResult.CONFIRMED
    assert kept.number_verified_on == TODAY
    assert ends_on(kept) == TODAY + timedelta(days=365)
    assert is_verified(kept, TODAY + timedelta(days=365))
    assert not is_verified(kept, TODAY + timedelta(days=366))


@pytest.mark.parametrize(
    "result", [each for each in CheckResult if each is not CheckResult.CONFIRMED]
)
async def test_a_call_that_nobody_confirms_keeps_nothing(sqlite_database, account, result):
    desk = Desk(sqlite_database, Calls(result))

    desk.checks.start(account, HOUSE)
    await desk.run()

    assert desk.checks.state(account.id).result is result
    assert (await stored(sqlite_database, account.id)).number_verified_on is None


async def test_a_number_that_was_changed_while_it_rang_is_not_confirmed(sqlite_database, account):
    calls = Calls()
    desk = Desk(sqlite_database, calls)

    async def change():
        async with sqlite_database.writing() as session:
            (await session.get(Account, account.id)).number = OTHER

    calls.meanwhile = change
    desk.checks.start(account, HOUSE)
    await desk.run()

    assert (await stored(sqlite_database, account.id)).number_verified_on is None


async def test_a_second_check_of_the_same_number_waits_for_the_first(sqlite_database, account):
    desk = Desk(sqlite_database, Calls())
    desk.checks.start(account, HOUSE)

    with pytest.raises(RefusedError, match=r"people\.check\.running"):
        desk.checks.start(account, HOUSE)
    await desk.run()
    desk.checks.start(account, HOUSE)
    await desk.run()

    assert len(desk.calls.rung) == 2


@pytest.mark.parametrize("number", [None, "+4782000000", "+4758000000000"])
async def test_no_premium_and_no_machines_number_is_ever_rung(sqlite_database, number):
    desk = Desk(sqlite_database, Calls())
    account = Account(id=7, username="x", name="X", number=number, created_on=TODAY)

    with pytest.raises(RefusedError):
        desk.checks.start(account, HOUSE)

    assert desk.waiting == []


async def test_a_confirmation_that_cannot_be_kept_says_so(sqlite_database, account):
    calls = Calls()
    desk = Desk(sqlite_database, calls)

    async def fail():
        raise StoreDownError

    calls.meanwhile = fail
    desk.checks.start(account, HOUSE)
    await desk.run()

    assert not desk.checks.state(account.id).is_saved
