"""A property's doors: what opens each, and a test that pulses it and says what was measured."""

from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic
from zoneinfo import ZoneInfo

from aiohttp import web
from babel.numbers import format_decimal

from intercom.administration import doors, panels, places
from intercom.administration.doors import DoorFacts
from intercom.errors import RefusedError
from intercom.ports import RelayOutcome, RelayResult
from intercom.routing.ids import DoorId, ResidentId
from intercom.store.models import Door, Panel
from intercom.texts import words
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.visit import Visit
from intercom.web.rules import TECHNICIANS, Route

MAX_TESTS = 1000
RELAY_FIELDS = (
    "driver", "panel", "host", "scheme", "url", "method", "authentication", "username", "password",
    "code", "expected_text",
)  # fmt: skip
USUAL = Form({"pulse_s": "3", "driver": doors.PANEL_LINK, "relay_number": "1", "scheme": "https"})


@dataclass(frozen=True, slots=True)
class Test:
    """The last test of a door; it is kept in memory alone."""

    result: RelayResult
    elapsed_ms: int
    """From the command to what was measured or answered."""
    at: datetime
    is_confirmed: bool | None = None
    """What the person said who looked at the door; None: nothing yet."""


def routes(office: Office) -> list[Route]:
    """List the pages of doors."""
    pages = _Pages(office)
    path = "/admin/p/{property}/doors"
    return [
        Route("GET", path, pages.index, TECHNICIANS),
        Route("GET", f"{path}/new", pages.new, TECHNICIANS),
        Route("POST", f"{path}/new", pages.make, TECHNICIANS),
        Route("GET", f"{path}/{{door}}", pages.show, TECHNICIANS),
        Route("POST", f"{path}/{{door}}", pages.change, TECHNICIANS),
        Route("POST", f"{path}/{{door}}/test", pages.test, TECHNICIANS),
        Route("POST", f"{path}/{{door}}/tested", pages.tested, TECHNICIANS),
        Route("POST", f"{path}/{{door}}/delete", pages.delete, TECHNICIANS),
    ]


