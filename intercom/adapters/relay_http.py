"""Door relays behind a maker's HTTP interface: one request, once, and an honest word about it.

There is no feedback, so success is "sent". A request whose answer got lost may have pulsed the relay:
that is "unknown", and it is never repeated.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import aiohttp
from aiohttp import (
    ClientConnectorError,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DigestAuthMiddleware,
    TCPConnector,
)
from typing_extensions import override

from intercom.errors import ConfigError
from intercom.ports import RelayDriver, RelayOutcome, RelayResult
from intercom.routing.directory import HttpRelay, Relay
from intercom.routing.ids import CallId, CommandId

CONNECT_TIMEOUT_S = 2.0  # on a building's own network; beyond it a visitor has long pressed again
TOTAL_TIMEOUT_S = 5.0  # as long as a command over the panel link is valid
_MAX_AT_ONCE = 20
_UNKNOWN = "it may have opened or not"


class _AnswerLostError(Exception):
    """The connection broke after the request had left."""


async def _send_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from repeating a request whose connection broke.

    It repeats GET and PUT by itself after ClientOSError and ServerDisconnectedError (aiohttp 3.14
    `ClientSession._request`), which would pulse the relay twice; another error stops it.
    """
    try:
        return await handler(request)
    except ClientConnectorError:
        raise  # nothing has left yet
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _AnswerLostError from error


class HttpRelayDriver(RelayDriver):
    """Pulses `HttpRelay`s; an async context manager that owns the HTTP client."""

    def __init__(self, ca_file: Path | None = None) -> None:
        self._ca_file = ca_file
        self._session: ClientSession | None = None

    async def __aenter__(self) -> Self:
        context = await asyncio.to_thread(_tls_context, self._ca_file)
        self._session = ClientSession(
            connector=TCPConnector(ssl=context, limit=_MAX_AT_ONCE, force_close=True),
            timeout=ClientTimeout(total=TOTAL_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    @override
    async def pulse(
        self, relay: Relay, pulse_ms: int, command_id: CommandId, call_id: CallId | None
    ) -> RelayResult:
        """Send the relay's request once; how long it pulses is set in the relay itself."""
        if not isinstance(relay, HttpRelay):
            return RelayResult(RelayOutcome.FAILED, "this door has no HTTP relay")
        try:
            async with self._answer_to(relay) as response:
                return _judge(relay, response.status)
        except (TimeoutError, aiohttp.ClientError, _AnswerLostError) as error:
            return _explain(error)

    @asynccontextmanager
    async def _answer_to(self, relay: HttpRelay) -> AsyncIterator[ClientResponse]:
        assert self._session is not None, "used outside its context"
        headers, digest = {}, []
        if relay.authentication == "basic":
            words = aiohttp.encode_basic_auth(relay.username, relay.password, "utf-8")
            headers["Authorization"] = words
        elif relay.authentication == "digest":
            digest = [DigestAuthMiddleware(relay.username, relay.password)]
        async with self._session.request(
            relay.method,
            relay.url,
            headers=headers,
            middlewares=(*digest, _send_once),
            allow_redirects=False,
        ) as response:
            yield response


def _judge(relay: HttpRelay, status: int) -> RelayResult:
    if status == relay.expected_status:
        return RelayResult(RelayOutcome.SENT)
    if status in (401, 407):
        cause = "the relay refused our user name or password"
    elif status == 403:
        cause = "the relay does not let our user open it"
    elif status == 404:
        cause = "the relay does not know this address (url in the building file)"
    else:
        cause = f"the relay answered {status}, not {relay.expected_status}"
    if status // 100 in (2, 5):  # it may have pulsed and then failed, or calls success otherwise
        return RelayResult(RelayOutcome.UNKNOWN, f"{cause}: {_UNKNOWN}")
    return RelayResult(RelayOutcome.FAILED, cause)


def _explain(error: Exception) -> RelayResult:
    """Say what an error means: without a connection nothing pulsed, afterwards it may have."""
    match error:
        case aiohttp.ClientSSLError():
            cause = "the relay's certificate is not trusted (INTERCOM_RELAY_CA_FILE)"
        case ConnectionTimeoutError():
            cause = "the relay does not answer: is it powered?"
        case ClientConnectorError(os_error=ConnectionRefusedError()):
            cause = "the relay refuses connections: is its HTTP interface on?"
        case aiohttp.ClientConnectorDNSError():
            cause = "the relay's host name is not known"
        case ClientConnectorError():
            cause = "the relay cannot be reached"
        case TimeoutError():
            cause = f"the relay took the command and said nothing: {_UNKNOWN}"
            return RelayResult(RelayOutcome.UNKNOWN, cause)
        case _:
            return RelayResult(RelayOutcome.UNKNOWN, f"the relay's answer was lost: {_UNKNOWN}")
    return RelayResult(RelayOutcome.FAILED, cause)


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            msg = (
                f"INTERCOM_RELAY_CA_FILE {ca_file} cannot be used ({error}):"
                " give a PEM file with certificates"
            )
            raise ConfigError(msg) from error
    return context
