"""The web application: the resident's page, log-in, WebSocket and health, with strict headers.

`make_app` returns a plain aiohttp application; other rooms add their routes to it before `serving`.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler
from typing_extensions import override

from intercom.link.guessing import GuessLimits
from intercom.routing.directory import Directory
from intercom.web.assets import Assets
from intercom.web.guesses import PasswordGuesses
from intercom.web.login import LoginPages
from intercom.web.rules import ANYBODY, APP, add
from intercom.web.sessions import Login, LoginTable
from intercom.web.signaling import AppHub, SignalingPage

STATIC = Path(__file__).parent / "static"
MAX_BODY_BYTES = 64 * 1024
SHUTDOWN_TIMEOUT_S = 3.0
BACKLOG = 512
HAND_SHAKE_S = 5.0
HEADERS_S = 5.0
"""So long a request's headers may take, and so long a connection may wait for its next request."""
TAKE_S = 10.0
"""A client that takes nothing of what waits for it is cut off after this (RFC 5482)."""
REST_OF_BODY_S = 1.0
"""So long we read on what we answered without waiting for all of it."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types lit-html",
    )
)
PERMISSIONS_POLICY = (
    "microphone=(self), fullscreen=(self), screen-wake-lock=(self), speaker-selection=(self), "
    "camera=(), geolocation=(), payment=(), usb=(), display-capture=()"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS = "max-age=31536000"  # RFC 6797; subdomains are not ours to decide


@dataclass(frozen=True, slots=True)
class WebConfig:
    is_tls: bool = False
    """Whether browsers reach us by https, through a proxy or directly."""
    origins: frozenset[str] = frozenset()
    """Further origins whose pages may log in, such as https://door.example; our own always may."""
    limits: GuessLimits = field(default_factory=GuessLimits)
    has_account_pages: bool = False
    """Whether residents have pages of their account: forgotten password, log-ins."""


@dataclass(frozen=True, slots=True)
class Front:
    """What Webadmin shares with the app's side."""

    config: WebConfig
    guesses: PasswordGuesses
    """One count of wrong passwords for both."""
    login_of: Callable[[web.Request], Login | None]
    """Finds the app's log-in of a request."""
    clock: Callable[[], float]


FRONT: web.AppKey[Front] = web.AppKey("front", Front)


def make_app(
    config: WebConfig,
    *,
    directory: Callable[[], Directory],
    logins: LoginTable,
    hub: AppHub,
    is_healthy: Callable[[], bool],
    is_ready: Callable[[], bool],
    clock: Callable[[], float],
) -> web.Application:
    """Build the application; `clock` is monotonic seconds."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    guesses = PasswordGuesses(config.limits, clock)
    pages = LoginPages(
        directory=directory,
        logins=logins,
        guesses=guesses,
        is_tls=config.is_tls,
        origins=config.origins,
        has_account_pages=config.has_account_pages,
    )
    app[FRONT] = Front(config, guesses, pages.login_of, clock)
    signaling = SignalingPage(hub=hub, login_of=pages.login_of, origins=config.origins)
    assets = Assets(STATIC)
    add(app, "GET", "/", assets.page("index.html"), ANYBODY)
    add(app, "GET", "/manifest.webmanifest", assets.page("manifest.webmanifest"), ANYBODY)
    add(app, "GET", "/static/{path:.+}", assets.serve, ANYBODY)
    add(app, "POST", "/api/login", pages.log_in, ANYBODY)
    add(app, "POST", "/api/logout", pages.log_out, ANYBODY)
    add(app, "GET", "/api/me", pages.me, APP)
    add(app, "GET", "/ws", signaling.connect, APP)
    add(app, "GET", "/healthz", _probe(is_healthy), ANYBODY)
    add(app, "GET", "/readyz", _probe(is_ready), ANYBODY)
    app.on_response_prepare.append(_header_setter(config))

    async def close_hub(_: web.Application) -> None:
        hub.close()

    app.on_shutdown.append(close_hub)
    return app


@asynccontextmanager
async def serving(
    app: web.Application, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve until the context ends; yields the port, which matters when 0 was asked for.

    There is no access log: it would say who was at home when (requirement A12). A client that
    dribbles its hand-shake, its headers or its body is closed within 10 s.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        keepalive_timeout=HEADERS_S,
        lingering_time=REST_OF_BODY_S,
    )
    await runner.setup()
    try:
        site = _Site(runner, host, port, tls)
        await site.start()
        yield site.port
    finally:
        await runner.cleanup()


class _Site(web.BaseSite):
    """A port whose TLS hand-shakes are over in time; aiohttp's own waits a minute for each."""

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(runner, ssl_context=tls)
        self._host = host
        self.port = port

    @property
    @override
    def name(self) -> str:
        return f"{'https' if self._ssl_context else 'http'}://{self._host}:{self.port}"

    @override
    async def start(self) -> None:
        await super().start()
        factory = self._runner.server
        if factory is None:
            raise RuntimeError("The runner was not set up")
        self._server = server = await asyncio.get_running_loop().create_server(
            factory,
            self._host,
            self.port,
            ssl=self._ssl_context,
            backlog=BACKLOG,
            ssl_handshake_timeout=HAND_SHAKE_S if self._ssl_context else None,
        )
        for each in server.sockets:  # whoever is taken there inherits it
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(TAKE_S * 1000))
        self.port = int(server.sockets[0].getsockname()[1])


def is_of_admin(path: str) -> bool:
    """Tell whether a path is one of Webadmin's pages."""
    return path == "/admin" or path.startswith("/admin/")


def _probe(is_well: Callable[[], bool]) -> Handler:
    async def probe(_: web.Request) -> web.Response:
        return (
            web.json_response({"ok": True})
            if is_well()
            else web.json_response({"ok": False}, status=503)
        )

    return probe


def _header_setter(
    config: WebConfig,
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    headers = {**HEADERS, "Strict-Transport-Security": HSTS} if config.is_tls else HEADERS

    async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(headers)
        response.headers.pop("Server", None)  # which versions we run is nobody's business
        if request.path.startswith("/api/"):
            response.headers["Cache-Control"] = "no-store"
        if is_of_admin(request.path):
            # with "no-referrer" browsers send "Origin: null" with our own forms (Fetch, "append a
            # request Origin header"), and Origin is one of the two proofs that a form is ours
            response.headers["Referrer-Policy"] = "same-origin"

    return set_headers
