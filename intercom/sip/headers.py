"""Header fields: their names, and the values that have a structure (RFC 3261 §20, §25)."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from intercom.errors import RemoteProtocolError

_COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
_LONG = (
    *_COMPACT.values(),
    "Accept",
    "Accept-Encoding",
    "Allow",
    "Authorization",
    "CSeq",
    "Content-Disposition",
    "Content-Language",
    "Date",
    "Diversion",
    "Expires",
    "MIME-Version",
    "Max-Forwards",
    "Min-Expires",
    "Min-SE",
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Privacy",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "RAck",
    "RSeq",
    "Reason",
    "Record-Route",
    "Remote-Party-ID",
    "Require",
    "Retry-After",
    "Route",
    "Server",
    "Timestamp",
    "Unsupported",
    "User-Agent",
    "WWW-Authenticate",
    "Warning",
)
KEYS = {name: name.lower() for name in _LONG}
"""The usual spellings of names, to long ones in lower case; `key_of` knows the others."""
KEYS |= {name.lower(): name.lower() for name in _LONG}
KEYS |= {short: name.lower() for short, name in _COMPACT.items()}
KEYS |= {short.upper(): name.lower() for short, name in _COMPACT.items()}

REMEMBERED = 1_000
REMEMBERED_CHARACTERS = 200
"""From, To, Contact and sent-by come again in every message of a call: what they mean is remembered.

A longer value is no usual one, and would let a stranger fill the memory.
"""

# Possessive quantifiers: no input may make these backtrack.
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_PIECE = re.compile(r'(?:[^",<]|"(?:[^"\\]|\\.)*"|<[^>]*>)*')
_PARAM = re.compile(r'\s*+([^\s=;"]++)\s*+(?:=\s*+("(?:[^"\\]|\\.)*+"|[^\s;"]*+)\s*+)?(?:;|$)')
_VIA = re.compile(
    r"SIP\s*+/\s*+[0-9]+\.[0-9]+\s*+/\s*+([A-Za-z0-9.!%*_+`'~-]+)\s++"
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)\s*+(?::\s*+([0-9]{1,5})\s*+)?",
    re.IGNORECASE,
)
_AUTH_PARAM = re.compile(r'\s*+([A-Za-z0-9_-]++)\s*+=\s*+("(?:[^"\\]|\\.)*+"|[^\s,"]*+)\s*+(?:,|$)')


class Via(NamedTuple):
    """One Via value."""

    transport: str
    host: str
    """With brackets, if IPv6."""
    port: int | None
    params: dict[str, str]
    """Names in lower case, values as written."""

    @property
    def branch(self) -> str:
        return self.params.get("branch", "")

    @property
    def sent_by(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


class NameAddress(NamedTuple):
    """A value of From, To, Contact, Route or Record-Route."""

    display: str
    uri: str
    params: Mapping[str, str]

    @property
    def tag(self) -> str:
        return self.params.get("tag", "")


class CSeq(NamedTuple):
    """Sequence number and method."""

    number: int
    method: str


def key_of(name: str) -> str:
    """Give a header's long name in lower case; raise RemoteProtocolError if it is no token."""
    key = KEYS.get(name)
    if key is not None:
        return key
    if _TOKEN.fullmatch(name) is None:
        raise RemoteProtocolError("header name is no token")
    key = name.lower()
    return KEYS.get(key, key)


def is_token(text: str) -> bool:
    """Tell whether `text` is a token."""
    return _TOKEN.fullmatch(text) is not None


def split_list(value: str) -> list[str]:
    """Split at commas that stand neither in quotes nor in angle brackets."""
    if "," not in value:
        return [value]
    if '"' not in value and "<" not in value:
        return [piece.strip() for piece in value.split(",")]
    pieces: list[str] = []
    position = 0
    while position <= len(value):
        match = _PIECE.match(value, position)
        assert match is not None
        if match.end() < len(value) and value[match.end()] != ",":
            raise RemoteProtocolError("quotes or brackets do not balance")
        pieces.append(match[0].strip())
        position = match.end() + 1
    return pieces


