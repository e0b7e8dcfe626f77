"""Pictures of panels that give none by SIP: a JPEG each second, for as long as somebody looks.

A picture is held only while it is handed on: never stored, and gone with the call. One task fetches for
all who look at one call; a slow panel or app gets fewer pictures, never a queue of old ones.
"""

import asyncio
import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import aiohttp
import structlog
from aiohttp import ClientSession, ClientTimeout, DigestAuthMiddleware, TCPConnector

from intercom.routing.directory import PictureSource
from intercom.routing.ids import CallId, LegId

log = structlog.get_logger()

INTERVAL_S = 1.0
FETCH_TIMEOUT_S = 3.0
MAX_JPEG_BYTES = 150_000
_JPEG = b"\xff\xd8\xff"  # ISO/IEC 10918-1 annex B: SOI and the next marker
_PAUSE_S = 0.2
"""At least, after a picture that took longer than the interval."""
_MAX_AT_ONCE = 20

Show = Callable[[str], None]
"""Called with each picture, in base64."""


class _NoPictureError(Exception):
    """The panel gave no picture; the text is the remedy."""


@dataclass(slots=True)
class _Watch:
    source: PictureSource
    shows: dict[LegId, Show] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Snapshots:
    """Fetches pictures; an async context manager that owns the HTTP client.

    `tasks` owns what fetches, and `tls` says which certificates are trusted.
    """

    def __init__(self, tasks: asyncio.TaskGroup, tls: ssl.SSLContext | None = None) -> None:
        self._tasks = tasks
        self._tls = tls
        self._session: ClientSession | None = None
        self._watches: dict[CallId, _Watch] = {}
        self._told: set[str] = set()
        """Addresses of which the log has said that they give no picture."""

    async def __aenter__(self) -> Self:
        connector = TCPConnector(ssl=self._tls or True, limit=_MAX_AT_ONCE)
        self._session = ClientSession(
            connector=connector,
            timeout=ClientTimeout(total=FETCH_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for watch in self._watches.values():
            if watch.task is not None:
                watch.task.cancel()
        self._watches.clear()
        if self._session is not None:
            await self._session.close()

    def follow(self, call_id: CallId, source: PictureSource, leg_id: LegId, show: Show) -> None:
        """Give a leg the call's pictures until `leave`."""
        watch = self._watches.get(call_id)
        if watch is None:
            watch = self._watches[call_id] = _Watch(source)
            watch.task = self._tasks.create_task(self._fetch_on(watch), name="pictures of a call")
        watch.shows[leg_id] = show

    def leave(self, call_id: CallId, leg_id: LegId) -> None:
        """Give a leg no more pictures; the last one of a call ends the fetching."""
        watch = self._watches.get(call_id)
        if watch is None:
            return
        watch.shows.pop(leg_id, None)
        if not watch.shows:
            del self._watches[call_id]
            if watch.task is not None:
                watch.task.cancel()

    async def _fetch_on(self, watch: _Watch) -> None:
        source, clock = watch.source, asyncio.get_running_loop().time
        middlewares: tuple[DigestAuthMiddleware, ...] = ()
        if source.authentication == "digest":  # one for all, so that only the first is challenged
            middlewares = (DigestAuthMiddleware(source.username, source.password),)
        while True:
            next_at = clock() + INTERVAL_S
            try:
                picture = await self._fetch(source, middlewares)
            except _NoPictureError as error:
                self._tell(source.url, str(error))
            except (TimeoutError, aiohttp.ClientError):
                self._tell(source.url, "a panel's picture cannot be got: is its address right?")
            else:
                for show in tuple(watch.shows.values()):
                    show(picture)
                del picture
            await asyncio.sleep(max(next_at - clock(), _PAUSE_S))

    async def _fetch(
        self, source: PictureSource, middlewares: tuple[DigestAuthMiddleware, ...]
    ) -> str:
        assert self._session is not None, "used outside its context"
        headers = {}
        if source.authentication == "basic":
            words = aiohttp.encode_basic_auth(source.username, source.password, "utf-8")
            headers["Authorization"] = words
        async with self._session.get(
            source.url, headers=headers, middlewares=middlewares, allow_redirects=False
        ) as response:
            if response.status == 401:
                raise _NoPictureError("a panel refuses the user name or password of its snapshot")
            if response.status != 200 or response.content_type not in {"image/jpeg", "image/jpg"}:
                raise _NoPictureError("a panel's snapshot address gives no JPEG: correct it")
            return base64.b64encode(await _jpeg_of(response)).decode("ascii")

    def _tell(self, url: str, remedy: str) -> None:
        """Log a cause once for each panel; it will be the same in a second."""
        if url not in self._told:
            self._told.add(url)
            log.warning("panel.picture_failed", remedy=remedy)


async def _jpeg_of(response: aiohttp.ClientResponse) -> bytes:
    jpeg = bytearray()
    async for chunk in response.content.iter_any():
        jpeg += chunk
        if len(jpeg) > MAX_JPEG_BYTES:
            raise _NoPictureError("a panel's snapshot is larger than 150 kB: shrink it there")
    if not jpeg.startswith(_JPEG):
        raise _NoPictureError("a panel's snapshot address gives no JPEG: correct it")
    return bytes(jpeg)
