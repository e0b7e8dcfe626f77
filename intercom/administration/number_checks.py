"""Check calls of people's numbers: started from a page, confirmed by a key, kept for a year (B11)."""

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import CompoundSelect, Select, func, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.people import NUMBER_HOLDS
from intercom.errors import RefusedError, StoreDownError
from intercom.routing.directory import Directory, Property
from intercom.routing.ids import PropertyId
from intercom.routing.number_check import CheckResult
from intercom.routing.numbers import DialPolicy
from intercom.store.database import Database
from intercom.store.models import Account, Doorbell, Grant, Member, Unit

REMIND = timedelta(days=30)
"""So long before the end pages and an alert say that a number needs a new check call."""
KEEP = 500
"""Results in memory: a page asks for them a moment later."""
OWN_CHECKS = 3
DAY_S = 24 * 3600.0
"""A person may start so many check calls in this time: each one costs money and rings somebody."""
MAX_COUNTED = 10_000
"""People whose own check calls are counted at once."""


@dataclass(frozen=True, slots=True)
class NumberCheckState:
    """What a page shows of a check call."""

    number: str
    result: CheckResult | None = None
    """None while the call is on."""
    is_saved: bool = True
    """False: confirmed, but the database was down; it has to be done once more."""


def ends_on(account: Account) -> date | None:
    """Tell the day after which a number is not called any more without a new check; None: it is not now."""
    if account.number is None or account.number_verified_on is None:
        return None
    return account.number_verified_on + NUMBER_HOLDS


def is_verified(account: Account, today: date) -> bool:
    """Tell whether a person's number may be called."""
    until = ends_on(account)
    return until is not None and today <= until


def is_due(account: Account, today: date) -> bool:
    """Tell whether a verified number needs a new check call soon, or has not been called since a while."""
    until = ends_on(account)
    return until is not None and until - today <= REMIND


async def due_counts(
    session: AsyncSession, today: date, property_id: str | None = None
) -> dict[str, int]:
    """Count the numbers that need a new check call, by property; none of one that has none."""
    places = _places_of_due(today).subquery()
    counts = select(places.c.property_id, func.count()).group_by(places.c.property_id)
    if property_id is not None:
        counts = counts.where(places.c.property_id == property_id)
    rows = await session.execute(counts)
    return {place: count for place, count in rows.all() if place is not None}


async def due_people(
    session: AsyncSession, property_id: str, today: date, most: int
) -> list[Account]:
    """List the people of a property whose numbers need a new check call, the oldest check first."""
    places = _places_of_due(today).subquery()
    found = await session.scalars(
        select(Account)
        .join(places, places.c.account_id == Account.id)
        .where(places.c.property_id == property_id)
        .order_by(Account.number_verified_on, Account.folded_name)
        .limit(most)
    )
    return list(found)


def _places_of_due(today: date) -> CompoundSelect[int, str | None]:
    """Select each account with such a number once for every property that it is of."""
    due = _due(today)
    return union(
        select(Grant.account_id.label("account_id"), Grant.property_id.label("property_id")).where(
            Grant.account_id.in_(due), Grant.property_id.is_not(None)
        ),
        select(Grant.account_id, Unit.property_id)
        .join(Unit, Unit.id == Grant.unit_id)
        .where(Grant.account_id.in_(due)),
        select(Member.account_id, Doorbell.property_id)
        .join(Doorbell, Doorbell.id == Member.doorbell_id)
        .where(Member.account_id.in_(due)),
    )


def _due(today: date) -> Select[int]:
    return select(Account.id).where(
        Account.number.is_not(None), Account.number_verified_on <= today + REMIND - NUMBER_HOLDS
    )


class NumberChecks:
    """Runs check calls beside the pages that start them."""

    def __init__(
        self,
        database: Database,
        *,
        check: Callable[[str, Property], Awaitable[CheckResult]],
        spawn: Callable[[Coroutine[None, None, None], str], object],
        directory: Callable[[], Directory],
        today: Callable[[], date],
        policy: DialPolicy,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is monotonic seconds."""
        self._database = database
        self._check = check
        self._spawn = spawn
        self._directory = directory
        self._today = today
        self._policy = policy
        self._clock = clock
        self._states: dict[int, NumberCheckState] = {}
        self._own: dict[int, deque[float]] = {}
        """By account: when each started its last check calls itself."""

    def state(self, account_id: int) -> NumberCheckState | None:
        """Tell of the last check call of an account, as long as it is remembered."""
        return self._states.get(account_id)

    def start(self, account: Account, property_id: str, *, by_self: bool = False) -> None:
        """Ring the account's number; RefusedError when there is none, or it may not be called.

        Nor more than three times a day for the person who has it.
        """
        prop = self._directory().properties.get(PropertyId(property_id))
        running = self._states.get(account.id)
        if account.number is None or prop is None:
            raise RefusedError("people.check.no_number", field="number")
        if running is not None and running.result is None:
            raise RefusedError("people.check.running", field="number")
        if self._policy.objection_to(account.number) is not None:
            raise RefusedError("people.check.not_dialled", field="number")
        if by_self:
            self._count_own(account.id)
        self._remember(account.id, NumberCheckState(account.number))
        self._spawn(self._run(account.id, account.number, prop), "number checked")

    def _count_own(self, account_id: int) -> None:
        now = self._clock()
        started = self._own.pop(account_id, deque(maxlen=OWN_CHECKS))
        self._own[account_id] = started
        if len(started) == OWN_CHECKS and now - started[0] < DAY_S:
            raise RefusedError("people.check.too_often", field="number", most=OWN_CHECKS)
        started.append(now)
        while len(self._own) > MAX_COUNTED:
            del self._own[next(iter(self._own))]

    async def _run(self, account_id: int, number: str, prop: Property) -> None:
        result, is_saved = CheckResult.UNREACHABLE, True
        try:
            result = await self._check(number, prop)
            if result is CheckResult.CONFIRMED:
                await self._save(account_id, number)
        except StoreDownError:
            is_saved = False
        finally:
            self._remember(account_id, NumberCheckState(number, result, is_saved))

    async def _save(self, account_id: int, number: str) -> None:
        async with self._database.writing() as session:
            account = await session.get(Account, account_id)
            if (
                account is not None and account.number == number
            ):  # it may have been changed meanwhile
                account.number_verified_on = self._today()

    def _remember(self, account_id: int, state: NumberCheckState) -> None:
        self._states.pop(account_id, None)
        self._states[account_id] = state
        while len(self._states) > KEEP:
            del self._states[next(iter(self._states))]
