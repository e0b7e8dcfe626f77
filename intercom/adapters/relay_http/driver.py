"""Door relays behind a maker's HTTP interface: one request, once, and an honest word about it.

There is no feedback, so success is "sent". A request whose answer got lost may have pulsed the relay:
that is "unknown", and it is never repeated. Only a challenge (Grandstream's, digest's) makes it two.
"""

import asyncio
import hashlib
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote, urlencode

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

from intercom.adapters.relay_http.answers import UNKNOWN, judge
from intercom.errors import ConfigError
from intercom.ports import RelayDriver, RelayOutcome, RelayResult
from intercom.routing.directory import HttpRelay, Relay
from intercom.routing.ids import CallId, CommandId

CONNECT_TIMEOUT_S = 2.0  # on a building's own network; beyond it a visitor has long pressed again
TOTAL_TIMEOUT_S = 5.0  # as long as a command over the panel link is valid
CHALLENGE_TIMEOUT_S = 2.0
_MAX_AT_ONCE = 20
_MAX_BODY_BYTES = 16 * 1024
_CHALLENGE = re.compile(rb"<ChallengeCode>([0-9A-Za-z]{1,128})</ChallengeCode>")
_ID_CODE = re.compile(rb"<IDCode>([0-9A-Za-z]{1,128})</IDCode>")


class _AnswerLostError(Exception):
    """The connection broke after the request had left."""


class _NoChallengeError(Exception):
    """The panel gave no challenge, so nothing was asked of its relay."""


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
        self.tls: ssl.SSLContext
        """Which certificates of panels and relays are trusted; known once entered."""

    async def __aenter__(self) -> Self:
        self.tls = await asyncio.to_thread(_tls_context, self._ca_file)
        self._session = ClientSession(
            connector=TCPConnector(ssl=self.tls, limit=_MAX_AT_ONCE, force_close=True),
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
            url = await self._url_of(relay)
            async with self._answer_to(relay, url) as response:
                return judge(relay, response.status, await _body_of(response))
        except _NoChallengeError as error:
            return RelayResult(RelayOutcome.FAILED, str(error))
        except (TimeoutError, aiohttp.ClientError, _AnswerLostError) as error:
            return _explain(error)

    async def _url_of(self, relay: HttpRelay) -> str:
        """Make the address to ask; secrets that a make wants in it are put there only here."""
        url = relay.url.replace("{code}", quote(relay.code, safe="*"))
        if relay.authentication == "query":
            return f"{url}&{urlencode({'UserName': relay.username, 'Password': relay.password})}"
        if relay.authentication == "challenge":
            return await self._challenged(relay, url)
        return url

    async def _challenged(self, relay: HttpRelay, url: str) -> str:
        """Ask for Grandstream's challenge and answer it, with the remote PIN and the password."""
        assert self._session is not None, "used outside its context"
        first = f"{url}?{urlencode({'cmd': '0', 'user': relay.username})}"
        try:
            async with (
                asyncio.timeout(CHALLENGE_TIMEOUT_S),
                self._session.get(first, allow_redirects=False) as response,
            ):
                body = await _body_of(response)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise _NoChallengeError(_explain(error).cause.partition(": it may")[0]) from error
        challenge, id_code = _CHALLENGE.search(body), _ID_CODE.search(body)
        if challenge is None or id_code is None:
            raise _NoChallengeError(
                "the panel gave no challenge: is its HTTP API to open doors on?"
            )
        secret = f"{challenge[1].decode()}:{relay.code}:{relay.password}"
        proof = hashlib.md5(
            secret.encode(), usedforsecurity=False
        ).hexdigest()  # the maker's choice
        answer = {"cmd": "1", "user": relay.username, "authcode": proof}
        return f"{url}?{urlencode({**answer, 'idcode': id_code[1].decode(), 'type': '1'})}"

    @asynccontextmanager
    async def _answer_to(self, relay: HttpRelay, url: str) -> AsyncIterator[ClientResponse]:
        assert self._session is not None, "used outside its context"
        headers, digest = {}, []
        if relay.authentication == "basic":
            words = aiohttp.encode_basic_auth(relay.username, relay.password, "utf-8")
            headers["Authorization"] = words
        elif relay.authentication == "digest":
            digest = [DigestAuthMiddleware(relay.username, relay.password)]
        async with self._session.request(
            relay.method,
            url,
            headers=headers,
            middlewares=(*digest, _send_once),
            allow_redirects=False,
        ) as response:
            yield response


async def _body_of(response: ClientResponse) -> bytes:
    """Read an answer's beginning."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= _MAX_BODY_BYTES:
            break
    return bytes(body[:_MAX_BODY_BYTES])


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
            cause = f"the relay took the command and said nothing: {UNKNOWN}"
            return RelayResult(RelayOutcome.UNKNOWN, cause)
        case _:
            return RelayResult(RelayOutcome.UNKNOWN, f"the relay's answer was lost: {UNKNOWN}")
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
