"""Sends the mails that were asked for: a task that tries again until they have left, or never will.

A link's token is made when its mail leaves and stands nowhere else: the store has the digest alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.adapters.mail import Letter, MailConnection, MailError, MailFault, MailServer
from intercom.administration import invitations, tokens, transfers
from intercom.administration.letter_facts import CONFIRMATIONS, AlertLine, facts_of
from intercom.administration.letters import letter
from intercom.errors import StoreDownError
from intercom.store.database import Database, Touched
from intercom.store.kinds import MailState, TokenPurpose
from intercom.store.models import Account, Mail, MailToken
from intercom.texts import words

log = structlog.get_logger()

BATCH = 20
FIRST_PAUSE_S = 60.0
LONGEST_PAUSE_S = 3600.0
LOOK_EVERY_S = 10.0
"""How often it looks by itself: another process may have asked for a mail."""
STORE_PAUSE_S = 5.0
GIVE_UP_AFTER = timedelta(days=2)
MAX_FORGOTTEN = 1000
_AWAKENING = frozenset({"account", "transfer", "alert"})
"""A change of these may come with a mail."""
_PURPOSES = {
    invitations.INVITATION: (TokenPurpose.SET_PASSWORD, tokens.INVITATION_LIFETIME),
    invitations.PASSWORD: (TokenPurpose.SET_PASSWORD, tokens.FORGOTTEN_LIFETIME),
    invitations.TRANSFER: (TokenPurpose.CONFIRM_TRANSFER, tokens.CONFIRMATION_LIFETIME),
    invitations.ACTIVATION: (TokenPurpose.CONFIRM_ACTIVATION, tokens.CONFIRMATION_LIFETIME),
}


@dataclass(frozen=True, slots=True)
class _Ready:
    """A mail that is about to leave."""

    mail_id: int
    asked_at: datetime
    tries: int
    letter: Letter | None
    """None: there is nothing to send (any more), as for a transfer that was taken back."""
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    ready: _Ready
    fault: MailError | None
    is_tried: bool = True
    """False: the one before it stopped all; the next time it comes before that one."""


class Outbox:
    """The one task that sends mails; `now` is aware wall time, `origin` begins every link."""

    def __init__(
        self,
        database: Database,
        server: MailServer | None,
        *,
        origin: str,
        now: Callable[[], datetime],
        alert_line: AlertLine = lambda _, alert: f"{alert.kind}: {alert.subject}",
    ) -> None:
        self._database = database
        self._server = server
        self._origin = origin.rstrip("/")
        self._now = now
        self._alert_line = alert_line
        self._awake = asyncio.Event()
        self._forgotten: deque[str] = deque(maxlen=MAX_FORGOTTEN)
        self._not_before: dict[int, float] = {}
        """By mail, in the loop's seconds."""
        self._pause_s = 0.0
        self._paused_until = 0.0
        self._unnoted: list[_Outcome] = []
        """What was sent, while the store could not be told."""
        self.on_state: Callable[[MailError | None], None] = lambda _: None
        """Called when the mail server stopped taking mails, and with None when it takes them again."""
        database.on_change.append(self._changed)

    def wake(self) -> None:
        """Look for mails now; after a pause that a dead mail server caused only when that is over."""
        self._awake.set()

    def forgotten(self, name_or_email: str) -> None:
        """Mail a new link to whoever this is, if anybody; at once, so that nobody can tell by the time."""
        self._forgotten.append(name_or_email)
        self._awake.set()

    async def keep(self) -> None:
        """Send until cancelled."""
        while True:
            self._awake.clear()
            try:
                await self.work()
            except StoreDownError:
                await asyncio.sleep(STORE_PAUSE_S)
                continue
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._awake.wait()
            except TimeoutError:
                pass

    async def work(self) -> None:
        """Do all that can be done now; raises StoreDownError."""
        await self._note()
        await self._look_up_forgotten()
        while asyncio.get_running_loop().time() >= self._paused_until:
            ready = await self._prepare()
            if not ready:
                return
            self._unnoted += await self._send(ready)
            await self._note()

    def _changed(self, touched: Touched) -> None:
        if any(row.table in _AWAKENING for row in touched):
            self._awake.set()

    async def _look_up_forgotten(self) -> None:
        while self._forgotten:
            async with self._database.writing() as session:
                await invitations.forgotten(session, self._forgotten[0], self._now())
            self._forgotten.popleft()

    async def _prepare(self) -> list[_Ready]:
        """Write the next letters, and make their links."""
        loop_now = asyncio.get_running_loop().time()
        held = [mail for mail, at in self._not_before.items() if at > loop_now]
        due = (
            select(Mail)
            .where(Mail.state == MailState.WAITING, Mail.id.not_in(held))
            .order_by(Mail.tries, Mail.asked_at)
            .limit(BATCH)
        )
        async with self._database.reading() as session:
            if await session.scalar(due.with_only_columns(Mail.id).limit(1)) is None:
                return []
        async with self._database.writing() as session:
            await tokens.forget_expired(session, self._now())
            return [await self._written(session, each) for each in list(await session.scalars(due))]

    async def _written(self, session: AsyncSession, mail: Mail) -> _Ready:
        account = await session.get_one(Account, mail.account_id)
        transfer = (
            await transfers.asked_of(session, account.id) if mail.kind in CONFIRMATIONS else None
        )
        facts = await facts_of(session, mail.kind, account, transfer, self._alert_line)
        if facts is None:
            return _Ready(mail.id, mail.asked_at, mail.tries, None, None)
        token = ""
        if mail.kind in _PURPOSES:
            purpose, lifetime = _PURPOSES[mail.kind]
            token = await tokens.make(
                session,
                account.id,
                purpose,
                self._now() + lifetime,
                transfer.id if transfer is not None else None,
            )
        return _Ready(
            mail.id,
            mail.asked_at,
            mail.tries,
            letter(mail.kind, facts, self._origin, token),
            tokens.digest(token) if token else None,
        )

    async def _send(self, ready: list[_Ready]) -> list[_Outcome]:
        """Hand letters to the mail server; what a dead one leaves over is not in the outcome's favour."""
        outcomes: list[_Outcome] = []
        try:
            if self._server is None:
                raise MailError(MailFault.NO_SERVER)  # noqa: TRY301 - as good as a dead one
            async with self._server.connected() as connection:
                for each in ready:
                    outcomes.append(_Outcome(each, await self._hand_over(connection, each)))  # noqa: PERF401 - what was sent counts
        except MailError as error:
            self._pause(error)
            left = ready[len(outcomes) :]
            outcomes += [_Outcome(each, error, is_tried=each is left[0]) for each in left]
        else:
            if self._pause_s:
                self.on_state(None)
            self._pause_s = 0.0
        return outcomes

    async def _hand_over(self, connection: MailConnection, ready: _Ready) -> MailError | None:
        """Send one letter; give the fault that is its alone, raise what stops all."""
        try:
            if ready.letter is not None:
                await connection.send(ready.letter, self._now())
        except MailError as error:
            if not error.is_of_one:
                raise
            return error
        return None

    def _pause(self, error: MailError) -> None:
        if not self._pause_s:
            self.on_state(error)
        if error.fault is not MailFault.NO_SERVER:
            log.warning("mail.server_unusable", fault=error.fault.value, remedy="see mail_server")
        self._pause_s = min(max(self._pause_s * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._paused_until = asyncio.get_running_loop().time() + self._pause_s

    async def _note(self) -> None:
        """Write down what became of the mails; asked for once more meanwhile, one waits again."""
        if not self._unnoted:
            return
        async with self._database.writing() as session:
            for each in self._unnoted:
                await session.execute(
                    update(Mail)
                    .where(Mail.id == each.ready.mail_id, Mail.asked_at == each.ready.asked_at)
                    .values(self._result(each))
                )
                # after a time-out the letter may have left all the same: its link goes on holding
                if each.fault is not None and each.fault.fault is not MailFault.TIMEOUT:
                    await session.execute(
                        delete(MailToken).where(MailToken.digest == each.ready.digest)
                    )
        self._unnoted.clear()

    def _result(self, outcome: _Outcome) -> dict[str, object]:
        mail, fault = outcome.ready, outcome.fault
        if fault is None:
            self._not_before.pop(mail.mail_id, None)
            return {"state": MailState.SENT, "sent_at": self._now(), "cause": None}
        is_over = (fault.is_of_one and fault.fault is MailFault.REFUSED) or (
            self._now() - mail.asked_at > GIVE_UP_AFTER
        )
        tries = mail.tries + outcome.is_tried
        if is_over:
            self._not_before.pop(mail.mail_id, None)
        elif outcome.is_tried:
            pause_s = min(FIRST_PAUSE_S * 2 ** min(tries - 1, 8), LONGEST_PAUSE_S)
            self._not_before[mail.mail_id] = asyncio.get_running_loop().time() + pause_s
        state = MailState.FAILED if is_over else MailState.WAITING
        return {"state": state, "tries": tries, "cause": str(fault)}


def cause_words(language: str, cause: str) -> str:
    """Say why a mail did not leave; empty where nothing is wrong."""
    if not cause:
        return ""
    fault, _, said = cause.partition(" ")
    text = words(language, f"mail.fault.{MailFault(fault).name.lower()}")
    return f"{text} ({said})" if said else text
