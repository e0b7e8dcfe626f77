"""What a UAS looks at before it processes a request (RFC 3261 §8.2)."""

from typing import NamedTuple

from intercom.errors import RemoteProtocolError
from intercom.sip.headers import is_token, parse_via, split_list
from intercom.sip.message import Request, Response
from intercom.sip.uri import parse_uri

_SINGLE = ("from", "to", "call-id", "cseq")
_BODY_TYPE = "application/sdp"
_ACCEPTABLE = {_BODY_TYPE, "application/*", "*/*"}


class Refusal(NamedTuple):
    """Why a request is not processed."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()


def inspect(request: Request) -> Refusal | None:
    """Find the first thing that is wrong with a request."""
    if request.version != "2.0":
        return Refusal(505)
    try:
        _check_syntax(request)
        return _inspect(request)
    except RemoteProtocolError as error:
        return Refusal(error.status_hint)


def _inspect(request: Request) -> Refusal | None:
    parse_uri(request.uri)
    required = request.listed("require")
    if required and request.method not in {"ACK", "CANCEL"}:
        return Refusal(420, (("Unsupported", ", ".join(required)),))
    if request.method == "INVITE":
        return _inspect_invite(request)
    return None


def check_response(response: Response) -> None:
    """Raise RemoteProtocolError on a response that nothing could be done with."""
    for key in _SINGLE:
        response.required(key)
    if not _are_tokens(response.from_.tag, response.to.tag):
        raise RemoteProtocolError("tag is no token")
    response.listed("record-route")


def _check_syntax(request: Request) -> None:
    """Raise RemoteProtocolError with `status_hint` 400 on the first fault."""
    headers = request.headers
    for key in _SINGLE:
        if len(headers.get(key, ())) != 1 or not headers[key][0]:
            raise RemoteProtocolError("not exactly one " + key)
    _check_vias(headers["via"])
    if request.cseq.method != request.method:
        raise RemoteProtocolError("CSeq has another method")
    if not _are_tokens(request.from_.tag, request.to.tag):
        raise RemoteProtocolError("tag is no token")
    if (request.number("max-forwards") or 0) > 255:
        raise RemoteProtocolError("Max-Forwards out of range")
    _check_length(request)
    request.listed("record-route")
    if "contact" in headers and headers["contact"][0] != "*":
        request.contact  # noqa: B018 - raises if it cannot be read


def _check_vias(lines: list[str]) -> None:
    if len(lines) > 1 or "," in lines[0]:
        for line in lines:
            for value in split_list(line):
                parse_via(value)


def _are_tokens(*tags: str) -> bool:
    return all(is_token(tag) for tag in tags if tag)


def _check_length(request: Request) -> None:
    lengths = request.headers.get("content-length")
    if not lengths:
        return
    if len(set(lengths)) > 1:
        raise RemoteProtocolError("contradicting Content-Length")
    if (request.number("content-length") or 0) > len(request.body):
        raise RemoteProtocolError("body is cut off")


def _inspect_invite(request: Request) -> Refusal | None:
    if request.number("max-forwards") == 0:
        return Refusal(483)  # we call on, so a loop through us must end here
    encoding = request.first("content-encoding")
    if encoding and encoding.lower() != "identity":
        return Refusal(415, (("Accept-Encoding", "identity"),))
    if request.body and request.content_type != _BODY_TYPE:
        return Refusal(415, (("Accept", _BODY_TYPE),))
    accepted = {value.partition(";")[0].strip().lower() for value in request.listed("accept")}
    if accepted and not accepted & _ACCEPTABLE:
        return Refusal(406)
    return None
