"""Log-in, log-out and the forgotten password; the same for everybody who has an account."""

import math
from functools import partial
from urllib.parse import urlsplit

from aiohttp import web
from sqlalchemy import func, select

from intercom.administration import invitations
from intercom.errors import RefusedError
from intercom.store.models import Account
from intercom.web.admin.forms import Form, refused_form
from intercom.web.admin.gate import Gate
from intercom.web.admin.office import Office
from intercom.web.admin.page import bare_page, done
from intercom.web.admin.visit import Visit
from intercom.web.device_label import device_label
from intercom.web.passwords import MAX_PASSWORD_CHARACTERS
from intercom.web.rules import ANY_ACCOUNT, ANYBODY, Route

MAX_NAME_CHARACTERS = 254
HOME = "/admin"


def routes(office: Office, gate: Gate) -> list[Route]:
    """List the pages of log-in."""
    return [
        Route("GET", "/admin/login", _show_log_in, ANYBODY),
        Route("POST", "/admin/login", partial(_log_in, office, gate), ANYBODY),
        Route("POST", "/admin/logout", partial(_log_out, gate), ANY_ACCOUNT),
        Route("GET", "/admin/forgot", _show_forgot, ANYBODY),
        Route("POST", "/admin/forgot", partial(_forgot, office, gate), ANYBODY),
    ]


async def _show_log_in(visit: Visit) -> web.Response:
    form = Form({"next": visit.request.query.get("next", "")})
    return bare_page(visit.language, "login.html", visit=visit, form=form)


async def _log_in(office: Office, gate: Gate, visit: Visit) -> web.Response:
    username = visit.form.get("username", "")[:MAX_NAME_CHARACTERS]
    password = visit.form.get("password", "")
    async with office.database.reading() as session:
        account = await session.scalar(
            select(Account).where(func.lower(Account.username) == username.lower())
        )
    password_hash = account.password_hash if account else None
    verdict = await gate.guesses.verify(
        visit.request, username, password_hash, password[: MAX_PASSWORD_CHARACTERS + 1]
    )
    if verdict.wait_s > 0:
        minutes = math.ceil(verdict.wait_s / 60)
        return _not_in(visit, RefusedError("account.locked", minutes=minutes), 429)
    if not verdict.is_right or account is None or password_hash is None:
        return _not_in(visit, RefusedError("account.wrong"), 401)
    gate.sessions.revoke(visit.request.cookies.get(gate.cookie, ""))
    label = device_label(visit.request.headers.get("User-Agent"))
    response = done(_way_on(visit.form.get("next", "")))
    gate.log_in(response, gate.sessions.create(account.id, password_hash, label))
    return response


async def _log_out(gate: Gate, visit: Visit) -> web.Response:
    response = done("/admin/login", "account.done.logged_out")
    gate.log_out(visit.request, response)
    return response


async def _show_forgot(visit: Visit) -> web.Response:
    return bare_page(visit.language, "forgot.html", visit=visit, is_sent=False)


async def _forgot(office: Office, gate: Gate, visit: Visit) -> web.Response:
    """Answer the same way and in the same time whoever it is; the mail is made by the outbox."""
    if gate.requests.is_one_too_many(visit.request):
        fault = refused_form(visit, RefusedError("account.locked", minutes=1, field="who"))
        return bare_page(
            visit.language, "forgot.html", status=429, visit=visit, form=fault, is_sent=False
        )
    who = visit.form.get("who", "")[:MAX_NAME_CHARACTERS]
    async with office.database.reading() as session:  # says "not now" when the store is down
        await invitations.accounts_of(session, who)
    office.outbox.forgotten(who)
    return bare_page(visit.language, "forgot.html", visit=visit, is_sent=True)


def _not_in(visit: Visit, error: RefusedError, status: int) -> web.Response:
    return bare_page(
        visit.language, "login.html", status=status, visit=visit, form=refused_form(visit, error)
    )


def _way_on(wanted: str) -> str:
    """Go where the visitor wanted to go, if that is a page of Webadmin."""
    parts = urlsplit(wanted)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith(HOME + "/")
    return wanted if is_ours and "\\" not in wanted and wanted.isprintable() else HOME
