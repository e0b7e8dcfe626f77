"""Requests of our own, before they are bytes: what a retry, an ACK or a CANCEL is made from."""

from typing import NamedTuple

from intercom.sip.message import Response

MAX_FORWARDS = 70  # RFC 3261 §8.1.1.6
BRANCH_COOKIE = "z9hG4bK"  # RFC 3261 §8.1.1.7


class RequestDraft(NamedTuple):
    """One request; `from_` and `to` are whole header values with their tags.

    A tuple, because each call makes several, and a frozen dataclass takes four times as long.
    """

    method: str
    uri: str
    sent_by: str
    """`TRANSPORT host:port` of the Via."""
    branch: str
    from_: str
    to: str
    sip_call_id: str
    cseq: int
    routes: tuple[str, ...] = ()
    credentials: tuple[tuple[str, str], ...] = ()
    """Authorization and Proxy-Authorization."""
    fields: tuple[tuple[str, str], ...] = ()
    """Further headers, Content-Type among them."""
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """Write it."""
        routes = [("Route", route) for route in self.routes] if self.routes else ()
        rest = (*routes, *self.credentials, *self.fields)
        extra = "".join([f"{name}: {value}\r\n" for name, value in rest])
        return (
            f"{self.method} {self.uri} SIP/2.0\r\n"
            f"Via: SIP/2.0/{self.sent_by};branch={self.branch};rport\r\n"
            f"Max-Forwards: {MAX_FORWARDS}\r\n"
            f"From: {self.from_}\r\nTo: {self.to}\r\nCall-ID: {self.sip_call_id}\r\n"
            f"CSeq: {self.cseq} {self.method}\r\n{extra}"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        ).encode() + self.body

    def failure_ack(self, response: Response) -> bytes:
        """Write the ACK for a final of 300 or more (RFC 3261 §17.1.1.3): same branch."""
        draft = self._replace(
            method="ACK", to=response.required("to"), credentials=(), fields=(), body=b""
        )
        return draft.to_bytes()

    def cancel(self, fields: tuple[tuple[str, str], ...]) -> "RequestDraft":
        """Make the CANCEL for this INVITE (RFC 3261 §9.1): same branch, same To."""
        return self._replace(method="CANCEL", credentials=(), fields=fields, body=b"")

    def retry(
        self, branch: str, cseq: int, credentials: tuple[tuple[str, str], ...]
    ) -> "RequestDraft":
        """Make the request again with credentials (RFC 3261 §22.2)."""
        return self._replace(branch=branch, cseq=cseq, credentials=credentials)
