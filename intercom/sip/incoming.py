"""Requests of the peer whose final is not ours to give at once: our user's word decides."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from intercom.sip.core import ALLOW, Core
from intercom.sip.dialog import Dialog
from intercom.sip.message import ReplyTemplate, Request
from intercom.sip.session import Session
from intercom.sip.transaction import InviteServerTransaction, ServerTransaction


class Incoming(NamedTuple):
    """An INVITE, or an UPDATE or PRACK that offers."""

    request: Request
    transaction: ServerTransaction
    template: ReplyTemplate
    dialog: Dialog
    session: Session
    tag: str
    """Our own, for To."""
    contact: str

    @property
    def cseq(self) -> int:
        return self.request.cseq.number

    @property
    def is_open(self) -> bool:
        """No final was sent."""
        return self.transaction.is_open

    def when_cancelled(self, action: Callable[[float], None]) -> None:
        """Call `action` at a CANCEL, which only an INVITE can get."""
        if isinstance(self.transaction, InviteServerTransaction):
            self.transaction.on_cancel = action

    def when_lost(self, action: Callable[[], None]) -> None:
        """Call `action` once no final can reach the peer any more."""
        if isinstance(self.transaction, InviteServerTransaction):
            self.transaction.on_lost = action

    def fields(self, core: Core, status: int) -> tuple[tuple[str, str], ...]:
        """Write what all our responses to it say; those below 300 make or refresh the dialog."""
        if status >= 300:
            return (core.user_agent,)
        lines = self.request.headers.get("record-route", ())
        routes = [("Record-Route", route) for route in lines]
        return (*routes, ("Contact", self.contact), ("Allow", ALLOW), core.user_agent)

    def build(
        self,
        core: Core,
        status: int,
        *,
        reason: str | None = None,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> bytes:
        """Write a response."""
        own = self.fields(core, status)
        return self.template.build(
            status, self.tag, reason=reason, fields=(*own, *fields), body=body
        )
