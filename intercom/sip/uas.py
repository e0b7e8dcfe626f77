"""An incoming call until its final answer (RFC 3261 §13.3)."""

from collections.abc import Iterable

from typing_extensions import override

from intercom.sip.address import Address
from intercom.sip.core import Core
from intercom.sip.dialog import Dialog
from intercom.sip.events import DialogId, InviteCancelled
from intercom.sip.message import Request
from intercom.sip.timer import Alarm
from intercom.sip.usage import InviteUsage

PROGRESS_INTERVAL_S = 60.0  # RFC 3261 §13.3.1.1: proxies give up after 3 minutes without one


class ServerUsage(InviteUsage):
    """The UAS's side of a call."""

    def __init__(
        self, core: Core, request: Request, source: Address, request_user: str, now: float
    ) -> None:
        super().__init__(core, DialogId(core.token(16)), request.sip_call_id, core.token(16))
        self.contact = core.contact(request_user)
        self.dialog = Dialog.of_request(request, self.local_tag, source)
        self._invite = self.open_invite(request, source, now)
        self._invite.transaction.on_cancel = self._cancel
        self._progress: Alarm | None = None
        self._is_answered = False

    @property
    @override
    def is_confirmed(self) -> bool:
        return self._is_answered

    @override
    def respond(
        self,
        status: int,
        now: float,
        *,
        reason: str | None,
        fields: Iterable[tuple[str, str]],
        body: bytes,
    ) -> None:
        if not self._invite.transaction.is_open or self._is_answered:
            super().respond(status, now, reason=reason, fields=fields, body=body)
            return
        self._stop_progress()
        self.answer(self._invite, status, now, reason=reason, fields=fields, body=body)
        if status < 200:
            self._progress = self.core.timers.start(now + PROGRESS_INTERVAL_S, self._repeat)
        elif status < 300:
            self._is_answered = True
        else:
            self.forget()

    @override
    def hang_up(self, now: float, reason: str) -> None:
        if self._is_answered:
            super().hang_up(now, reason)
        else:
            self._refuse(480, now)

    @override
    def receive_bye(self, now: float) -> None:
        if self._is_answered:
            super().receive_bye(now)
        else:
            self._cancel(now)  # RFC 3261 §15: a caller may end an early dialog by BYE

    def _cancel(self, now: float) -> None:
        """Take the caller's CANCEL, answered already."""
        if self._is_answered or self.is_over:
            return
        self._refuse(487, now)
        self.core.events.append(InviteCancelled(self.id))

    def _refuse(self, status: int, now: float) -> None:
        self.respond(status, now, reason=None, fields=(), body=b"")

    def _repeat(self, now: float) -> None:
        """Repeat the last provisional."""
        if self._invite.transaction.is_open:
            self._invite.transaction.receive_retransmission()
            self._progress = self.core.timers.start(now + PROGRESS_INTERVAL_S, self._repeat)

    def _stop_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
