"""Units: the list with its search, one unit with its people and its doorbell, new ones, the end of one."""

from contextlib import suppress
from functools import partial

from aiohttp import web

from intercom.administration import transfers, units
from intercom.administration.doorbells import doorbell_of
from intercom.administration.people import NewPerson, add_person, standings
from intercom.administration.places import property_at, unit_in
from intercom.administration.search import PAGE_ROWS, search_units
from intercom.errors import RefusedError, StoreDownError
from intercom.store.kinds import Role
from intercom.store.models import Account
from intercom.web.admin.choices import languages
from intercom.web.admin.days import day_words
from intercom.web.admin.forms import Form, Pager, pager, place_of, refused_form
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, Route

_UNITS = "/admin/p/{property}/units"
_UNIT = _UNITS + "/{unit}"


def routes(office: Office) -> list[Route]:
    """List the pages of units."""
    return [
        Route("GET", _UNITS, partial(_list, office), ADMINISTRATORS),
        Route("GET", _UNITS + "/new", partial(_new, office), ADMINISTRATORS),
        Route("POST", _UNITS + "/new", partial(_make, office), ADMINISTRATORS),
        Route("GET", _UNIT, partial(_show, office), ADMINISTRATORS),
        Route("POST", _UNIT + "/label", partial(_rename, office), ADMINISTRATORS),
        Route("POST", _UNIT + "/delete", partial(_delete, office), ADMINISTRATORS),
    ]


def unit_of(visit: Visit) -> int:
    """Give the unit of a visit whose path has one."""
    if visit.unit_id is None:
        raise LookupError("This page is of no unit")
    return visit.unit_id


def unit_path(visit: Visit, *more: str, unit_id: int | None = None) -> str:
    """Make the path of a unit's page."""
    return path_of("p", place_of(visit), "units", unit_id or unit_of(visit), *more)


async def _list(office: Office, visit: Visit) -> web.Response:
    text = visit.request.query.get("q", "").strip()[:100]
    asked = pager(visit, PAGE_ROWS * 10**6, PAGE_ROWS).number
    async with office.database.reading() as session:
        found = await search_units(session, place_of(visit), text, asked)
        total = await units.unit_count(session, place_of(visit)) if text else found.count
    return await page(
        office,
        visit,
        "units.html",
        found=found,
        total=total,
        text=text,
        pages=Pager(found.count, found.number, PAGE_ROWS),
    )


async def _new(office: Office, visit: Visit) -> web.Response:
    async with office.database.reading() as session:
        place = await property_at(session, place_of(visit))
    return await _page_of_new(office, visit, Form({"language": place.language}))


async def _page_of_new(office: Office, visit: Visit, form: Form) -> web.Response:
    return await page(
        office,
        visit,
        "unit_new.html",
        status=form.status,
        form=form,
        languages=languages(visit.language),
    )


async def _make(office: Office, visit: Visit) -> web.Response:
    form = visit.form
    owner = NewPerson(
        name=form.get("name", ""),
        email=form.get("email", ""),
        number=form.get("number", ""),
        language=form.get("language", "nb"),
        role=Role.OWNER,
        is_invited=bool(form.get("email")),
    )
    try:
        async with office.database.writing() as session:
            unit = await units.add_unit(
                session, place_of(visit), form.get("label", ""), form.get("doorbell", "")
            )
            if owner.name or owner.email or owner.number:
                await add_person(session, unit, owner, office.now())
    except RefusedError as error:
        return await _page_of_new(office, visit, refused_form(visit, error))
    office.outbox.wake()
    said = "people.done.unit_made_invited" if owner.is_invited else "people.done.unit_made"
    if form.get("then") == "another":
        return done(path_of("p", place_of(visit), "units", "new"), said)
    return done(unit_path(visit, unit_id=unit.id), said)


async def _show(office: Office, visit: Visit) -> web.Response:
    return await show_unit(office, visit)


async def show_unit(
    office: Office,
    visit: Visit,
    *,
    label_form: Form | None = None,
    delete_form: Form | None = None,
) -> web.Response:
    """Show a unit's page; the forms are those that were refused."""
    async with office.database.reading() as session:
        unit = await unit_in(session, place_of(visit), unit_of(visit))
        people = await units.inhabitants(session, unit.id)
        waiting = await transfers.pending(session, unit.id)
        new_owner = await session.get(Account, waiting.new_owner_id) if waiting else None
        found = {
            "standings": await standings(session, [each.account for each in people]),
            "bell": await doorbell_of(session, unit.id),
            "only_here": await units.only_here(session, unit.id),
        }
    forms = label_form or Form({"label": unit.label}), delete_form or Form()
    return await page(
        office,
        visit,
        "unit.html",
        status=max(each.status for each in forms),
        unit=unit,
        people=people,
        transfer=waiting,
        new_owner=new_owner,
        label_form=forms[0],
        delete_form=forms[1],
        day=partial(day_words, visit.language),
        **found,
    )


async def _rename(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            unit = await unit_in(session, place_of(visit), unit_of(visit))
            await units.rename_unit(session, unit, visit.form.get("label", ""))
    except RefusedError as error:
        return await show_unit(office, visit, label_form=refused_form(visit, error))
    return done(unit_path(visit), "people.done.saved")


async def _delete(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            unit = await unit_in(session, place_of(visit), unit_of(visit))
            check_typed(visit, unit.label)
            await units.delete_unit(session, unit)
    except RefusedError as error:
        return await show_unit(office, visit, delete_form=refused_form(visit, error))
    await forget_bytes(office)
    return done(path_of("p", place_of(visit), "units"), "people.done.unit_deleted")


def check_typed(visit: Visit, wanted: str) -> None:
    """Refuse to delete what somebody has not typed the name of."""
    if visit.form.get("typed", "").casefold().split() != wanted.casefold().split():
        raise RefusedError("people.refused.typed", field="typed", label=wanted)


async def forget_bytes(office: Office) -> None:
    """Take what was deleted out of the database's files, too; a database that is busy does it later."""
    with suppress(StoreDownError):
        await office.database.forget_deleted()
