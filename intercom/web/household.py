"""/api/setup with the check call, /api/logins and /api/me: what a resident sets from the app (A6, A7, A18, A19)."""

import asyncio
import math
from functools import partial
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import accounts, doorbells, number_checks, quiet
from intercom.administration.doorbells import Face
from intercom.administration.people import set_number
from intercom.administration.quiet import QuietFacts
from intercom.errors import RefusedError
from intercom.routing.directory import RingWay
from intercom.store.kinds import Layout, Role
from intercom.store.models import Account, Doorbell, Grant, Property, QuietHours, Unit
from intercom.web.admin.form_body import BODY_S
from intercom.web.admin.gate import Gate
from intercom.web.admin.hours import clock_of
from intercom.web.admin.office import Office
from intercom.web.admin.visit import Visit
from intercom.web.passwords import MAX_PASSWORD_CHARACTERS
from intercom.web.rules import APP, Route

HOUSEHOLD = (Role.OWNER, Role.RESIDENT)
"""Who sets a unit's doorbell; a station on the wall does not."""
WRONG = "account.setup_wrong"


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Quiet(_Strict):
    days: list[int] = Field(min_length=1, max_length=7)
    """Monday 0 to Sunday 6."""
    start: str = Field(max_length=5)
    end: str = Field(max_length=5)
    mode: str = Field(max_length=16)


class _Doorbell(_Strict):
    name: str = Field(max_length=128)
    layout: str = Field(max_length=16)
    step_s: float = 25.0
    is_hidden: bool = False
    order: list[int] = Field(default=[], max_length=200)
    hidden: list[int] = Field(default=[], max_length=200)
    quiet: list[_Quiet] = Field(default=[], max_length=quiet.MAX_QUIET)


class _Setup(_Strict):
    unit: int | None = None
    doorbell: _Doorbell | None = None
    """Whole, as it was sent by Submit; nothing changes on the panel before."""
    ring_way: str | None = Field(default=None, max_length=32)
    number: str | None = Field(default=None, max_length=31)
    """The own number, called once it is checked; empty: none any more."""


class _CheckWish(_Strict):
    """Nothing: it is the own number that is rung."""


class _Farewell(_Strict):
    password: str = Field(max_length=MAX_PASSWORD_CHARACTERS, repr=False)


_Body = TypeVar("_Body", bound=_Strict)


def routes(office: Office, gate: Gate) -> list[Route]:
    """List what the app's settings ask."""
    return [
        Route("GET", "/api/setup", partial(_show, office), APP),
        Route("POST", "/api/setup", partial(_change, office), APP),
        Route("POST", "/api/setup/check-number", partial(_check_number, office), APP),
        Route("GET", "/api/logins", partial(_logins, office), APP),
        Route("DELETE", "/api/logins/{device}", partial(_end_login, office), APP),
        Route("DELETE", "/api/me", partial(_delete, office, gate), APP),
    ]


async def _show(office: Office, visit: Visit) -> web.Response:
    async with office.database.reading() as session:
        account = await session.get_one(Account, visit.account.id)
        units = await session.execute(
            select(Unit, Grant.role)
            .join(Grant, Grant.unit_id == Unit.id)
            .where(Grant.account_id == account.id)
            .order_by(Unit.id, Grant.id)
        )
        homes = {unit.id: (unit, role) for unit, role in units.all()}
        described = [await _home(session, unit, role) for unit, role in homes.values()]
    return web.json_response(
        {
            "name": account.name,
            "username": account.username,
            "language": account.language,
            "number": account.number,
            "number_verified": number_checks.is_verified(account, office.now().date()),
            "number_due": number_checks.is_due(account, office.now().date()),
            "number_check": _check_state(office, account),
            "ring_way": account.ring_way.value,
            "units": described,
        }
    )


def _check_state(office: Office, account: Account) -> str | None:
    """Tell of the own number's check call: "on", what came of it, or None: there was none lately."""
    state = office.checks.state(account.id) if office.checks is not None else None
    if state is None or state.number != account.number:
        return None
    if state.result is None:
        return "on"
    return state.result.value if state.is_saved else "not saved"


async def _home(session: AsyncSession, unit: Unit, role: Role) -> dict[str, object]:
    place = await session.get_one(Property, unit.property_id)
    bell = await doorbells.doorbell_of(session, unit.id)
    return {
        "id": unit.id,
        "label": unit.label,
        "place": place.address,
        "role": role.value,
        "may_change": role in HOUSEHOLD,
        "doorbell": None if bell is None else await _bell(session, bell),
    }


async def _bell(session: AsyncSession, bell: Doorbell) -> dict[str, object]:
    return {
        "name": bell.name,
        "layout": bell.layout.value,
        "step_s": bell.step_s,
        "is_hidden": bell.is_hidden,
        "members": [
            {"id": each.account_id, "name": each.account.name, "is_hidden": each.is_hidden}
            for each in bell.members
        ],
        "quiet": [
            {
                "days": [day for day in range(7) if each.days >> day & 1],
                "start": clock_of(each.start_minute),
                "end": clock_of(each.end_minute),
                "mode": each.mode.value,
            }
            for each in await quiet.of_doorbell(session, bell.id)
        ],
    }


