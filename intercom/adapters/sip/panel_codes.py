"""Doors that open by a code: its digits go to the panel in its own call, and nothing else ever does.

There is no feedback, so success is "sent". The panel's call is answered first: panels take a code only
in a confirmed dialog, and an INFO has no other place (RFC 6086 §4).
"""

import asyncio

from typing_extensions import override

from intercom.adapters.sip.panel_legs import PanelLeg, SipPanelLegs
from intercom.ports import RelayDriver, RelayOutcome, RelayResult
from intercom.routing.directory import CodeWay, PanelCodeRelay, Relay
from intercom.routing.ids import CallId, CommandId

CONFIRM_TIMEOUT_S = 2.0
"""How long the panel's ACK may take: on a building's own network milliseconds do."""
INFO_TIMEOUT_S = 2.0
_PAUSE_S = 0.1
"""Between two digits by INFO, so that a panel tells the same one twice from one repeated."""
_PRESS_MS = 160
_UNKNOWN = "it may have opened or not"

NO_CALL = "this door opens only while its panel is in a call"
_NO_EVENTS = 'the panel takes no keys in its sound (RFC 4733): turn them on in it, or give way = "info-dtmf-relay"'


class PanelCodeDriver(RelayDriver):
    """Pulses `PanelCodeRelay`s."""

    def __init__(self, legs: SipPanelLegs) -> None:
        self._legs = legs

    @override
    async def pulse(
        self, relay: Relay, pulse_ms: int, command_id: CommandId, call_id: CallId | None
    ) -> RelayResult:
        """Send the code once; how long the relay pulses is set in the panel."""
        if not isinstance(relay, PanelCodeRelay):
            return _failed("this door has no code")
        leg = self._legs.in_call(relay.panel_id)
        if leg is None:
            return _failed(NO_CALL)
        if leg.is_taking_code:
            return _failed("the panel is being sent its code just now")
        leg.is_taking_code = True
        try:
            if not await self._is_confirmed(leg):
                return _failed("the panel did not confirm our answer")
            if relay.way is CodeWay.EVENT:
                return await self._by_events(leg, relay.code)
            return await self._by_info(leg, relay)
        finally:
            leg.is_taking_code = False

    async def _is_confirmed(self, leg: PanelLeg) -> bool:
        self._legs.answer(leg.leg_id)
        try:
            async with asyncio.timeout(CONFIRM_TIMEOUT_S):
                await leg.confirmed.wait()
        except TimeoutError:
            return False
        return not leg.is_over

    @staticmethod
    async def _by_events(leg: PanelLeg, code: str) -> RelayResult:
        media = leg.media
        if media is None or media.press_keys is None:
            return _failed(NO_CALL)
        if media.dtmf_send_payload_type is None:
            return _failed(_NO_EVENTS)
        length_s = media.press_keys(media, code)
        if not length_s:
            return _failed("the panel holds its call")
        await asyncio.sleep(length_s)
        if leg.is_over:
            return RelayResult(
                RelayOutcome.UNKNOWN, f"the panel hung up while its code was sent: {_UNKNOWN}"
            )
        return RelayResult(RelayOutcome.SENT)

    async def _by_info(self, leg: PanelLeg, relay: PanelCodeRelay) -> RelayResult:
        last = len(relay.code) - 1
        for position, digit in enumerate(relay.code):
            if position:
                await asyncio.sleep(_PAUSE_S)
            status = await self._send_info(leg, relay.way, digit)
            if status is None and position == last:
                cause = f"the panel said nothing to its code: {_UNKNOWN}"
                return RelayResult(RelayOutcome.UNKNOWN, cause)
            if status is None:
                return _failed("the panel said nothing to its code, of which a part was sent")
            if status >= 300:
                ways = 'give way = "rfc4733", or the other kind of INFO'
                return _failed(f"the panel refuses its code by SIP INFO ({status}): {ways}")
        return RelayResult(RelayOutcome.SENT)

    async def _send_info(self, leg: PanelLeg, way: CodeWay, digit: str) -> int | None:
        """Send one digit; give the status of the answer, None for none."""
        if leg.is_over:
            return None
        answers: asyncio.Queue[int] = asyncio.Queue(1)

        def answered(status: int) -> None:
            if answers.empty():  # a late answer to the digit before may come in the same moment
                answers.put_nowait(status)

        leg.on_info_answered = answered
        kind, body = "application/dtmf", digit
        if way is CodeWay.INFO_RELAY:
            kind, body = f"{kind}-relay", f"Signal={digit}\r\nDuration={_PRESS_MS}\r\n"
        transport = self._legs.transport
        transport.endpoint.send_info(leg.dialog, transport.now, kind, body.encode())
        transport.drain()
        try:
            async with asyncio.timeout(INFO_TIMEOUT_S):
                return await answers.get()
        except TimeoutError:
            return None
        finally:
            leg.on_info_answered = None


def _failed(cause: str) -> RelayResult:
    return RelayResult(RelayOutcome.FAILED, cause)