class _Pages:
    def __init__(self, office: Office) -> None:
        self._office = office
        self._tests: dict[str, Test] = {}

    async def index(self, visit: Visit) -> web.Response:
        """Show every door with its last test."""
        async with self._office.database.reading() as session:
            prop = await places.property_at(session, place_of(visit))
            found = await doors.doors_of(session, prop.id)
            beside = await panels.panels_of(session, prop.id)
        zone = ZoneInfo(prop.time_zone)
        return await page(
            self._office,
            visit,
            "doors.html",
            doors=found,
            tests={each.id: self._tests.get(each.id) for each in found},
            relay_of=doors.relay_of,
            seconds_of=lambda ms: format_decimal(ms / 1000, locale=visit.language),
            panel_beside={door.id: panel.id for panel, door in beside},
            clock_of=lambda at: at.astimezone(zone).strftime("%H:%M:%S"),
        )

    async def new(self, visit: Visit) -> web.Response:
        """Show an empty form."""
        return await self._form(visit, USUAL)

    async def make(self, visit: Visit) -> web.Response:
        """Add a door."""
        try:
            async with self._office.database.writing() as session:
                await doors.make_door(session, place_of(visit), facts_of(visit))
        except RefusedError as error:
            return await self._form(visit, refused_form(visit, error))
        return done(path_of("p", visit.property_id, "doors"), "property.done.door_made")

    async def show(self, visit: Visit) -> web.Response:
        """Show a door's form."""
        async with self._office.database.reading() as session:
            door = await places.door_in(session, place_of(visit), visit.at("door"))
        return await self._form(visit, _form_of(door), door)

    async def change(self, visit: Visit) -> web.Response:
        """Change a door."""
        try:
            async with self._office.database.writing() as session:
                await doors.change_door(session, place_of(visit), visit.at("door"), facts_of(visit))
        except RefusedError as error:
            return await self._again(visit, refused_form(visit, error))
        return done(path_of("p", visit.property_id, "doors"), "property.done.door_saved")

    async def delete(self, visit: Visit) -> web.Response:
        """Delete a door."""
        try:
            async with self._office.database.writing() as session:
                await doors.delete_door(session, place_of(visit), visit.at("door"))
        except RefusedError as error:
            return await self._again(visit, None, refused_form(visit, error))
        self._tests.pop(visit.at("door"), None)
        return done(path_of("p", visit.property_id, "doors"), "property.done.door_deleted")

    async def test(self, visit: Visit) -> web.Response:
        """Pulse a door's relay once and keep what was measured for the list."""
        door_id = visit.at("door")
        begun = monotonic()
        try:
            by = ResidentId(visit.account.username)
            result = await self._office.relay_test(DoorId(door_id), by)
        except KeyError:  # made a moment ago, or its way of opening is wrong
            result = RelayResult(RelayOutcome.FAILED, "")
        elapsed_ms = round((monotonic() - begun) * 1000)
        while len(self._tests) >= MAX_TESTS:
            self._tests.pop(next(iter(self._tests)))
        self._tests[door_id] = Test(result, elapsed_ms, self._office.now())
        return _to_row(visit)

    async def tested(self, visit: Visit) -> web.Response:
        """Take what the person says who looked at the door."""
        test = self._tests.get(visit.at("door"))
        if test is not None:
            is_open = visit.form.get("is_open") == "yes"
            self._tests[visit.at("door")] = replace(test, is_confirmed=is_open)
        return _to_row(visit)

    async def _again(
        self, visit: Visit, form: Form | None, delete_form: Form | None = None
    ) -> web.Response:
        async with self._office.database.reading() as session:
            door = await places.door_in(session, place_of(visit), visit.at("door"))
        return await self._form(visit, form or _form_of(door), door, delete_form)

    async def _form(
        self,
        visit: Visit,
        form: Form,
        door: Door | None = None,
        delete_form: Form | None = None,
    ) -> web.Response:
        async with self._office.database.reading() as session:
            beside = await panels.panels_of(session, place_of(visit))
        return await page(
            self._office,
            visit,
            "door.html",
            status=max(form.status, delete_form.status if delete_form else 0),
            form=form,
            delete_form=delete_form or Form(),
            door=door,
            panels=[(panel.id, f"{at.name} ({panel.id})") for panel, at in beside],
            panel=_panel_at(beside, door),
            drivers=[
                (each, words(visit.language, f"property.driver.{each}")) for each in doors.DRIVERS
            ],
            http_makes=" ".join(doors.HTTP_MAKES),
        )


def facts_of(visit: Visit) -> DoorFacts:
    """Read a door's form."""
    form = visit.form
    relay = {name: form[name] for name in RELAY_FIELDS if name in form}
    relay["relay"] = form.get("relay_number", "")
    return DoorFacts(form.get("name", ""), form.get("pulse_s", ""), relay)


def _form_of(door: Door) -> Form:
    relay = doors.relay_of(door)
    values = {name: str(relay[name]) for name in RELAY_FIELDS if name in relay}
    for secret in ("password", "code"):  # never shown again
        values.pop(secret, None)
    values["relay_number"] = str(relay.get("relay", 1))
    values["name"], values["pulse_s"] = door.name, f"{door.pulse_ms / 1000:g}"
    return Form({"driver": doors.PANEL_LINK, "scheme": "https"} | values)


def _panel_at(beside: list[tuple[Panel, Door]], door: Door | None) -> str:
    return next((panel.id for panel, at in beside if door is not None and at.id == door.id), "")


def _to_row(visit: Visit) -> web.Response:
    location = f"{path_of('p', visit.property_id, 'doors')}#d-{visit.at('door')}"
    return web.Response(status=303, headers={"Location": location})
