"""Session timers (RFC 4028): who refreshes a session, how often, and when it is given up."""

from collections.abc import Callable
from typing import NamedTuple

from intercom.errors import RemoteProtocolError
from intercom.sip.core import Core
from intercom.sip.headers import parse_params
from intercom.sip.message import Message, Request, Response
from intercom.sip.option_tags import has_tag
from intercom.sip.timer import Alarm

MIN_SE_S = 90  # RFC 4028 §4: nobody may ask for less
MAX_SE_S = 1_000_000_000
_MARGIN_S = 32.0  # RFC 4028 §10: BYE so long before the end, or a third of the interval
_RETRY_S = 20.0
"""After a refresh that was refused, but not because the dialog is gone."""

Fields = tuple[tuple[str, str], ...]


class SessionExpires(NamedTuple):
    """A Session-Expires header."""

    interval_s: int
    refresher: str
    """`uac` or `uas` of the transaction; empty where the sender leaves that open."""


def read_session_expires(message: Message) -> SessionExpires | None:
    """Read Session-Expires; None when it is absent or cannot be read."""
    if "session-expires" not in message.headers:
        return None
    interval_s = _number(message, "session-expires")
    if interval_s is None:
        return None
    try:
        params = parse_params((message.first("session-expires") or "").partition(";")[2])
    except RemoteProtocolError:
        params = {}
    refresher = params.get("refresher", "").lower()
    return SessionExpires(interval_s, refresher if refresher in {"uac", "uas"} else "")


def read_min_se(message: Message) -> int:
    """Read Min-SE; the RFC's own least where it is absent, too small or cannot be read."""
    if "min-se" not in message.headers:
        return MIN_SE_S
    return max(MIN_SE_S, _number(message, "min-se") or 0)


def is_too_short(request: Request) -> bool:
    """Tell whether a request must be answered 422: who knows no timers did not write it (§9)."""
    asked = read_session_expires(request)
    return asked is not None and asked.interval_s < MIN_SE_S and has_tag(request, "timer")


class SessionTimer:
    """The timer of one dialog; it is off until a 2xx says otherwise."""

    __slots__ = (
        "_core",
        "_expiry",
        "_min_se_s",
        "_on_expire",
        "_on_refresh",
        "_refresh",
        "interval_s",
        "is_refresher",
    )

    def __init__(
        self,
        core: Core,
        *,
        on_refresh: Callable[[float], None],
        on_expire: Callable[[float], None],
    ) -> None:
        self._core = core
        self._on_refresh = on_refresh
        self._on_expire = on_expire
        self._refresh: Alarm | None = None
        self._expiry: Alarm | None = None
        self._min_se_s = MIN_SE_S
        self.interval_s = 0
        """0: off."""
        self.is_refresher = False

    # Our requests

    def request_fields(self) -> Fields:
        """Write what an INVITE or UPDATE of ours says about the timer."""
        wanted_s = self.interval_s or self._core.config.session_expires_s
        if wanted_s is None:
            return ()
        value = str(max(wanted_s, self._min_se_s))
        if self.interval_s:
            value += ";refresher=" + ("uac" if self.is_refresher else "uas")
        least = (("Min-SE", str(self._min_se_s)),) if self._min_se_s > MIN_SE_S else ()
        return (("Session-Expires", value), *least)

    def learn_minimum(self, response: Response) -> bool:
        """Take the Min-SE of a 422; False when asking again would bring nothing new (§7.3)."""
        least_s = read_min_se(response)
        if least_s <= self._min_se_s:
            return False
        self._min_se_s = least_s
        return True

    def accept_response(self, response: Response, now: float) -> None:
        """Take the 2xx to a request of ours."""
        asked = read_session_expires(response)
        if asked is None:
            self.stop()
            self.interval_s = 0
        else:
            self._start(asked.interval_s, now, is_refresher=asked.refresher != "uas")

    # The peer's requests

    def accept_request(self, request: Request, now: float) -> Fields:
        """Write what our 2xx to the peer's INVITE or UPDATE says, and act on it."""
        is_known = has_tag(request, "timer")
        interval_s = self._agreed_interval_s(request)
        if not interval_s:
            self.stop()
            self.interval_s = 0
            return ()
        refresher = self._refresher(request) if is_known else "uas"
        self._start(interval_s, now, is_refresher=refresher == "uas")
        fields = (("Session-Expires", f"{interval_s};refresher={refresher}"),)
        return (*fields, ("Require", "timer")) if refresher == "uac" else fields

    def _agreed_interval_s(self, request: Request) -> int:
        """Choose the interval: ours if it is shorter than theirs, not below what they allow."""
        asked, least_s = read_session_expires(request), read_min_se(request)
        own_s = self._core.config.session_expires_s
        if asked is None:
            wanted_s = self.interval_s or own_s or 0
            return max(wanted_s, least_s) if has_tag(request, "timer") and wanted_s else 0
        if asked.interval_s < MIN_SE_S:  # a proxy's, and 422 would not be understood
            return 0
        return asked.interval_s if own_s is None else min(asked.interval_s, max(own_s, least_s))

    def _refresher(self, request: Request) -> str:
        """Leave the task to whoever has it; at first the caller, whose fault is then noticed."""
        asked = read_session_expires(request)
        if asked is not None and asked.refresher:
            return asked.refresher
        return "uas" if self.interval_s and self.is_refresher else "uac"

    # Time

    def retry(self, now: float) -> None:
        """Refresh again soon: the last time it was refused, yet the dialog lives."""
        if self.interval_s and self.is_refresher:
            self._stop_refresh()
            self._refresh = self._core.timers.start(now + _RETRY_S, self._on_refresh)

    def stop(self) -> None:
        """Stop; what was agreed on is remembered."""
        self._stop_refresh()
        if self._expiry is not None:
            self._expiry.stop()

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._on_refresh = self._on_expire = _nothing

    def _stop_refresh(self) -> None:
        if self._refresh is not None:
            self._refresh.stop()

    def _start(self, interval_s: int, now: float, *, is_refresher: bool) -> None:
        self.stop()
        self.interval_s = interval_s = max(interval_s, MIN_SE_S)
        self.is_refresher = is_refresher
        if is_refresher:
            self._refresh = self._core.timers.start(now + interval_s / 2, self._on_refresh)
        until_s = interval_s - min(_MARGIN_S, interval_s / 3)
        self._expiry = self._core.timers.start(now + until_s, self._on_expire)


def _nothing(_now: float) -> None:
    """Do nothing."""


def _number(message: Message, key: str) -> int | None:
    value = (message.first(key) or "").partition(";")[0].strip()
    is_number = value.isascii() and value.isdigit() and len(value) <= 10
    return min(int(value), MAX_SE_S) if is_number else None
