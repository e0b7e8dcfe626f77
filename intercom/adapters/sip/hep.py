"""Sends masked copies of SIP messages to a HOMER collector; calls never wait for it, it loses what is too much."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from intercom.sip.address import Address
from intercom.sip.capture import Captured
from intercom.sip.hep import encode_hep
from intercom.sip.masking import Masking
from intercom.sip.outline import outline

MAX_WAITING = 1_000
WAKE_UP_S = 0.001
PAUSE_S = 0.01
CAPTURE_ID = 1
_MASKING = Masking()


class HepSender:
    """One socket and a bounded queue; masking takes 0.1 ms a message, so it is done in small helpings."""

    def __init__(self, collector: tuple[str, int], local_for: Callable[[Address], Address]) -> None:
        """Open the socket; OSError when the collector's address is none to send to."""
        self.sent = 0
        self.dropped = 0
        self._local_for = local_for
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Captured] = deque()
        self._timer: asyncio.TimerHandle | None = None
        family = socket.AF_INET6 if ":" in collector[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        try:
            self._socket.connect(collector)
        except OSError:
            self._socket.close()
            raise

    def take(self, message: Captured) -> None:
        """Take a message; it is sent a moment later."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        self._waiting.append(message)
        if self._timer is None:
            self._timer = self._loop.call_later(PAUSE_S, self._work)

    def close(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()

    def _work(self) -> None:
        self._timer = None
        until = self._loop.time() + WAKE_UP_S
        while self._waiting and self._loop.time() < until:
            self._send(self._waiting.popleft())
        if self._waiting:
            self._timer = self._loop.call_later(PAUSE_S, self._work)

    def _send(self, message: Captured) -> None:
        packet = self._packet(message)
        if packet is None:
            self.dropped += 1
            return
        try:
            self._socket.send(packet)
        except (
            OSError
        ):  # its buffer is full, or nobody listens there: a copy is nothing to wait for
            self.dropped += 1
        else:
            self.sent += 1

    def _packet(self, message: Captured) -> bytes | None:
        about = outline(message.data, _MASKING)
        if about is None:
            return None
        ends = [message.peer, self._local_for(message.peer)]
        source, destination = reversed(ends) if message.is_out else ends
        age_s = self._loop.time() - message.at
        at_us = round((datetime.now(UTC).timestamp() - age_s) * 1_000_000)
        try:
            return encode_hep(
                _MASKING.message(message.data).text().encode(),
                source,
                destination,
                at_us=at_us,
                correlation_id=_MASKING.value(about.sip_call_id),
                capture_id=CAPTURE_ID,
            )
        except ValueError:  # an end that is known by a name alone
            return None
