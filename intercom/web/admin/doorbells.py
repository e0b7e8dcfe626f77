"""A unit's doorbell: how it stands on the panels, whom it rings in which order, when it is quiet."""

from functools import partial

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import quiet
from intercom.administration.doorbells import (
    Face,
    add_member,
    change_face,
    doorbell_of,
    hide_member,
    make_doorbell,
    move_member,
    remove_member,
)
from intercom.administration.people import is_left
from intercom.administration.places import account_in, number, unit_in
from intercom.administration.quiet import QuietFacts
from intercom.administration.units import inhabitants
from intercom.errors import RefusedError
from intercom.store.kinds import Layout
from intercom.store.models import Doorbell
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.hours import days_from, days_words, hours_words
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page
from intercom.web.admin.property_settings import USUAL_QUIET
from intercom.web.admin.units import unit_of, unit_path
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, Route

_BELL = "/admin/p/{property}/units/{unit}/doorbell"


def routes(office: Office) -> list[Route]:
    """List the page of a doorbell and its forms."""
    return [
        Route("GET", _BELL, partial(_show, office), ADMINISTRATORS),
        Route("POST", _BELL, partial(_change, office), ADMINISTRATORS),
        Route("POST", _BELL + "/members", partial(_change_members, office), ADMINISTRATORS),
        Route("POST", _BELL + "/quiet", partial(_add_quiet, office), ADMINISTRATORS),
        Route("POST", _BELL + "/quiet/end", partial(_end_quiet, office), ADMINISTRATORS),
    ]


async def _show(office: Office, visit: Visit) -> web.Response:
    return await _page(office, visit)


async def _page(
    office: Office, visit: Visit, *, form: Form | None = None, quiet_form: Form = USUAL_QUIET
) -> web.Response:
    async with office.database.reading() as session:
        unit = await unit_in(session, place_of(visit), unit_of(visit))
        bell = await doorbell_of(session, unit.id)
        people = await inhabitants(session, unit.id)
        hours = await quiet.of_doorbell(session, bell.id) if bell else []
    rung = {each.account_id for each in bell.members} if bell else set()
    form = form or (
        _form_of(bell)
        if bell and not is_left(bell, unit)
        else Form({"layout": "parallel", "step_s": "25"})
    )
    return await page(
        office,
        visit,
        "doorbell.html",
        status=max(form.status, quiet_form.status),
        unit=unit,
        bell=bell,
        not_rung=[each for each in people if each.account.id not in rung],
        form=form,
        quiet_form=quiet_form,
        hours=hours,
        days_words=partial(days_words, visit.language),
        hours_words=partial(hours_words, visit.language),
    )


def _form_of(bell: Doorbell) -> Form:
    return Form(
        {
            "name": bell.name,
            "layout": bell.layout.value,
            "step_s": f"{bell.step_s:g}",
            "is_hidden": "yes" if bell.is_hidden else "",
        }
    )


async def _change(office: Office, visit: Visit) -> web.Response:
    try:
        face = _face_of(visit)
        async with office.database.writing() as session:
            await change_face(session, await _bell(session, visit, face.name), face)
    except RefusedError as error:
        return await _page(office, visit, form=refused_form(visit, error))
    return done(unit_path(visit, "doorbell"), "people.done.doorbell_saved")


def _face_of(visit: Visit) -> Face:
    form = visit.form
    try:
        layout = Layout(form.get("layout", ""))
    except ValueError:
        raise RefusedError("people.refused.layout", field="layout") from None
    try:
        step_s = float(form.get("step_s", "").replace(",", ".") or 25)
    except ValueError:
        raise RefusedError("people.refused.step", field="step_s", least=20, most=30) from None
    return Face(form.get("name", ""), layout, form.get("is_hidden") == "yes", step_s)


async def _change_members(office: Office, visit: Visit) -> web.Response:
    account_id = number(visit.form.get("account", ""))
    async with office.database.writing() as session:
        account = await account_in(session, place_of(visit), account_id)
        bell = await _bell(session, visit, account.name)
        match visit.form.get("do"):
            case "up":
                move_member(bell, account_id, -1)
            case "down":
                move_member(bell, account_id, 1)
            case "hide" | "show" as do:
                hide_member(bell, account_id, is_hidden=do == "hide")
            case "remove":
                await remove_member(session, bell, account_id)
            case "ring":
                here = {each.account.id for each in await inhabitants(session, unit_of(visit))}
                if account_id in here:
                    await add_member(session, bell, account)
            case _:
                raise RefusedError("admin.not_there")
    return done(unit_path(visit, "doorbell"), "people.done.doorbell_saved")


async def _add_quiet(office: Office, visit: Visit) -> web.Response:
    form = visit.form
    facts = QuietFacts(
        days_from(form), form.get("start", ""), form.get("end", ""), form.get("mode", "")
    )
    try:
        async with office.database.writing() as session:
            bell = await _bell(session, visit)
            await quiet.add_quiet(session, facts, doorbell_id=bell.id)
    except RefusedError as error:
        return await _page(office, visit, quiet_form=refused_form(visit, error))
    return done(unit_path(visit, "doorbell"), "property.done.quiet_added")


async def _end_quiet(office: Office, visit: Visit) -> web.Response:
    async with office.database.writing() as session:
        bell = await _bell(session, visit)
        await quiet.end_quiet(session, number(visit.form.get("quiet", "")), doorbell_id=bell.id)
    return done(unit_path(visit, "doorbell"), "property.done.quiet_ended")


async def _bell(session: AsyncSession, visit: Visit, name: str = "") -> Doorbell:
    """Find the unit's doorbell; with a name make it where there is none."""
    unit = await unit_in(session, place_of(visit), unit_of(visit))
    bell = await doorbell_of(session, unit.id)
    if bell is None and name.strip():
        bell = await make_doorbell(session, unit, name)
    if bell is None:
        raise RefusedError("people.refused.empty", field="name")
    return bell
