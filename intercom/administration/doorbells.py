"""A unit's doorbell: what stands on the panels, whom it rings, in which order, and when it is quiet."""

from dataclasses import dataclass
from secrets import token_hex

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from intercom.administration.buttons import give_buttons
from intercom.administration.entries import name_from
from intercom.errors import RefusedError
from intercom.routing.directory import RingWay
from intercom.store.kinds import Layout
from intercom.store.models import Account, Doorbell, Member, Unit

STEP_S = (20.0, 30.0)
"""The least and the most between two persons (requirement A7)."""
_ID_BYTES = 5


@dataclass(frozen=True, slots=True)
class Face:
    """How a doorbell stands on the panels and rings."""

    name: str
    layout: Layout
    is_hidden: bool = False
    step_s: float = 25.0
    """SEQUENTIAL: seconds between the persons."""


async def doorbell_of(session: AsyncSession, unit_id: int) -> Doorbell | None:
    """Find the doorbell of a unit, its members with their accounts at hand."""
    found: Doorbell | None = await session.scalar(
        select(Doorbell)
        .where(Doorbell.unit_id == unit_id)
        .options(selectinload(Doorbell.members).selectinload(Member.account))
        .order_by(Doorbell.id)
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return found


async def make_doorbell(session: AsyncSession, unit: Unit, name: str) -> Doorbell:
    """Make a unit's doorbell, which rings nobody yet; its button comes to the panels."""
    doorbell = Doorbell(
        id=new_doorbell_id(),
        property_id=unit.property_id,
        unit_id=unit.id,
        name=name_from(name, "doorbell"),
        layout=Layout.PARALLEL,
        is_hidden=False,
    )
    doorbell.members = []
    session.add(doorbell)
    await give_buttons(session, unit.property_id, [doorbell.id])
    return doorbell


def new_doorbell_id() -> str:
    """Make a doorbell's id, which says nothing about who lives there."""
    return f"bell-{token_hex(_ID_BYTES)}"


async def change_face(session: AsyncSession, doorbell: Doorbell, face: Face) -> None:
    """Change how a doorbell stands on the panels (requirement A6: only when somebody submits it)."""
    if not STEP_S[0] <= face.step_s <= STEP_S[1]:
        raise RefusedError("people.refused.step", field="step_s", least=20, most=30)
    doorbell.name = name_from(face.name, "doorbell")
    doorbell.layout = face.layout
    doorbell.is_hidden = face.is_hidden
    doorbell.step_s = face.step_s
    await give_buttons(session, doorbell.property_id, [doorbell.id])


async def add_member(session: AsyncSession, doorbell: Doorbell, account: Account) -> None:
    """Have a doorbell ring one person more, as the last one."""
    if any(each.account_id == account.id for each in doorbell.members):
        return
    last = max((each.position for each in doorbell.members), default=-1)
    doorbell.members.append(Member(account=account, position=last + 1, is_hidden=False))
    await give_buttons(session, doorbell.property_id, [doorbell.id])


async def remove_member(session: AsyncSession, doorbell: Doorbell, account_id: int) -> None:
    """Have a doorbell no longer ring a person."""
    doorbell.members = [each for each in doorbell.members if each.account_id != account_id]
    await give_buttons(session, doorbell.property_id, [doorbell.id])


def move_member(doorbell: Doorbell, account_id: int, steps: int) -> None:
    """Move a person in the order; -1 is one place up. At the end of the list nothing happens."""
    order = [each.account_id for each in doorbell.members]
    at = _place(order, account_id)
    to = min(max(at + steps, 0), len(order) - 1)
    order.insert(to, order.pop(at))
    put_in_order(doorbell, order)


def put_in_order(doorbell: Doorbell, account_ids: list[int]) -> None:
    """Put a doorbell's persons in an order; who is not named comes last, as before."""
    known = {each.account_id for each in doorbell.members}
    rest = [each.account_id for each in doorbell.members if each.account_id not in account_ids]
    order = [each for each in dict.fromkeys(account_ids) if each in known] + rest
    for member in doorbell.members:
        member.position = order.index(member.account_id)
    doorbell.members.sort(key=lambda member: member.position)


def hide_member(doorbell: Doorbell, account_id: int, *, is_hidden: bool) -> None:
    """Hide a person's own button, or show it again."""
    order = [each.account_id for each in doorbell.members]
    doorbell.members[_place(order, account_id)].is_hidden = is_hidden


def set_ring_way(account: Account, ring_way: RingWay) -> None:
    """Say in which order a person's devices ring; a phone alone needs a number."""
    if ring_way is RingWay.PHONE_ONLY and account.number is None:
        raise RefusedError("people.refused.no_number", field="ring_way")
    account.ring_way = ring_way


def _place(order: list[int], account_id: int) -> int:
    if account_id not in order:
        raise RefusedError("admin.not_there")
    return order.index(account_id)
