"""The doors of a person or of a whole unit: what they may open, with or without a call, and when."""

from functools import partial

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.door_rights import (
    RightFacts,
    add_right,
    doors_for,
    end_right,
    rights_of,
)
from intercom.administration.places import account_in, number, property_at, unit_in
from intercom.errors import RefusedError
from intercom.store.models import Door, Grant
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.hours import DAY_FIELDS, days_from, days_words, hours_words
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page
from intercom.web.admin.people import account_of, person_path
from intercom.web.admin.units import unit_of, unit_path
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, Route

_OF_UNIT = "/admin/p/{property}/units/{unit}/doors"
_OF_PERSON = "/admin/p/{property}/people/{account}/doors"
USUAL = Form({"what": "open", "start": "00:00", "end": "00:00", **DAY_FIELDS})


def routes(office: Office) -> list[Route]:
    """List the pages of rights."""
    return [
        Route(method, path + more, partial(handler, office), ADMINISTRATORS)
        for path in (_OF_UNIT, _OF_PERSON)
        for method, more, handler in (
            ("GET", "", _show),
            ("POST", "", _add),
            ("POST", "/end", _end),
        )
    ]


async def _show(office: Office, visit: Visit) -> web.Response:
    return await _page(office, visit, USUAL)


async def _page(office: Office, visit: Visit, form: Form) -> web.Response:
    account_id, unit_id = _whose(visit)
    async with office.database.reading() as session:
        place = await property_at(session, place_of(visit))
        if account_id is not None:
            name = (await account_in(session, place.id, account_id)).name
        else:
            name = (await unit_in(session, place.id, unit_of(visit))).label
        rights = await rights_of(session, place.id, account_id=account_id, unit_id=unit_id)
        doors = await _doors(session, visit)
    return await page(
        office,
        visit,
        "door_rights.html",
        status=form.status,
        name=name,
        of_person=account_id is not None,
        back=_back(visit),
        rights=rights,
        doors=doors,
        door_options=[(each.id, each.name) for each in doors],
        has_keys=place.has_keys_in_app,
        form=form,
        days_words=partial(days_words, visit.language),
        hours_words=partial(hours_words, visit.language),
    )


async def _add(office: Office, visit: Visit) -> web.Response:
    account_id, unit_id = _whose(visit)
    form = visit.form
    facts = RightFacts(
        door_id=form.get("door", ""),
        what=form.get("what", ""),
        days=days_from(form),
        start=form.get("start", ""),
        end=form.get("end", ""),
    )
    try:
        async with office.database.writing() as session:
            doors = await _doors(session, visit)
            await add_right(session, doors, facts, account_id=account_id, unit_id=unit_id)
    except RefusedError as error:
        return await _page(office, visit, refused_form(visit, error))
    return done(_back(visit, "doors"), "people.done.right_saved")


async def _end(office: Office, visit: Visit) -> web.Response:
    account_id, unit_id = _whose(visit)
    async with office.database.writing() as session:
        await end_right(
            session,
            number(visit.form.get("right", "")),
            place_of(visit),
            account_id=account_id,
            unit_id=unit_id,
        )
    return done(_back(visit, "doors"), "people.done.right_saved")


def _whose(visit: Visit) -> tuple[int | None, int | None]:
    if "account" in visit.request.match_info:
        return account_of(visit), None
    return None, unit_of(visit)


def _back(visit: Visit, *more: str) -> str:
    if "account" in visit.request.match_info:
        return person_path(visit, *more)
    return unit_path(visit, *more)


async def _doors(session: AsyncSession, visit: Visit) -> list[Door]:
    account_id, unit_id = _whose(visit)
    units = [unit_id] if unit_id is not None else []
    if account_id is not None:
        homes = select(Grant.unit_id).where(
            Grant.account_id == account_id, Grant.unit_id.is_not(None)
        )
        units = [each for each in await session.scalars(homes) if each is not None]
    return await doors_for(session, place_of(visit), units)
