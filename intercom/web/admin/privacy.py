"""What is stored about a property and its people, for how long, and what others store; and the kind of it."""

from contextlib import suppress
from functools import partial

from aiohttp import web

from intercom.administration import event_log, privacy
from intercom.administration.places import property_at
from intercom.administration.stored import stored_for
from intercom.errors import RefusedError, StoreDownError
from intercom.routing.directory import PropertyKind
from intercom.store.models import Property
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, OPERATORS, Route


def routes(office: Office) -> list[Route]:
    """List the privacy page and what can be done there."""
    path = "/admin/p/{property}/privacy"
    residential = partial(_become, office, PropertyKind.RESIDENTIAL)
    commercial = partial(_become, office, PropertyKind.COMMERCIAL)
    return [
        Route("GET", path, partial(_show, office), ADMINISTRATORS),
        Route("POST", path + "/residential", residential, ADMINISTRATORS),
        Route("POST", path + "/commercial", commercial, OPERATORS),
    ]


async def _show(office: Office, visit: Visit) -> web.Response:
    return await _page(office, visit, Form())


async def _page(office: Office, visit: Visit, form: Form) -> web.Response:
    async with office.database.reading() as session:
        prop = await property_at(session, place_of(visit))
        kept_days = await _kept_days(office, prop)
    return await page(
        office,
        visit,
        "privacy.html",
        status=form.status,
        form=form,
        prop=prop,
        is_commercial=kept_days is not None,
        kept_days=kept_days or 0,
        lines=stored_for(prop.kind),
        path=path_of("p", prop.id, "privacy"),
    )


async def _kept_days(office: Office, prop: Property) -> int | None:
    if prop.kind is PropertyKind.RESIDENTIAL:
        return None
    async with office.database.reading() as session:
        return (await event_log.log_of(session, prop.id)).retention_days


async def _become(office: Office, kind: PropertyKind, visit: Visit) -> web.Response:
    typed_name = visit.form.get("typed_name", "")
    become = {
        PropertyKind.RESIDENTIAL: privacy.become_residential,
        PropertyKind.COMMERCIAL: privacy.become_commercial,
    }[kind]
    try:
        async with office.database.writing() as session:
            await become(session, await property_at(session, place_of(visit)), typed_name)
    except RefusedError as error:
        if not error.field:
            raise
        return await _page(office, visit, refused_form(visit, error))
    if kind is PropertyKind.RESIDENTIAL:
        with suppress(StoreDownError):  # it is deleted; its bytes go within the day
            await office.database.forget_deleted()
    return done(path_of("p", visit.property_id, "privacy"), f"privacy.done.{kind.value}")
