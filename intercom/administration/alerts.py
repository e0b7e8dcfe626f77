"""Alerts: something of a property's technics that somebody must look at; never about a person.

What is wrong now is looked at every quarter of a minute and compared with the alerts that stand: new ones are
raised and mailed once, those that are over are cleared. Nothing is kept of how often, or who noticed.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

import structlog
from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import invitations
from intercom.administration.invitations import ALERT
from intercom.administration.number_checks import due_counts
from intercom.errors import StoreDownError
from intercom.routing.directory import Directory, Panel
from intercom.store.database import Database
from intercom.store.kinds import MailState, Role
from intercom.store.models import Account, Alert, Doorbell, Grant, Mail, Member, Unit

LOOK_EVERY_S = 15.0
OFFLINE_FOR = timedelta(seconds=60)
"""A panel or trunk that is away for less is not worth anybody's evening."""
QUIET_AFTER = timedelta(hours=1)
"""What comes back so soon is shown, and not mailed a second time."""
CLEARED_KEPT = timedelta(days=90)

log = structlog.get_logger()


class AlertKind(Enum):
    """Words: privacy.alert.{value}.*."""

    PANEL_OFFLINE = "panel_offline"
    TRUNK_DOWN = "trunk_down"
    MAIL_FAILED = "mail_failed"
    MAIL_SERVER = "mail_server"
    NUMBERS_DUE = "numbers_due"
    """Of people; the subject is how many, and nothing else of them."""
    CERTIFICATE = "certificate"
    """It ends soon, or has ended."""
    EVENTS_LOST = "events_lost"
    """Lines of event logs could be kept nowhere."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong now."""

    property_id: str | None
    """None: the whole service's, for its operators."""
    kind: AlertKind
    subject: str = ""
    """The panel's or trunk's id, a file's name, or of numbers how many; never a person's."""


class PanelState(Protocol):
    @property
    def is_online(self) -> bool:
        """Whether it is there now."""


class TrunkState(Protocol):
    @property
    def trunk_id(self) -> str: ...
    @property
    def is_up(self) -> bool:
        """Whether calls can go this way now."""


class Technics(Protocol):
    """The state of the technics as it is now."""

    def panel(self, panel_id: str) -> PanelState | None:
        """Tell a panel's state; None: not known."""

    def trunks(self) -> Iterable[TrunkState]:
        """Tell every trunk's."""


class Alarm:
    """Raises and clears alerts; run `keep`."""

    def __init__(
        self,
        database: Database,
        technics: Technics,
        *,
        directory: Callable[[], Directory],
        now: Callable[[], datetime],
        others: Callable[[], Iterable[Fault]] = tuple,
    ) -> None:
        """`others` tells of faults that no panel, trunk, mail or number has, such as certificates."""
        self._database = database
        self._technics = technics
        self._directory = directory
        self._now = now
        self._others = others
        self._away_since: dict[Fault, datetime] = {}

    async def keep(self) -> None:
        """Look every quarter of a minute, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreDownError:  # calls go on; whoever reads alerts sees that pages do not open
                log.warning("alerts.not_written", remedy="the database is down; tried again")
            except SQLAlchemyError:  # such as a property that was deleted just now
                log.exception("alerts.not_written")
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Compare what is wrong with the alerts that stand."""
        now = self._now()
        wrong = self._lasting(now) | set(self._others())
        async with self._database.reading() as session:
            wrong |= await _of_mails(session) | await _of_numbers(session, now)
            standing = {_fault_of(each) for each in await session.scalars(_STANDING)}
        if wrong != standing:
            await self._write(wrong, now)

    def _lasting(self, now: datetime) -> set[Fault]:
        """List the panels and trunks that have been away for long enough."""
        away = set(self._away())
        self._away_since = {each: self._away_since.get(each, now) for each in away}
        return {each for each in away if now - self._away_since[each] >= OFFLINE_FOR}

    def _away(self) -> Iterable[Fault]:
        for panel in self._directory().panels.values():
            state = self._technics.panel(panel.panel_id) if _logs_in(panel) else None
            if state is not None and not state.is_online:
                yield Fault(panel.property_id, AlertKind.PANEL_OFFLINE, panel.panel_id)
        for trunk in self._technics.trunks():
            if not trunk.is_up:
                yield Fault(None, AlertKind.TRUNK_DOWN, trunk.trunk_id)

    async def _write(self, wrong: set[Fault], now: datetime) -> None:
        async with self._database.writing() as session:
            standing = list(await session.scalars(_STANDING))
            counted = {
                fault.property_id: fault for fault in wrong if fault.kind is AlertKind.NUMBERS_DUE
            }
            for each in standing:
                fault = counted.get(each.property_id)
                if fault is not None and each.kind == fault.kind.value:
                    each.subject = fault.subject  # more or fewer of them are no new alert
                if _fault_of(each) not in wrong:
                    each.cleared_at = now
            for fault in sorted(wrong - {_fault_of(each) for each in standing}, key=_order):
                await _raise(session, fault, now)
            await session.execute(delete(Alert).where(Alert.cleared_at < now - CLEARED_KEPT))


