"""The event log of a commercial property: filter, CSV, and for how long it is kept.

A residential property has no log, so each of these addresses is one that does not exist there.
"""

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from babel.dates import format_date

from intercom.administration import event_log
from intercom.administration.event_log import Filter, ShownLine
from intercom.administration.places import property_at
from intercom.errors import RefusedError, StoreDownError
from intercom.routing.log_line import What
from intercom.texts import words
from intercom.web.admin.forms import Form, pager, place_of, refused_form
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, Route

LOCALES = {"nb": "nb_NO", "nn": "nn_NO", "en": "en_GB", "sv": "sv_SE"}
_FIELDS = ("q", "what", "door", "from", "to")
_BYTE_ORDER_MARK = "\ufeff"
"""By which Excel knows that a file is UTF-8."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""With what a spreadsheet takes a cell for a formula (OWASP, CSV injection)."""
_COLUMNS = ("time", "what", "name", "username", "door", "doorbell", "means", "call", "id")


def routes(office: Office) -> list[Route]:
    """List the pages of the event log."""
    path = "/admin/p/{property}/log"
    return [
        Route("GET", path, partial(_list, office), ADMINISTRATORS),
        Route("GET", path + ".csv", partial(_csv, office), ADMINISTRATORS),
        Route("POST", path + "/retention", partial(_set_retention, office), ADMINISTRATORS),
    ]


@dataclass(frozen=True, slots=True)
class Day:
    """The lines of one day, the newest first."""

    name: str
    lines: tuple[ShownLine, ...]


async def _list(office: Office, visit: Visit) -> web.Response:
    return await _page(office, visit, Form())


async def _page(office: Office, visit: Visit, form: Form) -> web.Response:
    asked = {name: visit.request.query.get(name, "").strip() for name in _FIELDS}
    wanted = _filter(asked)
    async with office.database.reading() as session:
        found = await event_log.log_of(session, place_of(visit))
        zone = ZoneInfo((await property_at(session, place_of(visit))).time_zone)
        pages = pager(visit, await event_log.count_lines(session, found, wanted, zone))
        lines = await event_log.lines_of(
            session, found, wanted, zone, offset=pages.offset, limit=pages.size
        )
        doors = await event_log.door_names(session, found)
    keep = urlencode({name: value for name, value in asked.items() if value})
    path = path_of("p", visit.property_id, "log")
    return await page(
        office,
        visit,
        "log.html",
        status=form.status,
        days=_days(lines, visit.language),
        pages=pages,
        keep=keep,
        asked=Form(asked),
        is_filtered=bool(keep),
        doors=doors,
        whats=list(What),
        path=path,
        csv_path=f"{path}.csv?{keep}" if keep else f"{path}.csv",
        retention=Form({"days": str(found.retention_days)}) if not form.faults else form,
        kept_days=found.retention_days,
    )


async def _set_retention(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            gone = await event_log.set_retention(
                session, place_of(visit), visit.form.get("days", ""), office.now()
            )
    except RefusedError as error:
        if not error.field:
            raise
        return await _page(office, visit, refused_form(visit, error))
    if gone:
        with suppress(StoreDownError):  # it is deleted; its bytes go within the day
            await office.database.forget_deleted()
    return done(path_of("p", visit.property_id, "log"), "privacy.done.retention")


async def _csv(office: Office, visit: Visit) -> web.StreamResponse:
    wanted = _filter({name: visit.request.query.get(name, "").strip() for name in _FIELDS})
    async with office.database.reading() as session:
        found = await event_log.log_of(session, place_of(visit))
        zone = ZoneInfo((await property_at(session, place_of(visit))).time_zone)
    name = f"{visit.property_id}-{office.now().astimezone(zone):%Y-%m-%d}.csv"
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(visit.request)
    heads = (words(visit.language, f"privacy.csv.{each}") for each in _COLUMNS)
    await response.write((_BYTE_ORDER_MARK + _written([heads])).encode())
    try:
        async for lines in event_log.all_lines(office.database, found.id, wanted, zone):
            rows = (_cells(each, visit.language) for each in lines)
            await response.write(_written(rows).encode())
    except StoreDownError:  # in the midst of the file: the browser sees that it is not whole
        if visit.request.transport is not None:
            visit.request.transport.abort()
        return response
    await response.write_eof()
    return response


def _filter(asked: dict[str, str]) -> Filter:
    whats = {each.value: each for each in What}
    return Filter(
        first_day=_day(asked["from"]),
        last_day=_day(asked["to"]),
        what=whats.get(asked["what"]),
        door=asked["door"],
        person=asked["q"][:64],
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _days(lines: Iterable[ShownLine], language: str) -> list[Day]:
    return [
        Day(_first_large(format_date(day, "full", LOCALES[language])), tuple(of_day))
        for day, of_day in groupby(lines, key=lambda line: line.at.date())
    ]


def _first_large(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cells(line: ShownLine, language: str) -> tuple[str, ...]:
    return (
        line.at.isoformat(timespec="milliseconds"),
        words(language, f"privacy.what.{line.what.value}"),
        line.name,
        line.username,
        line.door,
        line.doorbell,
        words(language, f"privacy.means.{line.means}") if line.means else "",
        line.call,
        line.line_id,
    )


def _written(rows: Iterable[Iterable[str]]) -> str:
    """Write rows as spreadsheets of the Nordic countries read them: semicolons, no cell a formula."""
    written = io.StringIO()
    csv.writer(written, delimiter=";").writerows([_harmless(cell) for cell in row] for row in rows)
    return written.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
