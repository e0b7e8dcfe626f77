"""Structlog set up so that a log line cannot tell who was called, who opened, or any secret.

    event → bound fields → secrets masked → of a residential property: only fields on a list → written

The last rule holds by construction (requirement A12): an event that is not bound to a commercial
property loses every field that is not on `HARMLESS_FIELDS`, so a new field is private until somebody
decides otherwise, and what happens in its calls is written only when it is a fault. To see a call,
look at its trace (`intercom trace`), which never leaves memory.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

PROPERTY_KIND = "property_kind"
"""Bind this to "commercial" (`bind_contextvars`) to have an event written whole."""

HARMLESS_FIELDS = frozenset(
    {"event", "level", "timestamp"}  # every line
    | {"logger", "where", "library_text", "error_type", "raised_at"}  # faults
    | {"version", "sip_port", "http_port"}
    | {"setting", "settings_file", "building_file", "control_socket"}
    | {"added", "changed", "removed", "warnings", "calls", "count", "dropped", "limit"}  # counts
    | {"remedy"}  # words that are the same whoever was called
    | {"elapsed_ms", "signal", "status", "method", "transport", "trunk_id"}
)
SERVICE_NOUNS = frozenset(
    {"service", "settings", "building", "trunk", "sip", "http", "web", "media", "control", "link"}
    | {"library", "log"}
)
"""Of these, info is the service's own life; of anything else only warnings and errors are written."""

_MASK = "********"
_SECRET_NAME = re.compile(
    r"password|passwd|secret|authorization|credential|cookie|token|nonce|digest_response"
    r"|private_key|ice_pwd|ice_ufrag|fingerprint|session_id|^response$|^pin$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"""(?P<kept>
        (?:proxy-)?authorization\s*:\s* | (?:set-)?cookie\s*:\s*
      | a=(?:ice-pwd|ice-ufrag|fingerprint|crypto)\s*:\s*
    )[^\r\n]+
    | (?P<name>\b(?:password|passwd|secret|token|nonce|cnonce|response|pin)["']?\s*[=:]\s*)
      (?:"[^"]*"|'[^']*'|[^\s,;&]+)
    | (?P<scheme>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}
    | (?P<url>\b[a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+(?=@)""",
    re.IGNORECASE | re.VERBOSE,
)
_CONSTANT_NAME = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_LEADING_WORDS = re.compile(r"[A-Za-z ,-]*")
_QUIET_LIBRARIES = {
    "aiohttp.access": logging.CRITICAL,  # one line a request, with addresses
    "aioice": logging.WARNING,  # every candidate pair
    "aiortc": logging.WARNING,
    "alembic": logging.WARNING,  # its own steps; what came of them is told by the service
    "aiosqlite": logging.WARNING,  # two lines a statement, with its values
    "asyncio": logging.WARNING,
    "libav": logging.ERROR,
}
_DEEPEST_TRACEBACK = 30
_SCALARS = (str, int, float, type(None))


def configure(level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Set logging up for the whole process; `log_format` is json or console."""
    target = sys.stderr if stream is None else stream
    number = logging.getLevelNamesMapping()[level.upper()]
    render: Processor
    if log_format == "json":
        render = structlog.processors.JSONRenderer(default=str)
    else:
        is_terminal = target.isatty()
        render = structlog.dev.ConsoleRenderer(colors=is_terminal, pad_event_to=28)
    structlog.configure(
        processors=[*processors(), render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[LibraryHandler()], level=number, force=True)
    for name, floor in _QUIET_LIBRARIES.items():
        logging.getLogger(name).setLevel(max(floor, number))


def processors() -> list[Processor]:
    """Give the chain before the renderer: what a line must pass through to be written."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        describe_exception,
        mask_secrets,
        redact,
    ]


def describe_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Turn exc_info into the error's type and places; its words only for a commercial property."""
    error = _exception_of(event.pop("exc_info", None))
    if error is None:
        return event
    event["error_type"] = " < ".join(type(one).__qualname__ for one in _chain(error))
    event["raised_at"] = _places(error)
    event["error_text"] = "; ".join(str(one) for one in _chain(error))
    return event


def mask_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Mask passwords, digest responses, tokens, cookies and ICE secrets, by name and in text."""
    return {name: _masked(name, value) for name, value in event.items()}


def redact(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Of anything but a commercial property keep harmless fields alone, and of its calls faults."""
    kind = event.pop(PROPERTY_KIND, None)
    if getattr(kind, "value", kind) == "commercial":
        return event
    noun = str(event.get("event", "")).partition(".")[0]
    is_fault = level in ("warning", "error", "critical", "exception")
    if noun not in SERVICE_NOUNS and not is_fault:
        raise structlog.DropEvent
    kept = {
        name: value
        for name, value in event.items()
        if name in HARMLESS_FIELDS and (name == "raised_at" or isinstance(value, _SCALARS))
    }
    if not _CONSTANT_NAME.fullmatch(str(kept.get("event", ""))):
        kept["event"] = "log.unnamed"  # free text in place of an event's name could say anything
    return kept


class LibraryHandler(logging.Handler):
    """Takes what libraries log by `logging` into structlog, without the data in their messages."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library.logged",
            logger=record.name,
            where=f"{Path(record.pathname).name}:{record.lineno}",
            library_text=_words_of(record),
            exc_info=record.exc_info,
        )


def _words_of(record: logging.LogRecord) -> str:
    """Keep a message's constant part: its template, or the words before any data in it."""
    first_line = str(record.msg).partition("\n")[0]
    if record.args:
        return first_line
    leading = _LEADING_WORDS.match(first_line)
    return leading.group().strip() if leading else ""


def _exception_of(exc_info: object) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case True:
            return sys.exception()
        case _:
            return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk an error, what it groups and what caused it; each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        waiting.append(one.__cause__ or (None if one.__suppress_context__ else one.__context__))


def _places(error: BaseException) -> list[str]:
    """List file, line and function, the innermost first, without source text or values."""
    places = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        for one in _chain(error)
        for frame in reversed(traceback.extract_tb(one.__traceback__))
    ]
    return places[:_DEEPEST_TRACEBACK]


def _masked(name: str, value: Any) -> Any:  # noqa: ANN401 - a field may hold anything
    if name != "event" and _SECRET_NAME.search(name):
        return _MASK
    match value:
        case str():
            return _SECRET_TEXT.sub(_mask_text, value)
        case bytes():
            return _SECRET_TEXT.sub(_mask_text, value.decode("utf-8", "replace"))
        case dict():
            return {key: _masked(str(key), inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(name, inner) for inner in value]
        case _:
            return value


def _mask_text(found: re.Match[str]) -> str:
    kept = next((group for group in found.groups() if group), "")
    return kept + _MASK
