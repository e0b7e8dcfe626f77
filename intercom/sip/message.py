"""SIP messages (RFC 3261 §7): a lenient, quick parser and the serialiser of our responses.

Header lines are split once; what has a structure is parsed when it is asked for. Bytes from outside
raise only RemoteProtocolError.
"""

import re
from collections.abc import Iterable
from itertools import islice

from intercom.errors import LocalProtocolError, RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.headers import (
    KEYS,
    CSeq,
    NameAddress,
    Via,
    is_token,
    key_of,
    parse_cseq,
    parse_name_address,
    parse_via,
    split_list,
)

MAX_MESSAGE_BYTES = 65_536
MAX_HEADERS = 100
_FOLD = re.compile(r"\n[ \t]+")
_VERSION = re.compile(r"SIP/([0-9]{1,3}\.[0-9]{1,3})", re.IGNORECASE)
_STATUS_LINE = re.compile(r"SIP/2\.0 +([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE)

_USUAL_METHODS = frozenset(["INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS", "INFO"])
"""Their plain start lines need no regular expression."""

REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
}


class Message:
    """What requests and responses have in common; the header keys are long names in lower case."""

    __slots__ = ("_cseq", "_from", "_to", "_via", "body", "headers", "size_bytes")

    def __init__(self, headers: dict[str, list[str]], body: bytes) -> None:
        self.headers = headers
        self.body = body
        self.size_bytes = 0
        """Of the datagram."""
        self._via: Via | None = None
        self._from: NameAddress | None = None
        self._to: NameAddress | None = None
        self._cseq: CSeq | None = None

    def first(self, key: str) -> str | None:
        """Return the first value of a header, which may hold a list."""
        values = self.headers.get(key)
        return values[0] if values else None

    def required(self, key: str) -> str:
        """Return the first value of a header; raise RemoteProtocolError when it is not there."""
        values = self.headers.get(key)
        if not values:
            raise RemoteProtocolError("missing header: " + key)
        return values[0]

    def listed(self, key: str) -> list[str]:
        """Return all values of a header that may come as lines, lists or both."""
        values = self.headers.get(key)
        if values is None:
            return []
        return [piece for value in values for piece in split_list(value) if piece]

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            self._via = parse_via(split_list(self.required("via"))[0])
        return self._via

    @property
    def from_(self) -> NameAddress:
        if self._from is None:
            self._from = parse_name_address(self.required("from"))
        return self._from

    @property
    def to(self) -> NameAddress:
        if self._to is None:
            self._to = parse_name_address(self.required("to"))
        return self._to

    @property
    def cseq(self) -> CSeq:
        if self._cseq is None:
            self._cseq = parse_cseq(self.required("cseq"))
        return self._cseq

    @property
    def sip_call_id(self) -> str:
        return self.required("call-id")

    @property
    def contact(self) -> NameAddress | None:
        """The first Contact; raise RemoteProtocolError when it cannot be read."""
        values = self.listed("contact")
        return parse_name_address(values[0]) if values else None

    @property
    def content_type(self) -> str:
        """Without parameters, in lower case."""
        return (self.first("content-type") or "").partition(";")[0].strip().lower()

    def number(self, key: str) -> int | None:
        """Read a header that is a plain number below 2**32; None when it is absent."""
        value = self.first(key)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= 10 and int(value) < 2**32):
            raise RemoteProtocolError("no number: " + key)
        return int(value)


class Request(Message):
    """A request as it came."""

    __slots__ = ("matching", "method", "uri", "version")

    def __init__(
        self, method: str, uri: str, headers: dict[str, list[str]], body: bytes, version: str
    ) -> None:
        super().__init__(headers, body)
        self.method = method
        self.uri = uri
        self.version = version
        self.matching: tuple[tuple[str, ...], tuple[str, ...]] | None = None
        """What its transaction is found by, before and after the method; the transaction layer's own."""


class Response(Message):
    """A response as it came."""

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: str, headers: dict[str, list[str]], body: bytes
    ) -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason


