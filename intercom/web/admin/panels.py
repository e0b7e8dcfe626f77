"""A property's panels: what each is, whether it is there now, what stands on its screen, its password."""

import heapq
from dataclasses import dataclass

from aiohttp import web

from intercom.administration import doors, panels, places
from intercom.administration.doors import DoorFacts
from intercom.administration.panels import PanelFacts
from intercom.administration.turns import Turns
from intercom.building.makes import MAKES
from intercom.errors import RefusedError
from intercom.routing.ids import DoorbellId, PanelId
from intercom.store.folding import in_order
from intercom.store.models import Door, Panel
from intercom.web.admin.doors import facts_of as door_facts_of
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.office import Office, PanelLive
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.visit import Visit
from intercom.web.rules import TECHNICIANS, Route

MAX_ENTRIES = 200
"""Of a screen, that are shown; how many there are is said."""
NAMES = {
    "open-intercom": "Open Intercom",
    "2n": "2N",
    "akuvox": "Akuvox",
    "doorbird": "DoorBird",
    "fanvil": "Fanvil",
    "grandstream": "Grandstream",
}
"""Makes as they write themselves, in the order of the list; "generic" comes last, by its words."""
USUAL = Form({"make": panels.OWN, "door": panels.NEW_DOOR, "pulse_s": "3", "relay_number": "1"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A name on a panel's screen."""

    name: str
    button: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """A panel in the list."""

    panel: Panel
    door: Door
    live: PanelLive | None

    @property
    def make(self) -> str:
        return NAMES.get(self.panel.document.get("make", ""), "")


def routes(office: Office) -> list[Route]:
    """List the pages of panels."""
    pages = _Pages(office)
    path = "/admin/p/{property}/panels"
    return [
        Route("GET", path, pages.index, TECHNICIANS),
        Route("GET", f"{path}/new", pages.new, TECHNICIANS),
        Route("POST", f"{path}/new", pages.make, TECHNICIANS),
        Route("GET", f"{path}/{{panel}}", pages.show, TECHNICIANS),
        Route("POST", f"{path}/{{panel}}", pages.change, TECHNICIANS),
        Route("POST", f"{path}/{{panel}}/password", pages.renew, TECHNICIANS),
        Route("POST", f"{path}/{{panel}}/delete", pages.delete, TECHNICIANS),
    ]


class _Pages:
    def __init__(self, office: Office) -> None:
        self._office = office

    async def index(self, visit: Visit) -> web.Response:
        """Show every panel with its state now."""
        async with self._office.database.reading() as session:
            found = await panels.panels_of(session, place_of(visit))
        listed = [Listed(panel, door, self._live(panel)) for panel, door in found]
        return await page(self._office, visit, "panels.html", listed=listed, since=since_of)

    async def new(self, visit: Visit) -> web.Response:
        """Show the form of a new entrance."""
        return await self._new_form(visit, USUAL)

    async def make(self, visit: Visit) -> web.Response:
        """Add a panel, with its door where that is new, and show its password this once."""
        form = visit.form
        door: DoorFacts | None = None
        if form.get("door", "") == panels.NEW_DOOR:
            door = door_facts_of(visit)
        facts = PanelFacts(make=form.get("make", ""), door_id=form.get("door", ""))
        try:
            async with self._office.database.writing() as session:
                made = await panels.make_panel(session, place_of(visit), facts, door)
        except RefusedError as error:
            return await self._new_form(visit, refused_form(visit, error))
        return await self._password(visit, made, is_new=True)

    async def show(self, visit: Visit) -> web.Response:
        """Show a panel: its state, its screen, its form."""
        return await self._page(visit)

    async def change(self, visit: Visit) -> web.Response:
        """Change a panel."""
        form = visit.form
        facts = PanelFacts(
            make=form.get("make", ""),
            door_id=form.get("door", ""),
            addresses=form.get("addresses", ""),
            early=form.get("early", ""),
            picture={
                "host": form.get("picture_host", ""),
                "username": form.get("picture_username", ""),
                "password": form.get("picture_password", ""),
            },
        )
        try:
            async with self._office.database.writing() as session:
                await panels.change_panel(session, place_of(visit), visit.at("panel"), facts)
        except RefusedError as error:
            return await self._page(visit, form=refused_form(visit, error))
        return done(path_of("p", visit.property_id, "panels"), "property.done.panel_saved")

    async def renew(self, visit: Visit) -> web.Response:
        """Give a panel another password and show it this once."""
        async with self._office.database.writing() as session:
            await panels.renew_password(session, place_of(visit), visit.at("panel"))
            panel = await places.panel_in(session, place_of(visit), visit.at("panel"))
        return await self._password(visit, panel, is_new=False)

    async def delete(self, visit: Visit) -> web.Response:
        """Delete a panel, and the doors that only it opens."""
        try:
            async with self._office.database.writing() as session:
                await panels.delete_panel(session, place_of(visit), visit.at("panel"))
        except RefusedError as error:
            return await self._page(visit, delete_form=refused_form(visit, error))
        return done(path_of("p", visit.property_id, "panels"), "property.done.panel_deleted")

    def _live(self, panel: Panel) -> PanelLive | None:
        return self._office.live.panel(panel.id)

    async def _new_form(self, visit: Visit, form: Form) -> web.Response:
        async with self._office.database.reading() as session:
            found = await doors.doors_of(session, place_of(visit))
        return await page(
            self._office,
            visit,
            "panel_new.html",
            status=form.status,
            form=form,
            makes=NAMES,
            doors=[(each.id, each.name) for each in found],
            http_makes=" ".join(doors.HTTP_MAKES),
        )

    async def _page(
        self, visit: Visit, *, form: Form | None = None, delete_form: Form | None = None
    ) -> web.Response:
        place = place_of(visit)
        async with self._office.database.reading() as session:
            panel = await places.panel_in(session, place, visit.at("panel"))
            found = await doors.doors_of(session, place)
            dead = await panels.opens_only(session, place, panel.id)
        entries, count = await self._entries(panel.id)
        door = next(each for each in found if each.id == panel.door_id)
        forms = form or _form_of(panel), delete_form or Form()
        return await page(
            self._office,
            visit,
            "panel.html",
            status=max(each.status for each in forms),
            listed=Listed(panel, door, self._live(panel)),
            since=since_of,
            ways=self._ways_of(visit, panel),
            entries=entries,
            count=count,
            form=forms[0],
            delete_form=forms[1],
            dead=", ".join(each.name for each in dead),
            doors=[(each.id, each.name) for each in found],
            makes=NAMES,
            picture_makes=" ".join(n for n, make in MAKES.items() if make.picture is not None),
        )

    async def _password(self, visit: Visit, panel: Panel, *, is_new: bool) -> web.Response:
        return await page(
            self._office,
            visit,
            "panel_password.html",
            panel=panel,
            make=NAMES.get(panel.document["make"], ""),
            is_own=panel.document["make"] == panels.OWN,
            password=panel.document["password"],
            ways=self._ways_of(visit, panel),
            is_new=is_new,
        )

    def _ways_of(self, visit: Visit, panel: Panel) -> list[tuple[str, str]]:
        """Give all but the password by which a panel finds and knows the service: words' name, text."""
        office = self._office
        ways = [("sip_server", office.sip_server), ("username", panel.id)]
        if panel.document.get("make") != panels.OWN:
            return ways
        origin = office.origin or f"{visit.request.scheme}://{visit.request.host}"
        return [("server", origin), ("key", office.panel_key), *ways]

    async def _entries(self, panel_id: str) -> tuple[list[Entry], int]:
        """List what stands on a panel now, by name, as much as is shown; and count all of it."""
        directory = self._office.directory()
        panel = directory.panels.get(PanelId(panel_id))
        found: list[tuple[str, str, int, Entry]] = []
        turns = Turns()
        turns.begin()
        for button in () if panel is None else panel.buttons:
            doorbell = directory.doorbells.get(DoorbellId(button.doorbell_id))
            if doorbell is not None:
                entry = Entry(doorbell.name, button.name, doorbell.group)
                order = in_order(entry.group or entry.name), in_order(entry.name)
                found.append((*order, len(found), entry))
            await turns.rest()
        return [entry for *_, entry in heapq.nsmallest(MAX_ENTRIES, found)], len(found)


def since_of(live: PanelLive | None) -> tuple[str, int]:
    """Say for how long a panel has been as it is: words' name and a number."""
    seconds = None if live is None else live.since_s
    if seconds is None:
        return "", 0
    for name, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return name, int(seconds // length)
    return "moment", 0


def _form_of(panel: Panel) -> Form:
    document = panel.document
    snapshot = document.get("snapshot") or {}
    return Form(
        {
            "make": document.get("make", "generic"),
            "door": panel.door_id,
            "addresses": ", ".join(document.get("allowed_addresses", ())),
            "early": (document.get("profile") or {}).get("early") or "",
            "picture_host": snapshot.get("url") or snapshot.get("host") or "",
            "picture_username": snapshot.get("username", ""),
        }
    )
