"""One order to open a door, from the signed command to what the relay was measured to do."""

import asyncio
from dataclasses import dataclass, field

from intercom.link.messages import RelayAck, RelayState
from intercom.ports import RelayOutcome, RelayResult
from intercom.routing.ids import CallId, CommandId, PanelId

ACKNOWLEDGE_S = 1.5
"""How long the panel has to judge the command, a reconnection included."""
MEASURE_S = 1.0
"""How long it then has to report the relay's current; both together make 2.5 s."""
COMMAND_LIFE_MS = 3_000
"""After this the firmware refuses the command, wherever it was held up."""
LEAST_COIL_MA = 10
"""A coil that draws less has not pulled in; door strikes draw 100 to 500 mA."""

OFFLINE = RelayResult(RelayOutcome.FAILED, "the panel is offline")
NOT_ACKNOWLEDGED = RelayResult(RelayOutcome.UNKNOWN, "the panel did not answer")
NOT_MEASURED = RelayResult(
    RelayOutcome.UNKNOWN, "the panel took the command but did not report the relay"
)
NO_CURRENT = "the relay does not draw current"


@dataclass(slots=True, eq=False)
class Order:
    """What was asked for, and what came back so far."""

    command_id: CommandId
    call_id: CallId | None
    panel_id: PanelId
    relay: int
    pulse_ms: int
    boot_id: str
    """Of the panel when the order was given; another one means that it has restarted since."""
    exp: int
    """In milliseconds of that boot's monotonic clock."""
    ack: RelayAck | None = None
    state: RelayState | None = None
    _acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    _measured: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledge(self, ack: RelayAck) -> None:
        """Take in the panel's judgement."""
        self.ack = ack
        self._acknowledged.set()

    def measure(self, state: RelayState) -> None:
        """Take in what the relay was measured to do."""
        if state.relay == self.relay and self.state is None:
            self.state = state
            self._measured.set()

    async def result(self) -> RelayResult:
        """Wait for the outcome, for at most ACKNOWLEDGE_S + MEASURE_S."""
        try:
            async with asyncio.timeout(ACKNOWLEDGE_S):
                await self._acknowledged.wait()
        except TimeoutError:
            return NOT_ACKNOWLEDGED
        if self.ack is not None and not self.ack.accepted:
            return RelayResult(RelayOutcome.FAILED, self.ack.cause)
        try:
            async with asyncio.timeout(MEASURE_S):
                await self._measured.wait()
        except TimeoutError:
            return NOT_MEASURED
        return NOT_MEASURED if self.state is None else _outcome_of(self.state)


def _outcome_of(state: RelayState) -> RelayResult:
    if state.coil_ma is None and state.contact is None:
        return RelayResult(RelayOutcome.SENT, on_ms=state.on_ms)
    if state.contact or (state.coil_ma or 0) >= LEAST_COIL_MA:
        return RelayResult(RelayOutcome.OPENED, on_ms=state.on_ms, coil_ma=state.coil_ma)
    return RelayResult(RelayOutcome.FAILED, NO_CURRENT, coil_ma=state.coil_ma)
