"""sipp is a panel, known by its address or by a password, and calls the running router."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.interop.house import BUTTON, HOST, NUMBER, PANEL, PANEL_PASSWORD, Door, House, Router
from tests.interop.strangers import Sipp

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]

CALL_S = 12.0


@asynccontextmanager
async def router_and_phone(
    scenario: str, folder: Path, panel_address: str = HOST
) -> AsyncIterator[tuple[Router, Sipp, Door]]:
    async with AsyncExitStack() as stack:
        phone = await stack.enter_async_context(Sipp(scenario, folder=folder))
        door = await stack.enter_async_context(Door())
        house = House(panel_address=panel_address, numbers=(NUMBER,), trunk=phone.address)
        router = await stack.enter_async_context(Router(house, folder=folder, door=door))
        yield router, phone, door


def panel(
    scenario: str, router: Router, folder: Path, *, button: str = BUTTON, user: str = PANEL
) -> Sipp:
    return Sipp(scenario, folder=folder, remote=router.sip, service=button, caller=user)


async def test_its_press_reaches_the_phone_with_early_media_and_the_phone_opens(
    tmp_path: Path,
) -> None:
    async with (
        router_and_phone("phone_presses_5_by_info", tmp_path) as (router, phone, door),
        panel("caller_by_address", router, tmp_path) as caller,
    ):
        assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()
        assert await phone.ended(CALL_S) == 0, phone.errors() + router.log()

    heard = caller.messages()
    assert heard.index("SIP/2.0 100 ") < heard.index("SIP/2.0 183 ") < heard.index("SIP/2.0 200 ")
    early, _, _ = heard[heard.index("SIP/2.0 183 ") :].partition("UDP message")
    assert "m=audio" in early
    assert door.openings == 1


async def test_with_a_password_it_answers_the_challenge_and_rings(tmp_path: Path) -> None:
    async with (
        router_and_phone("phone_presses_5_by_event", tmp_path, "") as (router, phone, door),
        Sipp(
            "caller_with_digest",
            folder=tmp_path,
            remote=router.sip,
            service=BUTTON,
            caller=PANEL,
            username=PANEL,
            password=PANEL_PASSWORD,
        ) as caller,
    ):
        assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()
        assert await phone.ended(CALL_S) == 0, phone.errors() + router.log()

    assert door.openings == 1


async def test_a_cancel_while_it_rings_ends_in_487_and_cancels_the_phone(tmp_path: Path) -> None:
    async with (
        router_and_phone("phone_never_answers", tmp_path) as (router, phone, _),
        panel("caller_gives_up", router, tmp_path) as caller,
    ):
        assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()
        assert await phone.ended(CALL_S) == 0, phone.errors() + router.log()


@pytest.mark.parametrize(
    ("button", "user", "answer"),
    [
        ("999", PANEL, "SIP/2.0 404 No such button"),
        (BUTTON, "nobody", "SIP/2.0 401 Unauthorized"),
    ],
    ids=["unknown button", "unknown panel"],
)
async def test_what_the_building_does_not_know_is_refused_and_rings_nobody(
    button: str, user: str, answer: str, tmp_path: Path
) -> None:
    async with router_and_phone("phone_never_answers", tmp_path) as (router, phone, _):
        async with panel("caller_is_refused", router, tmp_path, button=button, user=user) as caller:
            assert await caller.ended(CALL_S) == 0, caller.errors() + router.log()
        await asyncio.sleep(0.5)

        assert answer in caller.messages()
        assert "INVITE" not in phone.messages()
