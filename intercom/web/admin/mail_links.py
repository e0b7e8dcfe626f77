"""Where links in mails lead: setting a password, confirming a transfer or an activation.

Looking at such a page changes nothing: mail programs open links by themselves. Only its form does.
"""

import asyncio
from functools import partial

from aiohttp import web

from intercom.administration import credentials, tokens, transfers
from intercom.administration.credentials import Holder
from intercom.errors import RefusedError
from intercom.store.kinds import TokenPurpose
from intercom.store.models import Property, Unit
from intercom.web.admin.forms import Form, refused_form, words_of
from intercom.web.admin.gate import Gate
from intercom.web.admin.office import Office
from intercom.web.admin.page import bare_page, done
from intercom.web.admin.visit import Visit
from intercom.web.passwords import hash_password
from intercom.web.rules import ANYBODY, Route

PASSWORD = "/admin/password/{token}"  # noqa: S105 - a path, no secret
CONFIRM = "/admin/confirm/{token}"


def routes(office: Office, gate: Gate) -> list[Route]:
    """List the pages behind links in mails."""
    return [
        Route("GET", PASSWORD, partial(_show_password, office), ANYBODY),
        Route("POST", PASSWORD, partial(_set_password, office, gate), ANYBODY),
        Route("GET", CONFIRM, partial(_show_confirm, office), ANYBODY),
        Route("POST", CONFIRM, partial(_confirm, office, gate), ANYBODY),
    ]


async def _show_password(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.reading() as session:
            holder = await credentials.holder(session, visit.at("token"), office.now())
    except RefusedError as error:
        return _over(visit, error)
    return _password_page(visit, holder)


async def _set_password(office: Office, gate: Gate, visit: Visit) -> web.Response:
    try:
        async with office.database.reading() as session:
            holder = await credentials.holder(session, visit.at("token"), office.now())
    except RefusedError as error:
        return _over(visit, error)
    try:
        password = new_password(visit, holder.username)
    except RefusedError as error:
        return _password_page(visit, holder, error)
    password_hash = await asyncio.to_thread(hash_password, password)
    try:
        async with office.database.writing() as session:
            await credentials.set_by_link(session, visit.at("token"), password_hash, office.now())
    except RefusedError as error:
        return _over(visit, error)
    gate.sessions.end(holder.account_id)
    office.logins.end(holder.username)
    return bare_page(
        holder.language,
        "password.html",
        visit=visit,
        username=holder.username,
        is_set=True,
        is_staff=holder.is_staff,
    )


async def _show_confirm(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.reading() as session:
            _, unit = await transfers.waiting_for(session, visit.at("token"), office.now())
            place = await session.get_one(Property, unit.property_id)
    except RefusedError as error:
        return _over(visit, error)
    kind = "activation" if unit.activated_on is None else "transfer"
    return bare_page(
        visit.language, "confirm.html", visit=visit, kind=kind, unit=unit.label, place=place.name
    )


async def _confirm(office: Office, gate: Gate, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            confirmed = await transfers.confirm(session, visit.at("token"), office.now())
            token = ""
            if confirmed.needs_password:
                token = await tokens.make(
                    session,
                    confirmed.new_owner_id,
                    TokenPurpose.SET_PASSWORD,
                    office.now() + tokens.FORGOTTEN_LIFETIME,
                )
            unit = await session.get_one(Unit, confirmed.unit_id)
            place = await session.get_one(Property, confirmed.property_id)
    except RefusedError as error:
        return _over(visit, error)
    for username in confirmed.out:
        office.logins.end(username)
    for account_id in confirmed.out_ids:
        gate.sessions.end(account_id)
    await office.database.forget_deleted()
    if token:
        return done(f"/admin/password/{token}", "account.done.confirmed")
    return bare_page(
        visit.language, "confirm.html", visit=visit, kind="done", unit=unit.label, place=place.name
    )


def new_password(visit: Visit, username: str) -> str:
    """Read a new password and its repetition from a form; refuse what cannot be one."""
    password = visit.form.get("new_password", "")
    credentials.check_password(password, username)
    if visit.form.get("password_again", "") != password:
        raise RefusedError("account.passwords_differ", field="password_again")
    return password


def _password_page(visit: Visit, holder: Holder, error: RefusedError | None = None) -> web.Response:
    return bare_page(
        holder.language,
        "password.html",
        status=200 if error is None else 422,
        visit=visit,
        form=refused_form(visit, error) if error else Form(),
        username=holder.username,
        least=credentials.MIN_PASSWORD_CHARACTERS,
        is_set=False,
    )


def _over(visit: Visit, error: RefusedError) -> web.Response:
    return bare_page(
        visit.language,
        "link_over.html",
        status=410,
        visit=visit,
        text=words_of(visit.language, error),
    )
