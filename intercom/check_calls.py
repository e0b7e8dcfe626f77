"""Check calls: the service rings a resident's number, and a key confirms it (requirement B11)."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from intercom.media import prompts
from intercom.media.bridge import Bridge
from intercom.media.prompts import Words
from intercom.ports import PhoneCall
from intercom.routing import events as ev
from intercom.routing.commands import EndReason
from intercom.routing.directory import Property
from intercom.routing.ids import LegId, PanelId, ResidentId
from intercom.routing.number_check import Act, CheckResult, NumberCheck
from intercom.routing.plan import PhoneTarget, Target
from intercom.sip.codec import Codec

AT_ONCE = 4
"""More check calls than that at once are put off."""
COUNTED_FOR = PanelId("check call")
"""By the guard against toll fraud, as if all came from one panel; no panel's id has a space."""
CALLER_NAME = "Open Intercom"
_PREFIX = "check-"
_WORDS = {Act.ASK: Words.CONFIRM_NUMBER, Act.THANK: Words.NUMBER_CONFIRMED}


class Phones(Protocol):
    """The phones' legs."""

    def place(self, call: PhoneCall, leg_id: LegId, target: Target) -> None:
        """Invite a phone; ends in LegAnswered or LegFailed."""

    def end(self, leg_id: LegId, reason: EndReason) -> None:
        """Hang up, or stop ringing; nothing for a leg that is over."""


class CheckCalls:
    """All check calls that live now; nothing about them is written or traced."""

    def __init__(self, *, token: Callable[[int], str]) -> None:
        self._token = token
        self._phones: Phones
        self._inboxes: dict[LegId, asyncio.Queue[ev.Event]] = {}

    def start(self, phones: Phones) -> None:
        """Begin to place calls by these legs."""
        self._phones = phones

    def post(self, leg_id: LegId, event: ev.Event) -> bool:
        """Take an event of a leg; False when it is none of ours."""
        inbox = self._inboxes.get(leg_id)
        if inbox is not None:
            inbox.put_nowait(event)
        return inbox is not None or leg_id.startswith(_PREFIX)

    async def check(self, number: str, prop: Property) -> CheckResult:
        """Ring a number (E.164), ask for the key in the property's language, say what became of it.

        Takes up to 75 s. The caller has made sure that the number may be dialled.
        """
        if len(self._inboxes) >= AT_ONCE:
            return CheckResult.LIMITED
        leg_id = LegId(f"{_PREFIX}{self._token(12)}")
        inbox: asyncio.Queue[ev.Event] = asyncio.Queue()
        self._inboxes[leg_id] = inbox
        bridge = Bridge(
            on_digit=lambda leg, digit, _: inbox.put_nowait(ev.DigitPressed(leg, digit))
        )
        try:
            return await self._run(leg_id, number, prop, bridge, inbox)
        finally:
            self._phones.end(leg_id, EndReason.RESIDENT_HUNG_UP)
            del self._inboxes[leg_id]
            bridge.close()

    async def _run(
        self,
        leg_id: LegId,
        number: str,
        prop: Property,
        bridge: Bridge,
        inbox: asyncio.Queue[ev.Event],
    ) -> CheckResult:
        loop = asyncio.get_running_loop()
        check = NumberCheck.start(prop.open_keys, loop.time())
        call = PhoneCall(
            bridge=bridge,
            codec=Codec.PCMA,
            picture=None,
            caller_name=CALLER_NAME,
            counted_for=COUNTED_FOR,
        )
        self._phones.place(call, leg_id, PhoneTarget(ResidentId(""), number))
        while not check.is_over:
            try:
                async with asyncio.timeout_at(check.deadline):
                    act = check.handle(await inbox.get(), loop.time())
            except TimeoutError:
                act = check.time_passed(loop.time())
            if act in _WORDS:
                bridge.play(leg_id, prompts.say(_WORDS[act], prop))
        return check.result or CheckResult.UNREACHABLE
