"""Imports as pages ask for them: read, planned, done and taken back, with only what a page shows given back.

Each is one piece of work in a session, for `apart`: a large property's takes seconds of the processor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.entries import region_of_zone
from intercom.administration.places import property_at
from intercom.administration.roster import apply_plan, known_in
from intercom.administration.roster_file import MAX_FAULTS, RosterFault, decoded, read_roster
from intercom.administration.roster_plan import Plan, PlannedPerson, PlannedUnit, plan_of
from intercom.administration.roster_undo import KeptPerson, take_back, taking_of, undo_in

SHOWN = 100
"""Lines of each kind that a page shows; the rest is counted."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Excerpt(Generic[_T]):
    """The first few of many."""

    first: tuple[_T, ...]
    count: int
    """Of all."""

    @property
    def rest(self) -> int:
        """Count those that are not shown."""
        return self.count - len(self.first)

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return self.count > 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would change."""

    faults: Excerpt[RosterFault]
    new_units: Excerpt[PlannedUnit]
    renamed: Excerpt[PlannedUnit]
    new_people: Excerpt[PlannedPerson]
    changed_people: Excerpt[PlannedPerson]
    unchanged: int
    mailable: int
    """New people with an e-mail address."""
    is_empty: bool
    mark: str
    labels: dict[str, str]
    """As they are written, of the units into which those who are shown move."""


@dataclass(frozen=True, slots=True)
class TakingBack:
    """What taking an import back would do now."""

    undo_id: int
    made_at: datetime
    accounts: int
    units: int
    changes: int
    homes: int
    kept: Excerpt[KeptPerson]
    kept_units: Excerpt[str]


async def preview(session: AsyncSession, property_id: str, content: bytes) -> Preview:
    """Say what a file would change; refuses what is no such file."""
    return _preview_of(await _plan(session, property_id, decoded(content)))


async def import_file(
    session: AsyncSession,
    property_id: str,
    content: bytes,
    *,
    mark: str,
    now: datetime,
    is_inviting: bool,
) -> Preview | None:
    """Do what was shown, whose mark is given; where it would be something else by now, say that instead."""
    plan = await _plan(session, property_id, decoded(content))
    if plan.mark != mark or plan.faults:
        return _preview_of(plan)
    await apply_plan(session, property_id, plan, now, is_inviting=is_inviting)
    return None


async def ask_undo(
    session: AsyncSession, property_id: str, undo_id: int, now: datetime
) -> TakingBack:
    """Say what taking an import back would do."""
    undo = await undo_in(session, property_id, undo_id, now)
    taking = await taking_of(session, undo)
    return TakingBack(
        undo_id=undo.id,
        made_at=undo.made_at,
        accounts=len(taking.accounts),
        units=len(taking.units),
        changes=len(taking.changes),
        homes=len(taking.homes),
        kept=_excerpt(taking.kept),
        kept_units=_excerpt(taking.kept_units),
    )


async def undo_import(session: AsyncSession, property_id: str, undo_id: int, now: datetime) -> None:
    """Take an import back."""
    await take_back(session, await undo_in(session, property_id, undo_id, now))


async def _plan(session: AsyncSession, property_id: str, text: str) -> Plan:
    place = await property_at(session, property_id)
    file = read_roster(text, region_of_zone(place.time_zone))
    plan = plan_of(file.rows, await known_in(session, property_id))
    plan.faults = sorted([*file.faults, *plan.faults], key=lambda fault: fault.line)
    return plan


def _preview_of(plan: Plan) -> Preview:
    new_people, changed_people = _excerpt(plan.new_people), _excerpt(plan.changed_people)
    keys = {key for person in (*new_people.first, *changed_people.first) for key, _ in person.homes}
    return Preview(
        faults=_excerpt(plan.faults, MAX_FAULTS),
        new_units=_excerpt(plan.new_units),
        renamed=_excerpt(plan.renamed),
        new_people=new_people,
        changed_people=changed_people,
        unchanged=plan.unchanged,
        mailable=sum(bool(each.email) for each in plan.new_people),
        is_empty=plan.is_empty,
        mark=plan.mark,
        labels={key: plan.units[key].label for key in keys},
    )


def _excerpt(all_of_them: Sequence[_T], most: int = SHOWN) -> Excerpt[_T]:
    return Excerpt(tuple(all_of_them[:most]), len(all_of_them))
