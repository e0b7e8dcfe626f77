"""Properties: the list of them, a new one, and one's overview with its steps to the first ring."""

from dataclasses import dataclass
from functools import partial

from aiohttp import web

from intercom.administration import properties
from intercom.administration.properties import FirstSteps, PropertyFacts, PropertySummary
from intercom.errors import RefusedError
from intercom.store.kinds import Role
from intercom.web.admin.choices import languages, zones
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.visit import Visit
from intercom.web.rules import ANY_ACCOUNT, OPERATORS, TECHNICIANS, Route

USUAL = Form({"language": "nb", "time_zone": "Europe/Oslo", "open_keys": "5"})


def routes(office: Office) -> list[Route]:
    """List the pages of properties."""
    return [
        Route("GET", "/admin", partial(_list, office), ANY_ACCOUNT),
        Route("GET", "/admin/new", partial(_new, office), OPERATORS),
        Route("POST", "/admin/new", partial(_make, office), OPERATORS),
        Route("GET", "/admin/p/{property}", partial(_overview, office), TECHNICIANS),
    ]


@dataclass(frozen=True, slots=True)
class Listed:
    """A property in the list, with what is known of it now."""

    summary: PropertySummary
    online: int

    @property
    def panels(self) -> int:
        return len(self.summary.panel_ids)


async def _list(office: Office, visit: Visit) -> web.Response:
    own = visit.account.properties(Role.ADMINISTRATOR, Role.INSTALLER)
    only = None if visit.account.is_operator else own
    if only is not None and len(only) == 1:
        return done(path_of("p", *only))
    async with office.database.reading() as session:
        found = await properties.summaries(session, only)
    listed = [Listed(each, _online(office, each.panel_ids)) for each in found]
    return await page(office, visit, "properties.html", listed=listed)


async def _new(office: Office, visit: Visit) -> web.Response:
    return await _form_of_new(office, visit, USUAL)


async def _form_of_new(office: Office, visit: Visit, form: Form) -> web.Response:
    return await page(
        office,
        visit,
        "property_new.html",
        status=form.status,
        form=form,
        zones=zones(),
        languages=languages(visit.language),
    )


async def _make(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            made = await properties.make_property(
                session, facts_of(visit), visit.form.get("kind", ""), office.now().date()
            )
    except RefusedError as error:
        return await _form_of_new(office, visit, refused_form(visit, error))
    return done(path_of("p", made.id), "property.done.made")


async def _overview(office: Office, visit: Visit) -> web.Response:
    place = place_of(visit)
    async with office.database.reading() as session:
        found = (await properties.summaries(session, [place]))[0]
        steps = await properties.first_steps(session, place)
    online = _online(office, found.panel_ids)
    return await page(
        office,
        visit,
        "property.html",
        prop=found,
        online=online,
        steps=_steps(visit, steps, online),
        counts=steps,
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do on the way to the first ring."""

    name: str
    """Words: property.step.{name}."""
    is_done: bool
    href: str
    """Its one next action; empty: nobody here may do it, or not yet."""


def _steps(visit: Visit, have: FirstSteps, online: int) -> tuple[Step, ...]:
    place = visit.property_id
    may = visit.can(Role.ADMINISTRATOR)
    unit = have.first_unit
    to_person = path_of("p", place, "units", unit, "people", "new") if unit else ""
    return (
        Step("entrance", have.panels > 0, path_of("p", place, "panels", "new")),
        Step("online", online > 0, path_of("p", place, "panels")),
        Step("unit", have.units > 0, path_of("p", place, "units", "new") if may else ""),
        Step("person", have.has_person, to_person if may else ""),
        Step("ring", have.has_ringer and online > 0, ""),
    )


def facts_of(visit: Visit) -> PropertyFacts:
    """Read the form of a property."""
    form = visit.form
    return PropertyFacts(
        name=form.get("name", ""),
        address=form.get("address", ""),
        language=form.get("language", ""),
        time_zone=form.get("time_zone", ""),
        open_keys=form.get("open_keys", ""),
        has_keys_in_app=form.get("has_keys_in_app") == "yes",
        contact_email=form.get("contact_email", ""),
    )


def _online(office: Office, panel_ids: tuple[str, ...]) -> int:
    states = (office.live.panel(each) for each in panel_ids)
    return sum(each is not None and each.is_online for each in states)
