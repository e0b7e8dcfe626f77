"""A talk while the service stops and starts anew, while the clock is set, and what a panel may claim."""

import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from intercom.app import Service
from intercom.sip.address import Address
from intercom.sip.digest import Credentials
from intercom.sip.events import (
    DialogEnded,
    InfoAnswered,
    InviteAnswered,
    InviteConfirmed,
    InviteReceived,
)
from tests.adapters.phone_rig import PANEL_PASSWORD, building, press, service_for
from tests.adapters.sip_rig import HOST, Stranger, stranger, until
from tests.fakes import ANNA_NUMBER, CALLER_ID
from tests.interop.house import Door

CLAIMED = "+4790000666"
HOUR_S = 3600.0


@dataclass
class Street:
    panel: Stranger
    carrier: Stranger
    door: Door
    folder: Path

    def service(self) -> contextlib.AbstractAsyncContextManager[Service]:
        return service_for(building(self.door.url, self.carrier.address), self.folder)

    async def talk(self, service: Service) -> None:
        press(self.panel, service)
        await self.carrier.hear(InviteReceived)
        self.carrier.answer()
        await self.panel.hear(InviteAnswered)
        await self.carrier.hear(InviteConfirmed)


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with contextlib.AsyncExitStack() as stack:
        door = await stack.enter_async_context(Door())
        panel = await stack.enter_async_context(stranger())
        carrier = await stack.enter_async_context(stranger())
        folder = Path(stack.enter_context(_folder()))
        yield Street(panel, carrier, door, folder)
