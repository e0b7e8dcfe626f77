"""The app's server: the residents' page, the panel link and, where there is a database, Webadmin."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiohttp import web

from intercom.adapters.sip.listening import cannot_listen
from intercom.app.admin_side import AdminSide
from intercom.app.store_side import StoreSide
from intercom.errors import ConfigError
from intercom.settings import Settings
from intercom.web.rules import PANEL, add
from intercom.web.server import WebConfig, make_app, serving

if TYPE_CHECKING:
    from intercom.app.build import Parts


def is_asked_by_tls(settings: Settings) -> bool:
    """Tell whether browsers reach us by https: by a certificate of ours, or through a proxy that has one."""
    return settings.has_tls or (settings.web_origin or "").startswith("https://")


def make_site(parts: "Parts", kept: StoreSide | None) -> web.Application:
    """Build the app's server with the panel link beside it."""
    origin = parts.settings.web_origin
    site = make_app(
        WebConfig(
            is_tls=is_asked_by_tls(parts.settings),
            origins=frozenset({origin} if origin else ()),
            has_account_pages=kept is not None,
        ),
        directory=parts.directory,
        logins=parts.logins,
        hub=parts.hub,
        is_healthy=lambda: True,
        is_ready=lambda: True,
        clock=asyncio.get_running_loop().time,
    )
    add(site, "GET", "/panel-link", parts.panel_link.handle, PANEL)
    site.on_shutdown.append(parts.panel_link.stop)
    if kept is not None:
        admin = AdminSide(parts, kept)
        admin.add_to(site)
        for name, chore in (*kept.chores(), *admin.chores()):
            parts.spawn(chore, name)
    return site


async def serve_http(settings: Settings, site: web.Application, stack: AsyncExitStack) -> None:
    """Serve until the stack closes; ConfigError where nothing can listen there."""
    host, port = settings.http_host, settings.http_port
    try:
        await stack.enter_async_context(serving(site, host, port, _tls_context(settings)))
    except OSError as error:
        what = f"The app's server cannot listen on {host} port {port} (TCP)"
        names = ("INTERCOM_HTTP_HOST", "INTERCOM_HTTP_PORT")
        raise cannot_listen(what, error, *names) from error


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except (ssl.SSLError, OSError) as error:
        message = (
            f"INTERCOM_TLS_CERTIFICATE and INTERCOM_TLS_KEY cannot be used ({error}): "
            "give a certificate chain and its unencrypted key in PEM."
        )
        raise ConfigError(message) from error
    return context
