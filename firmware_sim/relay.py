"""A relay coil with the timer that drops it: the hardware's side, which trusts no firmware.

A machine without I/O: `now_ms` is passed in, transitions come back.
"""

from firmware_sim.journal import CoilPhase, Transition

MAX_PULSE_MS = 10_000
"""The timer circuit drops the coil after this, whatever it was asked for."""
COIL_MA = 180
"""What a sound coil draws."""


class RelayCoil:
    """One relay; at rest until told otherwise."""

    def __init__(self, relay: int) -> None:
        self.relay = relay
        self.is_broken = False
        """A fault: it draws no current and does not move."""
        self._cmd_id = ""
        self._on_at_ms: int | None = None
        self._off_at_ms = 0

    @property
    def off_at_ms(self) -> int | None:
        """When it drops; None at rest."""
        return None if self._on_at_ms is None else self._off_at_ms

    def pulse(self, ms: int, cmd_id: str, now_ms: int) -> Transition:
        """Energise for `ms`; a second command may prolong, but never beyond MAX_PULSE_MS."""
        if self.is_broken:
            return Transition(now_ms, self.relay, CoilPhase.NO_CURRENT, cmd_id, coil_ma=0, on_ms=0)
        self._cmd_id = cmd_id
        if self._on_at_ms is None:
            self._on_at_ms = now_ms
            self._off_at_ms = now_ms + min(ms, MAX_PULSE_MS)
            return self._transition(CoilPhase.ON, now_ms)
        last_ms = self._on_at_ms + MAX_PULSE_MS
        self._off_at_ms = min(max(self._off_at_ms, now_ms + ms), last_ms)
        return self._transition(CoilPhase.PROLONGED, now_ms)

    def handle_timer(self, now_ms: int) -> Transition | None:
        """Drop the coil if its time has come."""
        if self._on_at_ms is None or now_ms < self._off_at_ms:
            return None
        dropped = self._transition(CoilPhase.OFF, now_ms)
        self._on_at_ms = None
        return dropped

    def state(self, now_ms: int) -> Transition:
        """Say what it does at the moment, as if it had just begun to."""
        return self._transition(CoilPhase.OFF if self._on_at_ms is None else CoilPhase.ON, now_ms)

    def _transition(self, phase: CoilPhase, now_ms: int) -> Transition:
        is_on = self._on_at_ms is not None
        return Transition(
            at_ms=now_ms,
            relay=self.relay,
            phase=phase,
            cmd_id=self._cmd_id,
            coil_ma=COIL_MA if is_on else 0,
            on_ms=now_ms - self._on_at_ms if self._on_at_ms is not None else 0,
        )
