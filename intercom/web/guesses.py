"""Passwords that are tried: one count of failures for the app and Webadmin, by name and by source."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import hdrs, web

from intercom.link.guessing import GuessLimits, NameLocks, SourceBudgets, source_of
from intercom.web.passwords import PasswordVerifier

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one try."""

    is_right: bool = False
    wait_s: float = 0.0
    """Above 0: it was not looked at, and may be tried again after so long."""


class PasswordGuesses:
    """Verifies passwords in the same time for known and unknown names, and not too many."""

    def __init__(self, limits: GuessLimits, clock: Callable[[], float]) -> None:
        self._verifier = PasswordVerifier()
        self._names = NameLocks(limits, clock)
        self._strange_names = NameLocks(limits, clock)
        """Apart, so that a flood of invented names cannot push out a real one's failures."""
        self._sources = SourceBudgets(limits, clock)

    async def verify(
        self, request: web.Request, name: str, password_hash: str | None, password: str
    ) -> Verdict:
        """Try a password; `password_hash` is None for a name that does not exist."""
        names = self._names if password_hash is not None else self._strange_names
        name = name.strip().lower()
        source = source_of_request(request)
        wait_s = max(names.locked_for_s(name), self._sources.wait_s(source))
        if wait_s > 0 or self._verifier.is_full:
            return Verdict(wait_s=max(wait_s, 1.0))
        names.begin(name)
        self._sources.begin(source)
        if not await self._verifier.verify(password_hash, password):
            if names.locked_for_s(name) > 0:
                log.warning("login.locked")
            return Verdict()
        names.succeed(name)
        self._sources.succeed(source)
        return Verdict(is_right=True)


class Requests:
    """Counts what costs somebody a mail: so many from one source, then one each so many seconds."""

    def __init__(self, limits: GuessLimits, clock: Callable[[], float]) -> None:
        self._sources = SourceBudgets(limits, clock)

    def is_one_too_many(self, request: web.Request) -> bool:
        """Count a request and tell whether its source has asked too often."""
        source = source_of_request(request)
        if self._sources.wait_s(source) > 0:
            return True
        self._sources.begin(source)
        return False


def source_of_request(request: web.Request) -> str:
    """Tell who sent a request; a proxy's word is the last one, in whichever of the headers it stands."""
    forwarded = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, ()))
    return source_of(request.remote, forwarded)
