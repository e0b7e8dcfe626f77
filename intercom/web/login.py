"""POST /api/login, POST /api/logout and GET /api/me: the cookie that everything else needs."""

import asyncio
import math
from collections.abc import Callable

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from intercom.routing.directory import Directory, Resident
from intercom.routing.ids import ResidentId
from intercom.web.device_label import device_label
from intercom.web.guesses import PasswordGuesses
from intercom.web.origin import is_same_origin
from intercom.web.passwords import MAX_PASSWORD_CHARACTERS
from intercom.web.sessions import IDLE_LIFETIME_S, Login, LoginTable

MAX_NAME_CHARACTERS = 128
BODY_TIMEOUT_S = 4.0  # a client at a byte a second is closed, within 10 s with its headers
SAME_ANSWER = "Wrong user name or password"


class _Credentials(BaseModel):
    model_config = ConfigDict(strict=True)
    username: str = Field(max_length=MAX_NAME_CHARACTERS)
    password: str = Field(max_length=MAX_PASSWORD_CHARACTERS, repr=False)


class LoginPages:
    """The three handlers and their limits."""

    def __init__(
        self,
        *,
        directory: Callable[[], Directory],
        logins: LoginTable,
        guesses: PasswordGuesses,
        is_tls: bool,
        origins: frozenset[str],
        has_account_pages: bool = False,
    ) -> None:
        self._directory = directory
        self._logins = logins
        self._guesses = guesses
        self._is_tls = is_tls
        self._origins = origins
        self._has = {"account_pages": has_account_pages}

    async def log_in(self, request: web.Request) -> web.Response:
        """Answer a log-in; the same way and in the same time whether the name exists or not."""
        if not is_same_origin(request, self._origins, is_required=False):
            return web.json_response({"error": "Wrong origin"}, status=403)
        credentials = await _read_credentials(request)
        if credentials is None:
            return web.json_response({"error": "Malformed request"}, status=400)
        resident = self._find(credentials.username)
        password_hash = resident.password_hash if resident else None
        verdict = await self._guesses.verify(
            request, credentials.username, password_hash, credentials.password
        )
        if verdict.wait_s > 0:
            return _too_many(verdict.wait_s)
        if not verdict.is_right:
            return web.json_response({"error": SAME_ANSWER}, status=401)
        resident = self._find(credentials.username)  # the directory may have changed meanwhile
        if resident is None or resident.password_hash != password_hash:
            return web.json_response({"error": SAME_ANSWER}, status=401)
        response = web.json_response({"name": resident.name})
        self._revoke_of(request)
        label = device_label(request.headers.get("User-Agent"))
        self._set_cookie(response, self._logins.create(resident, label))
        return response

    async def log_out(self, request: web.Request) -> web.Response:
        """End the log-in of this cookie."""
        if not is_same_origin(request, self._origins, is_required=False):
            return web.json_response({"error": "Wrong origin"}, status=403)
        self._revoke_of(request)
        response = web.json_response({})
        response.del_cookie(cookie_name(is_tls=self._is_tls), path="/", secure=self._is_tls)
        return response

    async def me(self, request: web.Request) -> web.Response:
        """Say who is logged in, and let the cookie live on."""
        login = self.login_of(request)
        resident = self._find(login.resident_id) if login else None
        if resident is None:
            return web.json_response({"error": "Not logged in", **self._has}, status=401)
        response = web.json_response({"name": resident.name, **self._has})
        self._set_cookie(response, request.cookies[cookie_name(is_tls=self._is_tls)])
        return response

    def login_of(self, request: web.Request) -> Login | None:
        """Find the log-in of a request by its cookie."""
        token = request.cookies.get(cookie_name(is_tls=self._is_tls))
        return self._logins.find(token) if token else None

    def _find(self, username: str) -> Resident | None:
        residents = self._directory().residents
        resident = residents.get(ResidentId(username)) or residents.get(
            ResidentId(username.strip().lower())
        )
        return resident if resident is not None and resident.has_app else None

    def _revoke_of(self, request: web.Request) -> None:
        token = request.cookies.get(cookie_name(is_tls=self._is_tls))
        if token:
            self._logins.revoke(token)

    def _set_cookie(self, response: web.Response, token: str) -> None:
        response.set_cookie(
            cookie_name(is_tls=self._is_tls),
            token,
            max_age=int(IDLE_LIFETIME_S),
            path="/",
            secure=self._is_tls,
            httponly=True,
            samesite="Strict",
        )


def cookie_name(*, is_tls: bool) -> str:
    """Name the cookie; with TLS so that no other host or path can have set it.

    RFC 6265bis §4.1.3.2: a __Host- cookie must be Secure, with Path=/ and without Domain.
    """
    return "__Host-login" if is_tls else "login"


async def _read_credentials(request: web.Request) -> _Credentials | None:
    if request.content_type != "application/json":  # a form of another site cannot send this
        return None
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await request.read()
        return _Credentials.model_validate_json(body)
    except (ValidationError, TimeoutError, web.HTTPRequestEntityTooLarge):
        return None


def _too_many(wait_s: float) -> web.Response:
    seconds = math.ceil(wait_s)
    return web.json_response(
        {"error": "Too many attempts", "retry_s": seconds},
        status=429,
        headers={"Retry-After": str(seconds)},
    )
