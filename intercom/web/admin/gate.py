"""The one way into Webadmin: who asks, whether the rule lets them, and that their own page asked."""

import hmac
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_request import FileField
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import places
from intercom.errors import RefusedError, StoreDownError
from intercom.link.guessing import GuessLimits
from intercom.store.database import Database
from intercom.store.models import Account, Grant
from intercom.texts import LANGUAGES, words
from intercom.web.admin.form_body import read_form
from intercom.web.admin.sessions import AdminSession, AdminSessions, password_mark
from intercom.web.admin.visit import RoleAt, Somebody, Visit, has_role
from intercom.web.guesses import Requests
from intercom.web.origin import is_same_origin
from intercom.web.rules import MAX_FORM_BYTES, Route, Rule, Who, add
from intercom.web.server import Front

LOG_IN = "/admin/login"
MAILS_ASKED_FOR = GuessLimits(source_failures=10, source_refill_s=60.0)
"""So many forgotten passwords from one source, then one a minute."""
FOLLOWS = "X-Follow"
"""By this header a page asks by itself what is new: nobody is there, and no log-in lives longer by it."""
SAFE_METHODS = frozenset({"GET", "HEAD"})


class _LoggedOutError(Exception):
    """Nobody is logged in where somebody has to be."""


class Gate:
    """Lets visitors in to the pages; it shares with the app's side what `front` has."""

    def __init__(self, database: Database, front: Front) -> None:
        self._database = database
        self._front = front
        self.sessions = AdminSessions(front.clock)
        self.guesses = front.guesses
        self.requests = Requests(MAILS_ASKED_FOR, front.clock)
        """Counts what costs somebody a mail."""

    def add(self, app: web.Application, route: Route) -> None:
        """Add a page; nobody whom its rule does not let in reaches its handler."""
        add(app, route.method, route.path, self._guarded(route), route.rule)

    @property
    def cookie(self) -> str:
        """The name of Webadmin's cookie; as for the app's, no other host can have set it with TLS."""
        return "__Host-admin" if self._front.config.is_tls else "admin"

    def log_in(self, response: web.StreamResponse, token: str) -> None:
        """Give a browser the cookie of a session."""
        response.set_cookie(
            self.cookie,
            token,
            path="/",
            secure=self._front.config.is_tls,
            httponly=True,
            samesite="Strict",
        )

    def log_out(self, request: web.Request, response: web.StreamResponse) -> None:
        """End the session of a request and take its cookie back."""
        self.sessions.revoke(request.cookies.get(self.cookie, ""))
        response.del_cookie(self.cookie, path="/", secure=self._front.config.is_tls)

    def _guarded(self, route: Route) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await route.handler(await self._let_in(request, route))
            except _LoggedOutError:
                return _to_log_in(request)
            except (StoreDownError, RefusedError, web.HTTPClientError) as error:
                if not wants_json(request):
                    raise  # `faults` makes a page of it
                return _json_fault(language_of(request), error)

        return handle

    async def _let_in(self, request: web.Request, route: Route) -> Visit:
        is_safe = request.method in SAFE_METHODS
        if not is_safe and not is_same_origin(
            request, self._front.config.origins, is_required=True
        ):
            raise web.HTTPForbidden
        _check_address(request)
        session = self._session_of(request) if route.rule.who is Who.ACCOUNT else None
        if not is_safe and (request.content_length or route.max_bytes) > MAX_FORM_BYTES:
            await self._ask_store(request, route.rule, session)  # nobody else sends us so much
        form, files = ({}, {}) if is_safe else await _read(request, route.max_bytes)
        if session is not None and not is_safe and not _is_csrf(session, form):
            raise RefusedError("account.page_too_old")
        somebody, property_id, unit_id = await self._ask_store(request, route.rule, session)
        return Visit(
            request=request,
            somebody=somebody,
            language=somebody.language if somebody else language_of(request),
            property_id=property_id,
            unit_id=unit_id,
            csrf=session.csrf if session else "",
            device_id=self._device_id(request, route.rule, session),
            form=form,
            files=files,
        )

    def _device_id(self, request: web.Request, rule: Rule, session: AdminSession | None) -> str:
        if session is not None:
            return session.device_id
        login = self._front.login_of(request) if rule.who is Who.APP else None
        return login.device_id if login else ""

    def _session_of(self, request: web.Request) -> AdminSession:
        is_use = FOLLOWS not in request.headers
        session = self.sessions.find(request.cookies.get(self.cookie, ""), is_use=is_use)
        if session is None:
            raise _LoggedOutError
        return session

    async def _ask_store(
        self, request: web.Request, rule: Rule, session: AdminSession | None
    ) -> tuple[Somebody | None, str | None, int | None]:
        """Find who asks, and where; shut out whom the rule does not let in there."""
        parts = request.match_info
        if rule.who in {Who.ANYBODY, Who.PANEL}:
            return None, None, None
        async with self._database.reading() as store:
            somebody = await self._somebody(store, request, session)
            property_id = parts.get("property")
            unit_id = places.number(parts["unit"]) if "unit" in parts else None
            _check_roles(somebody, rule, property_id, unit_id)
            await places.check(store, parts)
        return somebody, property_id, unit_id

    async def _somebody(
        self, store: AsyncSession, request: web.Request, session: AdminSession | None
    ) -> Somebody:
        if session is not None:
            somebody = await load_somebody(store, Account.id == session.account_id)
            if somebody is None or somebody[1] != session.password_mark:
                self.sessions.end(session.account_id, session.device_id)
                raise _LoggedOutError
            return somebody[0]
        login = self._front.login_of(request)
        found = await load_somebody(store, Account.username == login.resident_id) if login else None
        if login is None or found is None or found[1] != login.password_mark:
            raise _LoggedOutError
        return found[0]


