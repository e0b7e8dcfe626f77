"""What a UAS looks at before it processes a request (RFC 3261 §8.2)."""

from typing import NamedTuple

from intercom.errors import RemoteProtocolError
from intercom.sip.core import SUPPORTED
from intercom.sip.headers import is_token, parse_via, split_list
from intercom.sip.message import MAX_MESSAGE_BYTES, Message, Request, Response, parse
from intercom.sip.session_timer import MIN_SE_S, is_too_short
from intercom.sip.uri import parse_uri

MAX_BODY_BYTES = 16_384
"""An SDP offer with every codec and candidate has 4,000."""
MAX_URI_CHARACTERS = 2_048
MAX_ROUTES = 70
"""Of Via, Route and Record-Route each: as many hops as Max-Forwards begins with."""
MAX_CONTACTS = 20
_MOST = (
    ("via", MAX_ROUTES),
    ("route", MAX_ROUTES),
    ("record-route", MAX_ROUTES),
    ("contact", MAX_CONTACTS),
)
MAX_STRUCTURED_CHARACTERS = 8_192
"""Of all lines of one header that is taken apart: 70 hops of 100 characters. Strangers' are, too, and
60 kB of parameters took 45 ms on a busy machine."""
_STRUCTURED = (
    *("via", "from", "to", "contact", "route", "record-route", "authorization"),
    *("accept", "require", "supported", "allow", "www-authenticate", "proxy-authenticate"),
)
TOO_LARGE = frozenset({413, 414, 513})
_BEGINNING_LINES = 60
_BEGINNING_BYTES = 8_192
_SINGLE = ("from", "to", "call-id", "cseq")
_BODY_TYPE = "application/sdp"
_EXTENSIONS = {
    "REGISTER": frozenset({"outbound"}),
    "INVITE": frozenset(SUPPORTED),
    "UPDATE": frozenset({"timer"}),
}
"""What a request may require, by method."""
_ACCEPTABLE = {_BODY_TYPE, "application/*", "*/*"}


class Refusal(NamedTuple):
    """Why a request is not processed."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()


def inspect(request: Request, *, is_stream: bool = False) -> Refusal | None:
    """Find the first thing that is wrong with a request, which may have come over a stream."""
    if request.version != "2.0":
        return Refusal(505)
    try:
        _check_syntax(request, is_stream=is_stream)
        return _inspect(request)
    except RemoteProtocolError as error:
        return Refusal(error.status_hint)


def _inspect(request: Request) -> Refusal | None:
    too_large = _find_too_large(request)
    if too_large is not None:
        return too_large
    parse_uri(request.uri)
    if "require" in request.headers and request.method not in {"ACK", "CANCEL"}:
        known = _EXTENSIONS.get(request.method, ())
        foreign = [word for word in request.listed("require") if word.lower() not in known]
        if foreign:
            return Refusal(420, (("Unsupported", ", ".join(foreign)),))
    if request.method in {"INVITE", "UPDATE"} and is_too_short(request):
        return Refusal(422, (("Min-SE", str(MIN_SE_S)),))
    if request.method == "INVITE":
        return _inspect_invite(request)
    return None


def beginning_of(data: bytes) -> Request | None:
    """Read the first lines of a request that is too large to be read; None if that fails, too."""
    head = data[:_BEGINNING_BYTES].lstrip(b"\r\n").replace(b"\r\n", b"\n")
    head, end, _ = head.partition(b"\n\n")
    lines = head.split(b"\n")
    if not end:
        lines.pop()  # it may be cut off
    try:
        request = parse(b"\n".join(lines[:_BEGINNING_LINES]))
        if not isinstance(request, Request) or request.method == "ACK":
            return None
        request.via  # noqa: B018 - raises if it cannot be read
    except RemoteProtocolError:
        return None
    request.size_bytes = len(data)
    return request


def _find_too_large(request: Request) -> Refusal | None:
    """Find the first limit of size or number that a request is above."""
    headers = request.headers
    if len(request.body) > MAX_BODY_BYTES:
        return Refusal(413)
    if len(request.uri) > MAX_URI_CHARACTERS:
        return Refusal(414)
    for key, most in _MOST:
        lines = headers.get(key)
        if lines is not None and _count(lines) > most:
            return Refusal(413)
    return None


def _count(lines: list[str]) -> int:
    """Count the values of a header, or rather their commas: no fewer than there are."""
    if len(lines) == 1:
        return lines[0].count(",") + 1
    return sum(line.count(",") for line in lines) + len(lines)


def check_length(message: Message) -> None:
    """Raise RemoteProtocolError if a header that is taken apart is too long for that."""
    if message.size_bytes <= MAX_STRUCTURED_CHARACTERS:
        return
    headers = message.headers
    for key in _STRUCTURED:
        if key in headers and sum(map(len, headers[key])) > MAX_STRUCTURED_CHARACTERS:
            raise RemoteProtocolError("header too long: " + key, status_hint=413)


def check_response(response: Response) -> None:
    """Raise RemoteProtocolError on a response that nothing could be done with."""
    for key in _SINGLE:
        response.required(key)
    if not _are_tokens(response.from_.tag, response.to.tag):
        raise RemoteProtocolError("tag is no token")
    if "record-route" in response.headers:
        response.listed("record-route")


def _check_syntax(request: Request, *, is_stream: bool) -> None:
    """Raise RemoteProtocolError on the first fault; its `status_hint` is 400 for most."""
    headers = request.headers
    for key in _SINGLE:
        lines = headers.get(key)
        if lines is None or len(lines) != 1 or not lines[0]:
            raise RemoteProtocolError("not exactly one " + key)
    _check_vias(headers["via"])
    if request.cseq.method != request.method:
        raise RemoteProtocolError("CSeq has another method")
    if not _are_tokens(request.from_.tag, request.to.tag):
        raise RemoteProtocolError("tag is no token")
    if (request.number("max-forwards") or 0) > 255:
        raise RemoteProtocolError("Max-Forwards out of range")
    _check_length(request, is_stream=is_stream)
    if "record-route" in headers:
        request.listed("record-route")
    if "contact" in headers and headers["contact"][0] != "*":
        request.contact  # noqa: B018 - raises if it cannot be read


def _check_vias(lines: list[str]) -> None:
    if len(lines) > 1 or "," in lines[0]:
        for line in lines:
            for value in split_list(line):
                parse_via(value)


def _are_tokens(*tags: str) -> bool:
    return not [tag for tag in tags if tag and not is_token(tag)]


def _check_length(request: Request, *, is_stream: bool) -> None:
    lengths = request.headers.get("content-length")
    if not lengths:
        if is_stream:
            raise RemoteProtocolError("no Content-Length on a stream")
        return
    if len(set(lengths)) > 1:
        raise RemoteProtocolError("contradicting Content-Length")
    length = request.number("content-length") or 0
    if length > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError("message too large", status_hint=513)
    if length > len(request.body):
        raise RemoteProtocolError("body is cut off")


def _inspect_invite(request: Request) -> Refusal | None:
    if request.number("max-forwards") == 0:
        return Refusal(483)  # we call on, so a loop through us must end here
    encoding = request.first("content-encoding")
    if encoding and encoding.lower() != "identity":
        return Refusal(415, (("Accept-Encoding", "identity"),))
    if request.body and request.content_type != _BODY_TYPE:
        return Refusal(415, (("Accept", _BODY_TYPE),))
    accepted = request.listed("accept")
    names = {value.partition(";")[0].strip().lower() for value in accepted} if accepted else ()
    if names and not _ACCEPTABLE.intersection(names):
        return Refusal(406)
    return None
