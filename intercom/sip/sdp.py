"""Session descriptions (RFC 8866): parse leniently, serialise strictly; no meaning is given to them here."""

import re
from dataclasses import dataclass, field
from enum import Enum

from intercom.errors import RemoteProtocolError

MAX_SDP_BYTES = 16_384
MAX_MEDIA = 16
MAX_LINES = 500
_MEDIA_LINE = re.compile(r"(\S+)\s+([0-9]{1,5})(?:/[0-9]+)?\s+(\S+)\s*(.*)")
_TIME = re.compile(r"[0-9]{1,12} [0-9]{1,12}")
_CONNECTION = re.compile(r"IN\s+IP([46])\s+([^\s/]+)", re.IGNORECASE)


class Direction(Enum):
    """Which way media flows, seen from whoever wrote the description (RFC 8866 §6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def can_send(self) -> bool:
        return self is Direction.SENDRECV or self is Direction.SENDONLY

    @property
    def can_receive(self) -> bool:
        return self is Direction.SENDRECV or self is Direction.RECVONLY

    @staticmethod
    def of(*, can_send: bool, can_receive: bool) -> "Direction":
        """Name the direction that allows just this."""
        if can_send:
            return Direction.SENDRECV if can_receive else Direction.SENDONLY
        return Direction.RECVONLY if can_receive else Direction.INACTIVE


_DIRECTIONS = {direction.value: direction for direction in Direction}


@dataclass(slots=True)
class MediaDescription:
    """One m-line with what belongs to it."""

    kind: str
    port: int
    protocol: str
    formats: list[str]
    host: str
    """Of the m-line's own c-line, else of the session's; empty when there was none."""
    attributes: list[tuple[str, str]] = field(default_factory=list, repr=False)
    """Not shown: `a=crypto` holds keys."""
    direction: Direction = Direction.SENDRECV
    _codecs: dict[str, tuple[str, int, bool]] | None = field(
        default=None, init=False, repr=False, compare=False
    )
    """`rtpmap` by payload type, read when first asked for: every format is looked up three times."""

    def values(self, name: str) -> list[str]:
        """List the values of all attributes with this name."""
        return [value for key, value in self.attributes if key == name]

    def value(self, name: str) -> str | None:
        """Return the first such attribute's value."""
        return next((value for key, value in self.attributes if key == name), None)

    def codec(self, payload_type: str) -> tuple[str, int] | None:
        """Look up `rtpmap`: encoding name in upper case and clock rate in Hz."""
        found = self._rtpmaps().get(payload_type)
        return None if found is None else found[:2]

    def is_mono(self, payload_type: str) -> bool:
        """Tell whether `rtpmap` names one channel, or none (RFC 8866 §6.6)."""
        found = self._rtpmaps().get(payload_type)
        return found is None or found[2]

    def _rtpmaps(self) -> dict[str, tuple[str, int, bool]]:
        """Read name, clock rate and whether it is mono; of several for one number the first counts."""
        if self._codecs is None:
            self._codecs = {}
            for value in self.values("rtpmap"):
                number, _, encoding = value.partition(" ")
                name, *rest = encoding.strip().split("/")
                clock_hz = int(rest[0]) if rest and is_number(rest[0], 7) else 0
                self._codecs.setdefault(number, (name.upper(), clock_hz, rest[1:] in ([], ["1"])))
        return self._codecs

    def parameters(self, payload_type: str) -> dict[str, str]:
        """Read `fmtp` of the `name=value;…` kind; names in lower case."""
        for value in self.values("fmtp"):
            number, _, text = value.partition(" ")
            if number == payload_type:
                pairs = (part.partition("=") for part in text.split(";"))
                return {name.strip().lower(): value.strip() for name, _, value in pairs}
        return {}


@dataclass(slots=True)
class SessionDescription:
    """A whole description."""

    media: list[MediaDescription]
    session_id: str = "0"
    session_version: str = "0"
    time: str = "0 0"
    """The t-line, which an answer repeats (RFC 3264 §6)."""


def is_number(text: str, max_digits: int) -> bool:
    """Tell whether `text` is a plain decimal of at most so many digits."""
    return 0 < len(text) <= max_digits and text.isascii() and text.isdigit()


def parse(body: bytes) -> SessionDescription:
    """Parse an application/sdp body; raise RemoteProtocolError when it is none."""
    if len(body) > MAX_SDP_BYTES:
        raise RemoteProtocolError("session description too long", status_hint=413)
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_LINES or not lines[0].strip().startswith("v="):
        raise RemoteProtocolError("not a session description")
    session = SessionDescription([])
    shared = MediaDescription("", 0, "", [], "")
    current = shared
    for line in lines:
        key, _, value = line.strip().partition("=")
        value = value.strip()
        if key == "a":  # most lines are
            _add_attribute(current, value)
        elif key == "m":
            current = _media_line(value, shared)
            session.media.append(current)
        elif key == "c":
            current.host = _connection_host(value)
        else:
            _read_session_line(session, key, value)
    if len(session.media) > MAX_MEDIA:
        raise RemoteProtocolError("too many media descriptions", status_hint=413)
    return session


def _read_session_line(session: SessionDescription, key: str, value: str) -> None:
    if key == "o":
        _read_origin(session, value)
    elif key == "t" and _TIME.fullmatch(value):
        session.time = value


def _media_line(value: str, shared: MediaDescription) -> MediaDescription:
    match = _MEDIA_LINE.fullmatch(value)
    if match is None or int(match[2]) > 65_535:
        raise RemoteProtocolError("media line cannot be read")
    return MediaDescription(
        kind=match[1].lower(),
        port=int(match[2]),
        protocol=match[3].upper(),
        formats=match[4].split(),
        host=shared.host,
        direction=shared.direction,
    )


def _connection_host(value: str) -> str:
    match = _CONNECTION.match(value)
    if match is None:
        raise RemoteProtocolError("connection line cannot be read")
    return match[2]


def _add_attribute(media: MediaDescription, text: str) -> None:
    name, _, value = text.partition(":")
    name = name.strip().lower()
    if name in _DIRECTIONS:
        media.direction = _DIRECTIONS[name]
    else:
        media.attributes.append((name, value.strip()))


def _read_origin(session: SessionDescription, value: str) -> None:
    parts = value.split()
    if len(parts) >= 3:
        session.session_id, session.session_version = parts[1], parts[2]


def serialise(
    host: str,
    session_id: int,
    session_version: int,
    media: list[MediaDescription],
    time: str = "0 0",
) -> bytes:
    """Write a description with one connection line for all of it."""
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- {session_id} {session_version} IN {family} {host}",
        "s=-",
        f"c=IN {family} {host}",
        f"t={time}",
    ]
    for item in media:
        lines.append(f"m={item.kind} {item.port} {item.protocol} {' '.join(item.formats)}")
        if item.port:
            lines += [
                f"a={name}:{value}" if value else f"a={name}" for name, value in item.attributes
            ]
            lines.append(f"a={item.direction.value}")
    return ("\r\n".join(lines) + "\r\n").encode()