async def load_somebody(
    store: AsyncSession, which: ColumnElement[bool]
) -> tuple[Somebody, bytes] | None:
    """Read an account with its roles, and the mark of its password."""
    account = await store.scalar(select(Account).where(which))
    if account is None:
        return None
    grants = await store.scalars(select(Grant).where(Grant.account_id == account.id))
    somebody = Somebody(
        id=account.id,
        username=account.username,
        name=account.name,
        language=account.language,
        grants=frozenset(RoleAt(each.role, each.property_id, each.unit_id) for each in grants),
        email=account.email,
    )
    return somebody, password_mark(account.password_hash or "")


def language_of(request: web.Request) -> str:
    """Choose a language by what the browser asks for (RFC 9110 §12.5.4); bokmål when it is none of ours."""
    wishes: list[tuple[float, int, str]] = []
    for position, each in enumerate(request.headers.get("Accept-Language", "")[:200].split(",")):
        name, _, weight = each.strip().partition(";q=")
        plain = {"no": "nb"}.get(name[:2].lower(), name[:2].lower())
        if plain in LANGUAGES:
            try:
                wishes.append((-float(weight or 1), position, plain))
            except ValueError:
                continue
    return min(wishes)[2] if wishes else "nb"


def wants_json(request: web.Request) -> bool:
    """Tell whether it is a program that asks, which can make nothing of a page."""
    return request.path.startswith("/api/") or "application/json" in request.headers.get(
        "Accept", ""
    )


def _check_roles(
    somebody: Somebody, rule: Rule, property_id: str | None, unit_id: int | None
) -> None:
    if not rule.roles or has_role(somebody, rule.roles, property_id, unit_id):
        return
    is_elsewhere = property_id is not None and not any(
        each.property_id == property_id for each in somebody.grants
    )
    if is_elsewhere:  # what is somebody else's is not even there
        raise web.HTTPNotFound
    raise web.HTTPForbidden


def _is_csrf(session: AdminSession, form: Mapping[str, str]) -> bool:
    return hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode())


def _check_address(request: web.Request) -> None:
    """Refuse an address with what no text in the database can be."""
    for part in (*request.match_info.values(), *request.query.values()):
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in part):
            raise web.HTTPNotFound


async def _read(
    request: web.Request, max_bytes: int
) -> tuple[dict[str, str], dict[str, FileField]]:
    body = await read_form(request, max_bytes)
    form: dict[str, str] = {}
    for name, value in body.fields:
        text = value.replace("\r\n", "\n").replace("\0", "")
        form[name] = text if "password" in name else text.strip()
    return form, body.files


def _to_log_in(request: web.Request) -> web.StreamResponse:
    if wants_json(request):
        text = words(language_of(request), "account.not_logged_in")
        return web.json_response({"error": text}, status=HTTPStatus.UNAUTHORIZED)
    way_back = request.path_qs if request.method in SAFE_METHODS else "/admin"
    location = LOG_IN if way_back == "/admin" else f"{LOG_IN}?next={quote(way_back, safe='')}"
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


def _json_fault(
    language: str, error: StoreDownError | RefusedError | web.HTTPClientError
) -> web.Response:
    if isinstance(error, StoreDownError):
        status, text = HTTPStatus.SERVICE_UNAVAILABLE, words(language, "account.not_saved")
    elif isinstance(error, RefusedError) and error.key.endswith(".not_there"):
        status, text = HTTPStatus.NOT_FOUND, words(language, "account.not_there")
    elif isinstance(error, RefusedError):
        text = words(language, error.key, **error.values)
        body = {"error": text, "field": error.field} if error.field else {"error": text}
        return web.json_response(body, status=HTTPStatus.CONFLICT)
    else:
        status = HTTPStatus(error.status)
        known = {HTTPStatus.FORBIDDEN: "not_allowed", HTTPStatus.NOT_FOUND: "not_there"}
        text = words(language, f"account.{known.get(status, 'unreadable')}")
    return web.json_response({"error": text}, status=status)