def parse(data: bytes) -> Request | Response:
    """Parse a whole datagram; raise RemoteProtocolError when not even a 400 could be built on it."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError("message too long", status_hint=513)
    if data[:1] in {b"\r", b"\n"}:
        data = data.lstrip(b"\r\n")
    head, body = _split(data)
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1")  # some panels send names in ISO 8859-1
    text = text.replace("\r\n", "\n")
    if "\r" in text:
        text = text.replace("\r", " ")  # a lone CR must not become a line end in our answer
    if "\n " in text or "\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines = text.split("\n")
    headers = _parse_headers(lines)
    lengths = headers.get("content-length")
    if lengths:
        length = lengths[0]
        if length.isascii() and length.isdigit() and len(length) <= 6:
            body = body[: int(length)]  # RFC 3261 §18.3: what follows is not ours
    message = _parse_start(lines[0], headers, body)
    message.size_bytes = len(data)
    return message


def _split(data: bytes) -> tuple[bytes, bytes]:
    end = data.find(b"\r\n\r\n")
    if end >= 0:
        return data[:end], data[end + 4 :]
    end = data.find(b"\n\n")
    if end >= 0:
        return data[:end], data[end + 2 :]
    return data.rstrip(b"\r\n"), b""


def _parse_headers(lines: list[str]) -> dict[str, list[str]]:
    if len(lines) > MAX_HEADERS + 1:
        raise RemoteProtocolError("too many headers", status_hint=413)
    headers: dict[str, list[str]] = {}
    known = KEYS.get
    for line in islice(lines, 1, None):
        name, colon, value = line.partition(":")
        key = known(name)
        if key is None or not colon:
            if not colon:
                raise RemoteProtocolError("header line without a colon")
            key = key_of(name.rstrip())
        if key in headers:
            headers[key].append(value.strip())
        else:
            headers[key] = [value.strip()]
    return headers


def _parse_start(line: str, headers: dict[str, list[str]], body: bytes) -> Request | Response:
    method, _, rest = line.partition(" ")
    if method in _USUAL_METHODS and rest[-8:] == " SIP/2.0":
        uri = rest[:-8]
        if uri and uri.isprintable() and " " not in uri:
            return Request(method, uri, headers, body, "2.0")
    status = _STATUS_LINE.fullmatch(line)
    if status is not None:
        return Response(int(status[1]), (status[2] or "").strip(), headers, body)
    parts = line.split()
    version = _VERSION.fullmatch(parts[-1]) if len(parts) >= 3 else None
    if version is None or not is_token(parts[0]):
        raise RemoteProtocolError("start line cannot be read")
    return Request(parts[0], " ".join(parts[1:-1]), headers, body, version[1])


def check_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Raise LocalProtocolError if a header of our own would break the message apart."""
    for name, value in fields:
        if not is_token(name) or "\r" in value or "\n" in value:
            raise LocalProtocolError("bad header: " + name)


_ECHOED = (("from", "From"), ("call-id", "Call-ID"), ("cseq", "CSeq"))


class ReplyTemplate:
    """What all responses to one request share: Via, From, To, Call-ID and CSeq as they came."""

    __slots__ = ("_has_tag", "_head", "_to", "destination")

    def __init__(self, request: Request, source: Address) -> None:
        via = request.via
        params = via.params
        vias = request.headers["via"]
        lines = [_marked_via(via, source), *split_list(vias[0])[1:], *vias[1:]]
        parts = [f"Via: {line}\r\n" for line in lines]
        parts += [
            f"{name}: {values[0]}\r\n"
            for key, name in _ECHOED
            if (values := request.headers.get(key))  # one may be missing where this is a 400
        ]
        self._head = "".join(parts)
        self._to = request.first("to") or ""
        self._has_tag = "tag=" in self._to.rpartition(">")[2].lower()
        if "rport" in params or source.transport.is_stream:
            self.destination = source
        else:
            self.destination = source._replace(port=via.port or 5060)
        """RFC 3581 §4, RFC 3261 §18.2.2; never another host than the source, so no `maddr`.

        It goes back the way it came, whatever transport the Via claims.
        """

    def build(
        self,
        status: int,
        tag: str,
        *,
        reason: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> bytes:
        """Write a response; `tag` goes to To unless the request had one there or `status` is 100."""
        words = REASONS.get(status, "") if reason is None else reason
        mark = "" if self._has_tag or status == 100 else f";tag={tag}"
        to = f"To: {self._to}{mark}\r\n" if self._to else ""
        extra = "".join([f"{name}: {value}\r\n" for name, value in fields])
        return (
            f"SIP/2.0 {status} {words}\r\n{self._head}{to}{extra}"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def _marked_via(via: Via, source: Address) -> str:
    """Write the top Via with where the request really came from (RFC 3581 §4)."""
    params = dict(via.params)
    if "rport" in params:
        params["rport"] = str(source.port)
    if "rport" in params or via.host.strip("[]").lower() != source.host:
        params["received"] = source.host
    tail = "".join([f";{name}={value}" if value else f";{name}" for name, value in params.items()])
    return f"SIP/2.0/{via.transport} {via.sent_by}{tail}"
