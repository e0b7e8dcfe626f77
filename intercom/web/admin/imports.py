"""Units and people from a file: uploaded or pasted, shown as what will change, then done or taken back."""

import asyncio
from functools import partial

from aiohttp import web

from intercom.administration.apart import read_apart, write_apart
from intercom.administration.places import number, property_at
from intercom.administration.roster_file import MAX_BYTES, decoded
from intercom.administration.roster_undo import undos_of
from intercom.administration.roster_work import (
    Preview,
    ask_undo,
    import_file,
    preview,
    undo_import,
)
from intercom.errors import RefusedError
from intercom.texts import words
from intercom.web.admin.days import moment_words
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.units import forget_bytes
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, Route

_IMPORT = "/admin/p/{property}/import"
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
        content = await asyncio.to_thread(_content_of, visit)
        plan = await read_apart(office.database, preview, place_of(visit), content)
        text = await asyncio.to_thread(decoded, content)
    except RefusedError as error:
        return await _page(office, visit, refused_form(visit, error))
    return await _page_of_plan(office, visit, plan, text)


async def _page_of_plan(
    office: Office, visit: Visit, plan: Preview, text: str, *, is_another: bool = False
) -> web.Response:
    return await page(
        office,
        visit,
        "import_preview.html",
        status=422 if plan.faults else 200,
        plan=plan,
        text=text,
        fault_words=lambda fault: words(visit.language, fault.key, **dict(fault.values)),
        is_another=is_another,
    )


def _content_of(visit: Visit) -> bytes:
    file = visit.files.get("file")
    content: bytes = file.file.read(MAX_BYTES + 1) if file is not None else b""
    return content or visit.form.get("text", "").encode()


async def _apply(office: Office, visit: Visit) -> web.Response:
    """Do what was shown; where it would be something else by now, show that instead."""
    text = visit.form.get("text", "")
    another = await write_apart(
        office.database,
        import_file,
        place_of(visit),
        text.encode(),
        mark=visit.form.get("mark", ""),
        now=office.now(),
        is_inviting=visit.form.get("is_inviting") == "yes",
    )
    if another is not None:
        return await _page_of_plan(office, visit, another, text, is_another=True)
    office.outbox.wake()
    return done(path_of("p", place_of(visit), "import"), "people.done.imported")


async def _ask_undo(office: Office, visit: Visit) -> web.Response:
    undo_id = number(visit.request.query.get("import", ""))
    async with office.database.reading() as session:
        place = await property_at(session, place_of(visit))
    taking = await read_apart(office.database, ask_undo, place.id, undo_id, office.now())
    return await page(
        office,
        visit,
        "import_undo.html",
        taking=taking,
        moment=partial(moment_words, visit.language, place.time_zone),
    )


async def _undo(office: Office, visit: Visit) -> web.Response:
    undo_id = number(visit.form.get("import", ""))
    await write_apart(office.database, undo_import, place_of(visit), undo_id, office.now())
    await forget_bytes(office)
    return done(path_of("p", place_of(visit), "import"), "people.done.undone")
