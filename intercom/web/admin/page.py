"""How a page is made: a template of `templates/`, the frame around it, and the ways on from a form.

A page module looks like this; `doors.py` and `doors.html` are the ones to copy:

    def routes(office: Office) -> list[Route]:
        return [Route("GET", "/admin/p/{property}/doors", partial(_list, office), TECHNICIANS), ...]

    async def _list(office: Office, visit: Visit) -> web.Response:
        async with office.database.reading() as session:
            found = await doors.doors_of(session, visit.property_id)
        return await page(office, visit, "doors.html", doors=found)

A handler that saves catches RefusedError and shows its form again by `refused_form` with status 422; else it
ends in `done`. It does not catch StoreDownError: `faults.py` makes the page that sends the form once more.
In templates `t("room.key", name=...)` gives words, `icon("name")` a picture, `visit` is the visit.
"""

import hashlib
import re
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlencode

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from intercom.texts import catalogue, words
from intercom.web.admin.forms import Form
from intercom.web.admin.frame import Frame, load_frame
from intercom.web.admin.office import Office
from intercom.web.admin.visit import Visit

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"
_DONE = re.compile(r"[a-z_]+(\.[a-z_]+)*\.done\.[a-z_]+")
_NO_FORM = Form()


async def page(
    office: Office, visit: Visit, template: str, *, status: int = HTTPStatus.OK, **values: object
) -> web.Response:
    """Show a page in Webadmin's frame; `form` is an empty one unless it is given."""
    frame = await load_frame(office.database, visit)
    return bare_page(visit.language, template, status=status, visit=visit, frame=frame, **values)


def bare_page(
    language: str,
    template: str,
    *,
    status: int = HTTPStatus.OK,
    visit: Visit | None = None,
    frame: Frame | None = None,
    **values: object,
) -> web.Response:
    """Show a page without the database: log-in and errors (their templates extend bare.html)."""
    text = (
        _environment()
        .get_template(template)
        .render(
            {"form": _NO_FORM, **values},
            visit=visit,
            frame=frame,
            language=language,
            t=partial(words, language),
            done=_done_words(visit),
        )
    )
    return web.Response(
        text=text,
        status=status,
        content_type="text/html",
        headers={"Cache-Control": "no-store"},
    )


def done(path: str, key: str = "", **query: str) -> web.Response:
    """Go on to another page after a form was saved, which says so: `key` is like "property.done.saved"."""
    if key:
        query["done"] = key
    location = f"{path}?{urlencode(query)}" if query else path
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


def path_of(*parts: object) -> str:
    """Make a path of Webadmin: of "p", "storgata" and "doors" /admin/p/storgata/doors."""
    return "/".join(("/admin", *(quote(str(part), safe="") for part in parts)))


def _done_words(visit: Visit | None) -> str:
    """Give the words for ?done=; only such as were meant for it."""
    key = "" if visit is None else visit.request.query.get("done", "")
    if visit is None or not _DONE.fullmatch(key):
        return ""
    return catalogue(key.partition(".")[0], visit.language).get(key, "")


def prepare_templates() -> None:
    """Compile every template, which takes up to 60 ms each: before calls are taken."""
    environment = _environment()
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.globals.update(icon=icon, asset=asset, path_of=path_of)
    return environment


def icon(name: str) -> Markup:
    """Give one of `static/icons.svg` as an inline picture in the colour and size of its text."""
    return Markup(  # noqa: S704 - our own file's
        '<svg class="i" aria-hidden="true" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        f' stroke-width="2" stroke-linecap="round" stroke-linejoin="round">{_icons()[name]}</svg>'
    )


@cache
def _icons() -> dict[str, str]:
    sprite = (STATIC / "icons.svg").read_text("utf-8")
    return dict(re.findall(r'<symbol id="([a-z0-9-]+)"[^>]*>(.*?)</symbol>', sprite))


@cache
def asset(name: str) -> str:
    """Give a file's address; it changes with the file, so browsers may keep it for good."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/admin/static/{name}?v={digest}"
