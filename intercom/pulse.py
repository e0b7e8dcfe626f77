"""One pulse of a door's relay: by the driver of its kind, in bounded time, and what came of it."""

import asyncio
from typing import assert_never

from intercom.ports import Ports, RelayOutcome, RelayResult
from intercom.routing import events as ev
from intercom.routing.directory import Door
from intercom.routing.ids import CallId, CommandId

RELAY_LIMIT_S = 8.0
"""A driver that has said nothing after this is given up; each has a shorter limit of its own."""

_WORDS = {
    RelayOutcome.OPENED: "measured open",
    RelayOutcome.SENT: "sent; this door gives no feedback",
    RelayOutcome.UNKNOWN: "no answer",
    RelayOutcome.FAILED: "failed",
}


async def pulse(
    ports: Ports, door: Door, command_id: CommandId, call_id: CallId | None
) -> RelayResult:
    """Pulse a door's relay once, by the driver of its kind."""
    driver = ports.relays.get(type(door.relay))
    if driver is None:
        return RelayResult(RelayOutcome.FAILED, "this door's kind of relay is not set up")
    try:
        async with asyncio.timeout(RELAY_LIMIT_S):
            return await driver.pulse(door.relay, door.pulse_ms, command_id, call_id)
    except TimeoutError:
        return RelayResult(RelayOutcome.UNKNOWN, "the door did not answer")


def event_of(command_id: CommandId, result: RelayResult) -> ev.Event:
    """Say it in the words of call control."""
    match result.outcome:
        case RelayOutcome.OPENED:
            return ev.DoorOpened(command_id, result.on_ms)
        case RelayOutcome.SENT:
            return ev.DoorSent(command_id)
        case RelayOutcome.UNKNOWN:
            return ev.DoorUnknown(command_id)
        case RelayOutcome.FAILED:
            return ev.DoorFailed(command_id, result.cause)
    assert_never(result.outcome)


def words_for(result: RelayResult) -> str:
    """Say it for the trace."""
    words = _WORDS[result.outcome]
    return f"{words}: {result.cause}" if result.cause else words