async def standing_in(session: AsyncSession, property_id: str | None) -> list[Alert]:
    """List the alerts that stand, the newest first; None: the whole service's."""
    found = await session.scalars(
        _STANDING.where(_at(property_id)).order_by(Alert.raised_at.desc(), Alert.id.desc())
    )
    return list(found)


async def cleared_in(session: AsyncSession, property_id: str | None, most: int = 50) -> list[Alert]:
    """List alerts that are over, the newest first."""
    found = await session.scalars(
        select(Alert)
        .where(_at(property_id), Alert.cleared_at.is_not(None))
        .order_by(Alert.cleared_at.desc(), Alert.id.desc())
        .limit(most)
    )
    return list(found)


_STANDING = select(Alert).where(Alert.cleared_at.is_(None))


def _at(property_id: str | None) -> ColumnElement[bool]:
    return Alert.property_id.is_(None) if property_id is None else Alert.property_id == property_id


async def _raise(session: AsyncSession, fault: Fault, now: datetime) -> None:
    earlier = await session.scalar(
        select(Alert.id)
        .where(
            _at(fault.property_id),
            Alert.kind == fault.kind.value,
            Alert.subject == fault.subject,
            Alert.cleared_at > now - QUIET_AFTER,
        )
        .limit(1)
    )
    session.add(
        Alert(
            property_id=fault.property_id,
            kind=fault.kind.value,
            subject=fault.subject,
            raised_at=now,
        )
    )
    if earlier is not None:
        return
    for account_id in await _responsible(session, fault.property_id):
        await invitations.ask(session, account_id, ALERT, now)


async def _responsible(session: AsyncSession, property_id: str | None) -> list[int]:
    """List whom a mail goes to: a property's administrators, or who runs the service."""
    role = Grant.role == Role.OPERATOR if property_id is None else Grant.role == Role.ADMINISTRATOR
    place = Grant.property_id.is_(None) if property_id is None else Grant.property_id == property_id
    found = await session.scalars(
        select(Account.id)
        .join(Grant, Grant.account_id == Account.id)
        .where(role, place, Account.email.is_not(None))
        .distinct()
    )
    return sorted(found)


async def _of_mails(session: AsyncSession) -> set[Fault]:
    """Tell in which properties a mail to somebody could not be sent; not to whom."""
    failed = select(Mail.account_id).where(Mail.state == MailState.FAILED, Mail.kind != ALERT)
    return {Fault(each, AlertKind.MAIL_FAILED) for each in await _properties_of(session, failed)}


async def _of_numbers(session: AsyncSession, now: datetime) -> set[Fault]:
    """Tell in which properties how many numbers need their yearly check; not whose."""
    counts = await due_counts(session, now.date())
    return {Fault(place, AlertKind.NUMBERS_DUE, str(count)) for place, count in counts.items()}


async def _properties_of(session: AsyncSession, accounts: Select[int]) -> set[str]:
    granted = await session.scalars(
        select(Grant.property_id)
        .where(Grant.account_id.in_(accounts), Grant.property_id.is_not(None))
        .distinct()
    )
    housed = await session.scalars(
        select(Unit.property_id)
        .join(Grant, Grant.unit_id == Unit.id)
        .where(Grant.account_id.in_(accounts))
        .distinct()
    )
    rung = await session.scalars(
        select(Doorbell.property_id)
        .join(Member, Member.doorbell_id == Doorbell.id)
        .where(Member.account_id.in_(accounts))
        .distinct()
    )
    return {each for each in (*granted, *housed, *rung) if each is not None}


def _fault_of(alert: Alert) -> Fault:
    return Fault(alert.property_id, AlertKind(alert.kind), alert.subject)


def _order(fault: Fault) -> tuple[str, str, str]:
    return fault.property_id or "", fault.kind.value, fault.subject


def _logs_in(panel: Panel) -> bool:
    """Tell whether a panel is seen at all when nobody presses a button."""
    return panel.password is not None and panel.profile.registers
