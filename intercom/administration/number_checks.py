"""Check calls of people's numbers: started from a page, confirmed by a key, kept for a year (B11)."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import date, timedelta

from intercom.administration.people import NUMBER_HOLDS
from intercom.errors import RefusedError, StoreDownError
from intercom.routing.directory import Directory, Property
from intercom.routing.ids import PropertyId
from intercom.routing.number_check import CheckResult
from intercom.routing.numbers import DialPolicy
from intercom.store.database import Database
from intercom.store.models import Account

REMIND = timedelta(days=30)
"""So long before the end a page says that it ends."""
KEEP = 500
"""Results in memory: a page asks for them a moment later."""


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
    ) -> None:
        self._database = database
        self._check = check
        self._spawn = spawn
        self._directory = directory
        self._today = today
        self._policy = policy
        self._states: dict[int, NumberCheckState] = {}

    def state(self, account_id: int) -> NumberCheckState | None:
        """Tell of the last check call of an account, as long as it is remembered."""
        return self._states.get(account_id)

    def start(self, account: Account, property_id: str) -> None:
        """Ring the account's number; RefusedError when there is none, or it may not be called."""
        prop = self._directory().properties.get(PropertyId(property_id))
        running = self._states.get(account.id)
        if account.number is None or prop is None:
            raise RefusedError("people.check.no_number", field="number")
        if running is not None and running.result is None:
            raise RefusedError("people.check.running", field="number")
        if self._policy.objection_to(account.number) is not None:
            raise RefusedError("people.check.not_dialled", field="number")
        self._remember(account.id, NumberCheckState(account.number))
        self._spawn(self._run(account.id, account.number, prop), "number checked")

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
