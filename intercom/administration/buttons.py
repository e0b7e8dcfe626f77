"""The buttons behind which doorbells stand: one number a doorbell, the same on a property's every panel."""

from collections.abc import Iterable

from sqlalchemy import Integer, and_, cast, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.elements import ColumnElement

from intercom.store.database import touch
from intercom.store.kinds import Layout
from intercom.store.models import Button, Doorbell, Member, Panel

FIRST = 101
OWN_BUTTON = (Layout.INDIVIDUAL, Layout.GROUPED)
"""Where each person has a button."""
_LONGEST_NUMBER = 8
_ROWS = 200
"""A statement: what is made ready without letting the loop do anything else."""

_Key = tuple[str, int | None]
"""A doorbell, and where persons have their own the account."""


async def give_buttons(
    session: AsyncSession, property_id: str, doorbell_ids: Iterable[str] | None = None
) -> None:
    """Give every doorbell of a property its button on every panel, and take away what none needs.

    Doing it again changes nothing. `doorbell_ids` says for which alone; None: for all.
    """
    only = None if doorbell_ids is None else list(doorbell_ids)
    await session.flush()
    await _take_away(session, property_id, only)
    missing = await _missing(session, property_id, only)
    if not missing:
        return
    names = await _names_in_use(session, property_id, only)
    next_number = await _highest(session, property_id) + 1
    is_known = any(key in names for _, key in missing)
    taken = await _taken(session, {panel for panel, _ in missing}) if is_known else set()
    rows = []
    for panel_id, key in missing:
        name = names.get(key)
        if name is None or (panel_id, name) in taken:
            name = str(next_number)
            next_number += 1
            names[key] = name
        rows.append(
            {"panel_id": panel_id, "name": name, "doorbell_id": key[0], "account_id": key[1]}
        )
    for start in range(0, len(rows), _ROWS):
        await session.execute(Button.__table__.insert(), rows[start : start + _ROWS])  # type: ignore[attr-defined]  # a Table has it
    for row in rows:
        touch(session, Button, row["panel_id"], row["name"])


def _of(property_id: str, only: list[str] | None) -> ColumnElement[bool]:
    place = Doorbell.property_id == property_id
    return place if only is None else and_(place, Doorbell.id.in_(only))


async def _take_away(session: AsyncSession, property_id: str, only: list[str] | None) -> None:
    fits = or_(
        and_(Doorbell.layout.in_(OWN_BUTTON), Member.account_id.is_not(None)),
        and_(Doorbell.layout.not_in(OWN_BUTTON), Button.account_id.is_(None)),
    )
    misfits = (
        select(Button.panel_id, Button.name)
        .join(Doorbell, Doorbell.id == Button.doorbell_id)
        .outerjoin(
            Member,
            and_(Member.doorbell_id == Doorbell.id, Member.account_id == Button.account_id),
        )
        .where(_of(property_id, only), ~fits)
    )
    for panel_id, name in (await session.execute(misfits)).all():
        await session.execute(
            delete(Button).where(Button.panel_id == panel_id, Button.name == name),
            execution_options={"synchronize_session": False},
        )
        touch(session, Button, panel_id, name)


async def _missing(
    session: AsyncSession, property_id: str, only: list[str] | None
) -> list[tuple[str, _Key]]:
    shared = (
        select(Panel.id, Doorbell.id)
        .join(Doorbell, Doorbell.property_id == Panel.property_id)
        .outerjoin(Button, and_(Button.panel_id == Panel.id, Button.doorbell_id == Doorbell.id))
        .where(
            _of(property_id, only), Doorbell.layout.not_in(OWN_BUTTON), Button.panel_id.is_(None)
        )
        .order_by(Doorbell.id, Panel.id)
    )
    own = (
        select(Panel.id, Doorbell.id, Member.account_id)
        .join(Doorbell, Doorbell.property_id == Panel.property_id)
        .join(Member, Member.doorbell_id == Doorbell.id)
        .outerjoin(
            Button,
            and_(
                Button.panel_id == Panel.id,
                Button.doorbell_id == Doorbell.id,
                Button.account_id == Member.account_id,
            ),
        )
        .where(_of(property_id, only), Doorbell.layout.in_(OWN_BUTTON), Button.panel_id.is_(None))
        .order_by(Doorbell.id, Member.position, Panel.id)
    )
    found: list[tuple[str, _Key]] = [
        (panel_id, (doorbell_id, None))
        for panel_id, doorbell_id in (await session.execute(shared)).all()
    ]
    found += [
        (panel_id, (doorbell_id, account_id))
        for panel_id, doorbell_id, account_id in (await session.execute(own)).all()
    ]
    return found


async def _names_in_use(
    session: AsyncSession, property_id: str, only: list[str] | None
) -> dict[_Key, str]:
    """Give what each of the doorbells is called already on some panel."""
    rows = (
        select(Button.doorbell_id, Button.account_id, Button.name)
        .join(Doorbell, Doorbell.id == Button.doorbell_id)
        .where(_of(property_id, only))
    )
    return {
        (doorbell_id, account_id): name
        for doorbell_id, account_id, name in (await session.execute(rows)).all()
    }


async def _taken(session: AsyncSession, panel_ids: set[str]) -> set[tuple[str, str]]:
    rows = select(Button.panel_id, Button.name).where(Button.panel_id.in_(panel_ids))
    return {(panel_id, name) for panel_id, name in (await session.execute(rows)).all()}


async def _highest(session: AsyncSession, property_id: str) -> int:
    """Give the highest number that any button of the property has."""
    is_number = and_(
        func.ltrim(Button.name, "0123456789") == "",
        func.length(Button.name) <= _LONGEST_NUMBER,
        Button.name != "",
    )
    highest = await session.scalar(
        select(func.max(cast(Button.name, Integer)))
        .join(Panel, Panel.id == Button.panel_id)
        .where(Panel.property_id == property_id, is_number)
    )
    return max(FIRST - 1, int(highest or 0))