def parse_params(text: str) -> dict[str, str]:
    """Parse `name=value;name`, lower-casing the names; raise RemoteProtocolError."""
    params: dict[str, str] = {}
    if '"' not in text:
        for part in text.split(";"):
            name, _, value = part.partition("=")
            name = name.strip().lower()
            if name:
                params.setdefault(name, value.strip())
            elif part.strip():
                raise RemoteProtocolError("parameter without a name")
        return params
    position = 0
    text = text.rstrip("; \t")
    while position < len(text):
        match = _PARAM.match(text, position)
        if match is None:
            raise RemoteProtocolError("parameter cannot be read")
        params.setdefault(match[1].lower(), match[2] or "")
        position = match.end()
    return params


def parse_via(value: str) -> Via:
    """Parse one Via value; raise RemoteProtocolError."""
    sender, _, params = value.partition(";")
    is_usual = len(sender) <= REMEMBERED_CHARACTERS
    transport, host, port = _remembered_sender(sender) if is_usual else _parse_sender(sender)
    return Via(transport, host, port, parse_params(params) if params else {})


def _parse_sender(text: str) -> tuple[str, str, int | None]:
    """Parse a Via as far as its parameters: transport, host, port."""
    match = _VIA.fullmatch(text)
    if match is None:
        raise RemoteProtocolError("Via cannot be read")
    transport, host, port = match.groups()
    return transport.upper(), host, int(port) if port else None


_remembered_sender = lru_cache(maxsize=REMEMBERED)(_parse_sender)


def parse_name_address(value: str) -> NameAddress:
    """Parse `"Name" <uri>;params` or `uri;params`; raise RemoteProtocolError."""
    is_usual = len(value) <= REMEMBERED_CHARACTERS
    return _remembered_address(value) if is_usual else _parse_address(value)


def _parse_address(value: str) -> NameAddress:
    start = 0
    if value.startswith('"'):
        quoted = _QUOTED.match(value)
        if quoted is None:
            raise RemoteProtocolError("quotes do not balance")
        start = quoted.end()
    left = value.find("<", start)
    if left < 0:
        return _parse_bare(value, start)
    right = value.find(">", left)
    display = value[:left].strip()
    rest = value[right + 1 :].strip()
    if right < 0 or (rest and rest[0] != ";"):
        raise RemoteProtocolError("address cannot be read")
    if '"' in display:
        if start == 0 or value[start:left].strip():
            raise RemoteProtocolError("quotes do not balance")
        display = unquoted(display)
    return NameAddress(
        display, value[left + 1 : right].strip(), parse_params(rest[1:]) if rest else {}
    )


_remembered_address = lru_cache(maxsize=REMEMBERED)(_parse_address)


def _parse_bare(value: str, start: int) -> NameAddress:
    """Parse an address without brackets: semicolons begin the header's own parameters."""
    uri, _, rest = value.partition(";")
    uri = uri.strip()
    if start or not uri or any(mark in uri for mark in '?, ">'):
        raise RemoteProtocolError("address cannot be read")
    return NameAddress("", uri, parse_params(rest) if rest else {})


def parse_cseq(value: str) -> CSeq:
    """Parse CSeq; raise RemoteProtocolError. RFC 3261 §8.1.1.5: less than 2**31."""
    parts = value.split()
    if len(parts) != 2 or not parts[0].isascii() or not parts[0].isdigit():
        raise RemoteProtocolError("CSeq cannot be read")
    if len(parts[0]) > 10 or int(parts[0]) >= 2**31:
        raise RemoteProtocolError("CSeq out of range")
    return CSeq(int(parts[0]), parts[1])


def parse_auth(value: str) -> tuple[str, dict[str, str]]:
    """Parse `Scheme name=value, …` of a challenge or of credentials; scheme in lower case."""
    scheme, _, text = value.strip().partition(" ")
    params: dict[str, str] = {}
    position = 0
    text = text.strip()
    while position < len(text):
        match = _AUTH_PARAM.match(text, position)
        if match is None:
            raise RemoteProtocolError("authentication parameters cannot be read")
        params.setdefault(match[1].lower(), unquoted(match[2]))
        position = match.end()
    return scheme.lower(), params


def unquoted(text: str) -> str:
    """Take quotes and escapes off."""
    if len(text) < 2 or text[0] != '"':
        return text
    text = text[1:-1]
    return re.sub(r"\\(.)", r"\1", text) if "\\" in text else text


def quoted(text: str) -> str:
    """Put quotes and escapes on."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def reason_field(text: str) -> tuple[tuple[str, str], ...]:
    """Write a Reason header (RFC 3326), or none for an empty text."""
    return (("Reason", f"SIP;cause=200;text={quoted(text)}"),) if text else ()
