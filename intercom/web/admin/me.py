"""Everybody's own account: e-mail and language, password, log-ins, and the end of it all (A19)."""

import asyncio
import math
from datetime import date
from functools import partial

from aiohttp import web

from intercom.administration import accounts, credentials
from intercom.errors import RefusedError
from intercom.store.models import Account
from intercom.web.admin.choices import languages
from intercom.web.admin.days import day_words
from intercom.web.admin.forms import Form, refused_form
from intercom.web.admin.gate import Gate
from intercom.web.admin.mail_links import new_password
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page
from intercom.web.admin.visit import Visit
from intercom.web.device_label import device_label
from intercom.web.passwords import MAX_PASSWORD_CHARACTERS, hash_password
from intercom.web.rules import ANY_ACCOUNT, Route

ME = "/admin/me"


def routes(office: Office, gate: Gate) -> list[Route]:
    """List the pages of one's own account."""
    own = _Own(office, gate)
    return [
        Route("GET", ME, own.show, ANY_ACCOUNT),
        Route("POST", ME, own.change, ANY_ACCOUNT),
        Route("POST", ME + "/password", own.change_password, ANY_ACCOUNT),
        Route("POST", ME + "/logins", own.end_login, ANY_ACCOUNT),
        Route("POST", ME + "/delete", own.delete, ANY_ACCOUNT),
    ]


class _Own:
    def __init__(self, office: Office, gate: Gate) -> None:
        self._office = office
        self._gate = gate

    async def show(self, visit: Visit) -> web.Response:
        return await self._page(visit)

    async def change(self, visit: Visit) -> web.Response:
        """Change language and e-mail; another e-mail address needs the password, as links go there."""
        email = visit.form.get("email", "")
        try:
            if email != (visit.account.email or ""):
                await self._check_password(visit)
            async with self._office.database.writing() as session:
                account = await session.get_one(Account, visit.account.id)
                account.language = accounts.checked_language(visit.form.get("language", ""))
                address = accounts.checked_email(email) if email else None
                await accounts.change_email(session, account, address)
        except RefusedError as error:
            return await self._page(visit, details=refused_form(visit, error))
        return done(ME, "account.done.saved")

    async def change_password(self, visit: Visit) -> web.Response:
        """Change the password; every other log-in ends."""
        try:
            await self._check_password(visit)
            password = new_password(visit, visit.account.username)
        except RefusedError as error:
            return await self._page(visit, password=refused_form(visit, error))
        password_hash = await asyncio.to_thread(hash_password, password)
        async with self._office.database.writing() as session:
            account = await session.get_one(Account, visit.account.id)
            await credentials.set_password(session, account, password_hash)
        self._gate.sessions.end(visit.account.id)
        self._office.logins.end(visit.account.username)
        label = device_label(visit.request.headers.get("User-Agent"))
        response = done(ME, "account.done.password")
        token = self._gate.sessions.create(visit.account.id, password_hash, label)
        self._gate.log_in(response, token)
        return response

    async def end_login(self, visit: Visit) -> web.Response:
        """End one log-in, or with no device all but this one."""
        device_id = visit.form.get("device") or None
        self._gate.sessions.end(visit.account.id, device_id, but=visit.device_id)
        self._office.logins.end(visit.account.username, device_id)
        return done(ME, "account.done.ended")

    async def delete(self, visit: Visit) -> web.Response:
        """Delete the account and everything about the person, now."""
        try:
            if visit.form.get("confirm", "") != visit.account.username:
                raise RefusedError("account.confirm_wrong", field="confirm")  # noqa: TRY301 - as below
            await self._check_password(visit)
            async with self._office.database.writing() as session:
                account = await session.get_one(Account, visit.account.id)
                await accounts.delete_account(session, account)
        except RefusedError as error:
            return await self._page(visit, delete=refused_form(visit, error))
        self._gate.sessions.end(visit.account.id)
        self._office.logins.end(visit.account.username)
        await self._office.database.forget_deleted()
        response = done("/admin/login", "account.done.deleted")
        self._gate.log_out(visit.request, response)
        return response

    async def _check_password(self, visit: Visit) -> None:
        async with self._office.database.reading() as session:
            account = await session.get_one(Account, visit.account.id)
        verdict = await self._gate.guesses.verify(
            visit.request,
            visit.account.username,
            account.password_hash,
            visit.form.get("password", "")[: MAX_PASSWORD_CHARACTERS + 1],
        )
        if verdict.wait_s > 0:
            minutes = math.ceil(verdict.wait_s / 60)
            raise RefusedError("account.locked", field="password", minutes=minutes)
        if not verdict.is_right:
            raise RefusedError("account.password_wrong", field="password")

    async def _page(
        self,
        visit: Visit,
        *,
        details: Form | None = None,
        password: Form | None = None,
        delete: Form | None = None,
    ) -> web.Response:
        somebody = visit.account
        forms = [each for each in (details, password, delete) if each is not None]
        return await page(
            self._office,
            visit,
            "me.html",
            status=forms[0].status if forms else 200,
            details=details or Form({"email": somebody.email or "", "language": somebody.language}),
            password=password or Form(),
            delete=delete or Form(),
            languages=languages(visit.language),
            least=credentials.MIN_PASSWORD_CHARACTERS,
            backup_days=self._office.backup_days,
            apps=self._office.logins.of(somebody.username),
            browsers=self._gate.sessions.of(somebody.id),
            day=partial(_day, visit.language),
        )


def _day(language: str, day: date | None) -> str:
    return day_words(language, day) if day else ""
