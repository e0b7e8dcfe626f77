"""Units and people from a file: uploaded or pasted, shown as what will change, then done or taken back."""

import asyncio
from functools import partial

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.entries import region_of_zone
from intercom.administration.places import number, property_at
from intercom.administration.roster import apply_plan, known_in
from intercom.administration.roster_file import MAX_BYTES, MAX_FAULTS, decoded, read_roster
from intercom.administration.roster_plan import Plan, plan_of
from intercom.administration.roster_undo import take_back, taking_of, undo_in, undos_of
from intercom.errors import RefusedError
from intercom.store.database import LONG_S
from intercom.texts import words
from intercom.web.admin.days import moment_words
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.units import forget_bytes
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, Route

_IMPORT = "/admin/p/{property}/import"
_SHOWN = 100
"""Lines of each kind in the preview; the rest is counted."""
_MAX_FORM_BYTES = 3 * MAX_BYTES
"""A pasted file grows where letters are written as %C3%B8."""


def routes(office: Office) -> list[Route]:
    """List the pages of imports."""
    return [
        Route("GET", _IMPORT, partial(_show, office), ADMINISTRATORS),
        Route("GET", _IMPORT + "/sample.csv", partial(_sample, office), ADMINISTRATORS),
        Route("POST", _IMPORT, partial(_preview, office), ADMINISTRATORS, _MAX_FORM_BYTES),
        Route("POST", _IMPORT + "/apply", partial(_apply, office), ADMINISTRATORS, _MAX_FORM_BYTES),
        Route("GET", _IMPORT + "/undo", partial(_ask_undo, office), ADMINISTRATORS),
        Route("POST", _IMPORT + "/undo", partial(_undo, office), ADMINISTRATORS),
    ]


async def _show(office: Office, visit: Visit) -> web.Response:
    return await _page(office, visit, Form())


async def _page(office: Office, visit: Visit, form: Form) -> web.Response:
    async with office.database.reading() as session:
        place = await property_at(session, place_of(visit))
        undos = await undos_of(session, place.id, office.now())
    return await page(
        office,
        visit,
        "import.html",
        status=form.status,
        form=form,
        undos=undos,
        moment=partial(moment_words, visit.language, place.time_zone),
    )


async def _sample(office: Office, visit: Visit) -> web.Response:
    """Give a file to start from, as Excel opens it."""
    del office
    text = "\ufeff" + words(visit.language, "people.import.sample")
    return web.Response(
        text=text,
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": 'attachment; filename="units.csv"'},
    )


async def _preview(office: Office, visit: Visit) -> web.Response:
    try:
        text = await asyncio.to_thread(_text_of, visit)
        async with office.database.reading(LONG_S) as session:
            plan = await _plan(session, visit, text)
    except RefusedError as error:
        return await _page(office, visit, refused_form(visit, error))
    return await _page_of_plan(office, visit, plan, text)


async def _page_of_plan(
    office: Office, visit: Visit, plan: Plan, text: str, *, is_another: bool = False
) -> web.Response:
    return await page(
        office,
        visit,
        "import_preview.html",
        status=422 if plan.faults else 200,
        plan=plan,
        text=text,
        shown=_SHOWN,
        most_faults=MAX_FAULTS,
        fault_words=lambda fault: words(visit.language, fault.key, **dict(fault.values)),
        mailable=sum(bool(each.email) for each in plan.new_people),
        is_another=is_another,
    )


def _text_of(visit: Visit) -> str:
    file = visit.files.get("file")
    if file is not None:
        content = file.file.read(MAX_BYTES + 1)
        if content:
            return decoded(content)
    return decoded(visit.form.get("text", "").encode())


async def _plan(session: AsyncSession, visit: Visit, text: str) -> Plan:
    place = await property_at(session, place_of(visit))
    known = await known_in(session, place.id)
    region = region_of_zone(place.time_zone)
    file = await asyncio.to_thread(read_roster, text, region)
    plan = await asyncio.to_thread(plan_of, file.rows, known)
    plan.faults = sorted([*file.faults, *plan.faults], key=lambda fault: fault.line)
    return plan


async def _apply(office: Office, visit: Visit) -> web.Response:
    """Do what was shown; where it would be something else by now, show that instead."""
    text = visit.form.get("text", "")
    is_inviting = visit.form.get("is_inviting") == "yes"
    async with office.database.writing(LONG_S) as session:
        plan = await _plan(session, visit, text)
        is_another = plan.mark != visit.form.get("mark") or bool(plan.faults)
        if not is_another:
            await apply_plan(session, place_of(visit), plan, office.now(), is_inviting=is_inviting)
    if is_another:
        return await _page_of_plan(office, visit, plan, text, is_another=True)
    office.outbox.wake()
    return done(path_of("p", place_of(visit), "import"), "people.done.imported")


async def _ask_undo(office: Office, visit: Visit) -> web.Response:
    undo_id = number(visit.request.query.get("import", ""))
    async with office.database.reading(LONG_S) as session:
        place = await property_at(session, place_of(visit))
        undo = await undo_in(session, place.id, undo_id, office.now())
        taking = await taking_of(session, undo)
    return await page(
        office,
        visit,
        "import_undo.html",
        undo=undo,
        taking=taking,
        shown=_SHOWN,
        moment=partial(moment_words, visit.language, place.time_zone),
    )


async def _undo(office: Office, visit: Visit) -> web.Response:
    undo_id = number(visit.form.get("import", ""))
    async with office.database.writing(LONG_S) as session:
        undo = await undo_in(session, place_of(visit), undo_id, office.now())
        await take_back(session, undo)
    await forget_bytes(office)
    return done(path_of("p", place_of(visit), "import"), "people.done.undone")
