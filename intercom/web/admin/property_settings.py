"""A property's settings: what it is called, its quiet hours, its end."""

from functools import partial

from aiohttp import web

from intercom.administration import places, properties, quiet
from intercom.administration.apart import write_apart
from intercom.administration.quiet import QuietFacts
from intercom.errors import RefusedError
from intercom.store.models import Property
from intercom.web.admin.choices import languages, zones
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.hours import DAY_FIELDS, days_from, days_words, hours_words
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.properties import facts_of
from intercom.web.admin.units import forget_bytes
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, OPERATORS, Route

USUAL_QUIET = Form({"start": "22:00", "end": "07:00", "mode": "say-so", **DAY_FIELDS})


def routes(office: Office) -> list[Route]:
    """List the settings' page and its forms."""
    path = "/admin/p/{property}"
    return [
        Route("GET", f"{path}/settings", partial(_settings, office), ADMINISTRATORS),
        Route("POST", f"{path}/settings", partial(_change, office), ADMINISTRATORS),
        Route("POST", f"{path}/settings/quiet", partial(_add_quiet, office), ADMINISTRATORS),
        Route("POST", f"{path}/settings/quiet/end", partial(_end_quiet, office), ADMINISTRATORS),
        Route("POST", f"{path}/settings/delete", partial(_delete, office), OPERATORS),
    ]


async def _settings(office: Office, visit: Visit) -> web.Response:
    return await _page(office, visit)


async def _page(
    office: Office,
    visit: Visit,
    *,
    form: Form | None = None,
    quiet_form: Form = USUAL_QUIET,
    delete_form: Form | None = None,
) -> web.Response:
    async with office.database.reading() as session:
        found = await places.property_at(session, place_of(visit))
        hours = await quiet.of_property(session, found.id)
    forms = (form or _form_of(found), quiet_form, delete_form or Form())
    return await page(
        office,
        visit,
        "property_settings.html",
        status=max(each.status for each in forms),
        prop=found,
        form=forms[0],
        quiet_form=forms[1],
        delete_form=forms[2],
        hours=hours,
        days_words=partial(days_words, visit.language),
        hours_words=partial(hours_words, visit.language),
        zones=zones(),
        languages=languages(visit.language),
    )


async def _change(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            await properties.change_property(session, place_of(visit), facts_of(visit))
    except RefusedError as error:
        return await _page(office, visit, form=refused_form(visit, error))
    return _back(visit, "property.done.saved")


async def _add_quiet(office: Office, visit: Visit) -> web.Response:
    form = visit.form
    facts = QuietFacts(
        days_from(form), form.get("start", ""), form.get("end", ""), form.get("mode", "")
    )
    try:
        async with office.database.writing() as session:
            await quiet.add_quiet(session, facts, property_id=place_of(visit))
    except RefusedError as error:
        return await _page(office, visit, quiet_form=refused_form(visit, error))
    return _back(visit, "property.done.quiet_added")


async def _end_quiet(office: Office, visit: Visit) -> web.Response:
    async with office.database.writing() as session:
        await quiet.end_quiet(
            session, places.number(visit.form.get("quiet", "")), property_id=place_of(visit)
        )
    return _back(visit, "property.done.quiet_ended")


async def _delete(office: Office, visit: Visit) -> web.Response:
    try:
        await write_apart(
            office.database,
            properties.delete_property,
            place_of(visit),
            visit.form.get("typed_name", ""),
        )
    except RefusedError as error:
        return await _page(office, visit, delete_form=refused_form(visit, error))
    await forget_bytes(office)
    return done("/admin", "property.done.deleted")


def _back(visit: Visit, key: str) -> web.Response:
    return done(path_of("p", visit.property_id, "settings"), key)


def _form_of(found: Property) -> Form:
    return Form(
        {
            "name": found.name,
            "address": found.address,
            "language": found.language,
            "time_zone": found.time_zone,
            "open_keys": found.open_keys,
            "contact_email": found.contact_email or "",
            "has_keys_in_app": "yes" if found.has_keys_in_app else "",
        }
    )
