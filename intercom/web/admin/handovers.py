"""A unit to a new owner (D7) and its first one (D6): asked for, sent again, taken back."""

from functools import partial

from aiohttp import web
from sqlalchemy import func, select

from intercom.administration import accounts, activation, transfers
from intercom.administration.places import number, property_at, unit_in
from intercom.errors import RefusedError
from intercom.store.models import Transfer, Unit
from intercom.web.admin.days import day_words
from intercom.web.admin.forms import Form, place_of, refused_form
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.units import unit_of, unit_path
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, TECHNICIANS, Route

_TRANSFER = "/admin/p/{property}/units/{unit}/transfer"
_ACTIVATION = "/admin/p/{property}/activation"


def routes(office: Office) -> list[Route]:
    """List the pages of transfers, and the one where an installer registers an owner."""
    return [
        Route("GET", _TRANSFER, partial(_show, office), ADMINISTRATORS),
        Route("POST", _TRANSFER, partial(_ask, office), ADMINISTRATORS),
        Route("POST", _TRANSFER + "/again", partial(_again, office), ADMINISTRATORS),
        Route("POST", _TRANSFER + "/cancel", partial(_cancel, office), ADMINISTRATORS),
        Route("GET", _ACTIVATION, partial(_activation, office), TECHNICIANS),
        Route("POST", _ACTIVATION, partial(_register, office), TECHNICIANS),
        Route("POST", _ACTIVATION + "/again", partial(_send_again, office), TECHNICIANS),
    ]


async def _show(office: Office, visit: Visit) -> web.Response:
    return await _page(office, visit, Form())


async def _page(office: Office, visit: Visit, form: Form) -> web.Response:
    async with office.database.reading() as session:
        unit = await unit_in(session, place_of(visit), unit_of(visit))
    return await page(office, visit, "transfer.html", status=form.status, unit=unit, form=form)


async def _ask(office: Office, visit: Visit) -> web.Response:
    form = visit.form
    try:
        async with office.database.writing() as session:
            unit = await unit_in(session, place_of(visit), unit_of(visit))
            place = await property_at(session, place_of(visit))
            owner = await accounts.create(
                session,
                name=form.get("name", ""),
                email=accounts.checked_email(form.get("email", "")),
                language=place.language,
                today=office.now().date(),
            )
            await transfers.ask(session, unit, owner, office.now())
    except RefusedError as error:
        return await _page(office, visit, refused_form(visit, error))
    office.outbox.wake()
    return done(unit_path(visit), "people.done.transfer_asked")


async def _again(office: Office, visit: Visit) -> web.Response:
    async with office.database.writing() as session:
        unit = await unit_in(session, place_of(visit), unit_of(visit))
        await activation.send_again(session, unit, office.now())
    office.outbox.wake()
    return done(unit_path(visit), "people.done.transfer_asked")


async def _cancel(office: Office, visit: Visit) -> web.Response:
    async with office.database.writing() as session:
        unit = await unit_in(session, place_of(visit), unit_of(visit))
        await transfers.cancel(session, unit)
    return done(unit_path(visit), "people.done.transfer_cancelled")


async def _activation(office: Office, visit: Visit) -> web.Response:
    return await _page_of_activation(office, visit, Form())


async def _page_of_activation(office: Office, visit: Visit, form: Form) -> web.Response:
    """Show which units wait for their owner; an installer sees no people, not even here."""
    async with office.database.reading() as session:
        waiting = await session.execute(
            select(Unit.id, Unit.label, Transfer.asked_on)
            .join(Transfer, Transfer.unit_id == Unit.id)
            .where(Unit.property_id == place_of(visit), Unit.activated_on.is_(None))
            .order_by(Unit.ordered_label)
        )
        rows = [(unit_id, label, asked_on) for unit_id, label, asked_on in waiting.all()]
    return await page(
        office,
        visit,
        "activation.html",
        status=form.status,
        form=form,
        waiting=rows,
        day=partial(day_words, visit.language),
    )


async def _register(office: Office, visit: Visit) -> web.Response:
    form = visit.form
    label = form.get("label", "")
    try:
        async with office.database.writing() as session:
            unit = await session.scalar(
                select(Unit).where(
                    Unit.property_id == place_of(visit),
                    func.lower(Unit.label) == func.lower(label),
                )
            )
            if unit is None:
                raise RefusedError("people.activation.unknown", field="label", label=label)  # noqa: TRY301 - as every other refusal
            await activation.register(
                session,
                unit,
                name=form.get("name", ""),
                email=form.get("email", ""),
                now=office.now(),
            )
    except RefusedError as error:
        return await _page_of_activation(office, visit, refused_form(visit, error))
    office.outbox.wake()
    return done(path_of("p", place_of(visit), "activation"), "people.done.transfer_asked")


async def _send_again(office: Office, visit: Visit) -> web.Response:
    async with office.database.writing() as session:
        unit = await unit_in(session, place_of(visit), number(visit.form.get("unit", "")))
        if unit.activated_on is not None:
            raise RefusedError("account.unit_is_active")
        await activation.send_again(session, unit, office.now())
    office.outbox.wake()
    return done(path_of("p", place_of(visit), "activation"), "people.done.transfer_asked")