async def _change(office: Office, visit: Visit) -> web.Response:
    wanted = await _read(visit, _Setup)
    async with office.database.writing() as session:
        if wanted.ring_way is not None or wanted.number is not None:
            account = await session.get_one(Account, visit.account.id)
            if wanted.number is not None:
                set_number(account, wanted.number, await _zone_of(session, account))
            way = account.ring_way if wanted.ring_way is None else _way(wanted.ring_way)
            doorbells.set_ring_way(account, way)
        if wanted.doorbell is not None:
            unit_id = wanted.unit if wanted.unit is not None else -1
            if unit_id not in visit.account.units(*HOUSEHOLD):
                raise RefusedError("admin.not_there")
            bell = await doorbells.doorbell_of(session, unit_id)
            if bell is None:
                raise RefusedError("admin.not_there")
            await _set_bell(session, bell, wanted.doorbell)
    return await _show(office, visit)


async def _check_number(office: Office, visit: Visit) -> web.Response:
    """Ring the own number, so that its key confirms it; what came of it stands in GET /api/setup."""
    await _read(visit, _CheckWish)
    async with office.database.reading() as session:
        account = await session.get_one(Account, visit.account.id)
        place = await _place_of(session, account)
    if place is None or office.checks is None:
        raise RefusedError("people.check.no_number", field="number")
    office.checks.start(account, place.id, by_self=True)
    return await _show(office, visit)


async def _place_of(session: AsyncSession, account: Account) -> Property | None:
    """Find a property in which a person lives."""
    found: Property | None = await session.scalar(
        select(Property)
        .join(Unit, Unit.property_id == Property.id)
        .join(Grant, Grant.unit_id == Unit.id)
        .where(Grant.account_id == account.id)
        .order_by(Unit.id)
        .limit(1)
    )
    return found


async def _zone_of(session: AsyncSession, account: Account) -> str:
    place = await _place_of(session, account)
    return place.time_zone if place is not None else ""


async def _set_bell(session: AsyncSession, bell: Doorbell, wanted: _Doorbell) -> None:
    known = {each.account_id for each in bell.members}
    if not set(wanted.hidden) <= known or not set(wanted.order) <= known:
        raise RefusedError(WRONG, field="order")
    face = Face(wanted.name, _layout(wanted.layout), wanted.is_hidden, wanted.step_s)
    await doorbells.change_face(session, bell, face)
    doorbells.put_in_order(bell, wanted.order)
    for each in bell.members:
        each.is_hidden = each.account_id in wanted.hidden
    for old in await session.scalars(select(QuietHours).where(QuietHours.doorbell_id == bell.id)):
        await session.delete(old)
    await session.flush()
    for hours in wanted.quiet:
        if not all(0 <= day <= 6 for day in hours.days):
            raise RefusedError(WRONG, field="days")
        days = sum(1 << day for day in set(hours.days))
        facts = QuietFacts(days, hours.start, hours.end, hours.mode)
        await quiet.add_quiet(session, facts, doorbell_id=bell.id)


async def _logins(office: Office, visit: Visit) -> web.Response:
    return web.json_response(
        [
            {
                "device": each.device_id,
                "label": each.label,
                "since": each.created_on.isoformat() if each.created_on else None,
                "is_this": each.device_id == visit.device_id,
            }
            for each in office.logins.of(visit.account.username)
        ]
    )


async def _end_login(office: Office, visit: Visit) -> web.Response:
    own = {each.device_id for each in office.logins.of(visit.account.username)}
    if visit.at("device") not in own:
        raise RefusedError("admin.not_there")
    office.logins.end(visit.account.username, visit.at("device"))
    return web.json_response({})


async def _delete(office: Office, gate: Gate, visit: Visit) -> web.Response:
    """Delete the account and everything about the person, at once (A19); asks for the password."""
    farewell = await _read(visit, _Farewell)
    async with office.database.reading() as session:
        password_hash = (await session.get_one(Account, visit.account.id)).password_hash
    verdict = await gate.guesses.verify(
        visit.request, visit.account.username, password_hash, farewell.password
    )
    if verdict.wait_s > 0:
        minutes = math.ceil(verdict.wait_s / 60)
        raise RefusedError("account.locked", field="password", minutes=minutes)
    if not verdict.is_right:
        raise RefusedError("account.password_wrong", field="password")
    async with office.database.writing() as session:
        account = await session.get_one(Account, visit.account.id)
        await accounts.delete_account(session, account)
    gate.sessions.end(visit.account.id)
    office.logins.end(visit.account.username)
    await office.database.forget_deleted()
    return web.json_response({})


async def _read(visit: Visit, kind: type[_Body]) -> _Body:
    if visit.request.content_type != "application/json":  # a form of another site cannot send this
        raise RefusedError("account.unreadable")
    try:
        async with asyncio.timeout(BODY_S):
            return kind.model_validate_json(await visit.request.read())
    except (ValidationError, TimeoutError) as error:
        raise RefusedError("account.unreadable") from error


def _way(text: str) -> RingWay:
    try:
        return RingWay(text)
    except ValueError as error:
        raise RefusedError(WRONG, field="ring_way") from error


def _layout(text: str) -> Layout:
    try:
        return Layout(text)
    except ValueError as error:
        raise RefusedError(WRONG, field="layout") from error
