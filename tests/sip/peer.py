"""What the hand-written peer says in a dialog that we began, and in answer to what we said."""

from tests.sip import wire
from tests.sip.wire import Bench, header, request, tag_of

RELIABLE = "Require: 100rel\r\nRSeq: {}\r\nContact: <sip:door@192.0.2.9:5060>\r\n"


def from_callee(
    rig: Bench,
    method: str,
    *,
    cseq: int = 8,
    tag: str = "peertag",
    branch: str = "",
    body: bytes = b"",
    extra: str = "",
) -> bytes:
    """Write a request of whoever we called, within the dialog."""
    invite = rig.newest("INVITE")
    return request(
        method,
        branch=branch or f"z9hG4bK{method}{cseq}{tag}",
        call_id=header(invite, "Call-ID"),
        from_tag=tag,
        to_tag=tag_of(header(invite, "From")),
        cseq=cseq,
        body=body,
        extra=extra,
    )


def from_caller(
    method: str, tag: str, *, cseq: int = 2, body: bytes = b"", extra: str = "", branch: str = ""
) -> bytes:
    """Write a request of whoever called us, within the dialog."""
    branch = branch or f"z9hG4bK{method}{cseq}"
    return request(method, branch=branch, to_tag=tag, cseq=cseq, body=body, extra=extra)


def reliable(invite: bytes, rseq: int, *, status: int = 183, tag: str = "peertag", body=b""):
    """Write a reliable provisional."""
    return wire.response(invite, status, tag=tag, extra=RELIABLE.format(rseq), body=body)


def prack(response: bytes, *, cseq: int = 2, body: bytes = b"", rack: str = "") -> bytes:
    """Write the PRACK for a reliable provisional of ours."""
    number, method = header(response, "CSeq").split()
    rack = rack or f"{header(response, 'RSeq')} {number} {method}"
    tag = tag_of(header(response, "To"))
    return from_caller("PRACK", tag, cseq=cseq, body=body, extra=f"RAck: {rack}\r\n")
