"""Provisionals that a UAS sends reliably (RFC 3262 §3)."""

from collections.abc import Callable
from typing import NamedTuple

from intercom.sip.core import Core
from intercom.sip.incoming import Incoming
from intercom.sip.message import Message
from intercom.sip.repeater import Repeater
from intercom.sip.transaction import TIMER_B_S

_MAX_QUEUED = 4


class Provisional(NamedTuple):
    """A response above 100 and below 200."""

    status: int
    reason: str | None
    fields: tuple[tuple[str, str], ...]
    body: bytes


class ReliableProvisionals:
    """Those of one INVITE: one at a time, each repeated until its PRACK.

    A gap in RSeq would make the caller wait for what never came, so nothing overtakes.
    """

    def __init__(self, core: Core, invite: Incoming, on_give_up: Callable[[float], None]) -> None:
        self._core = core
        self._invite = invite
        self._on_give_up = on_give_up
        self._number = int(core.token(7), 16)  # RFC 3262 §3: at first below 2**31
        self._open: Provisional | None = None
        self._queue: list[Provisional] = []
        self._repeater: Repeater | None = None

    @property
    def is_idle(self) -> bool:
        """Nothing waits for its PRACK."""
        return self._open is None

    @property
    def holds_description(self) -> bool:
        """An SDP has not been acknowledged: no 2xx may go out yet."""
        waiting = self._queue if self._open is None else [self._open, *self._queue]
        return any(provisional.body for provisional in waiting)

    def send(self, provisional: Provisional, now: float) -> None:
        """Send it now, or once those before it are acknowledged."""
        if self._open is None:
            self._transmit(provisional, now)
        elif len(self._queue) < _MAX_QUEUED or provisional.body:
            self._queue.append(provisional)

    def acknowledge(self, prack: Message, now: float) -> Provisional | None:
        """Find what a PRACK is for, and send the next; None when it fits nothing that waits."""
        found = self._open
        if found is None or not self._is_meant(prack):
            return None
        self._open = None
        if self._repeater is not None:
            self._repeater.stop()
        if self._queue and self._invite.is_open:
            self._transmit(self._queue.pop(0), now)
        return found

    def stop(self) -> None:
        """Repeat no more, for a final went out; a PRACK that is under way still fits."""
        self._queue.clear()
        if self._repeater is not None:
            self._repeater.stop()

    def close(self) -> None:
        """Stop, and give nothing up any more: the call is over."""
        self.stop()
        self._on_give_up = _nothing

    def _is_meant(self, prack: Message) -> bool:
        """Compare RAck: RSeq, CSeq number and method (RFC 3262 §7.2)."""
        expected = [str(self._number), str(self._invite.cseq), "INVITE"]
        words = (prack.first("rack") or "").split()
        return [words[0].lstrip("0"), *words[1:]] == expected if words else False

    def _transmit(self, provisional: Provisional, now: float) -> None:
        self._number += 1
        self._open = provisional
        data = self._invite.build(
            self._core,
            provisional.status,
            reason=provisional.reason,
            fields=(
                ("Require", "100rel"),
                ("RSeq", str(self._number)),
                *provisional.fields,
            ),
            body=provisional.body,
        )
        self._core.layer.respond(self._invite.transaction, provisional.status, data, now)
        self._repeater = Repeater(
            self._core,
            data,
            self._invite.template.destination,
            number=self._number,
            on_give_up=self._on_give_up,
            now=now,
            longest_s=TIMER_B_S,  # RFC 3262 §3: it doubles without end
        )


def _nothing(_now: float) -> None:
    """Do nothing."""
