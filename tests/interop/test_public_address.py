"""Behind NAT the router names its public address everywhere, seen from outside on the wire."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from tests.interop.house import (
    APP_PASSWORD,
    APP_USER,
    BUTTON,
    HOST,
    NUMBER,
    PANEL,
    Door,
    House,
    Router,
)
from tests.interop.strangers import Sipp

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]

PUBLIC = "203.0.113.7"
STEP_S = 12.0


async def ring_of(router: Router, connected: asyncio.Event) -> str:
    """Log an app in, wait until it is rung, and give the offer."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        login = {"username": APP_USER, "password": APP_PASSWORD}
        async with http.post(f"{router.app_url}/api/login", json=login) as response:
            assert response.status == 200
        async with http.ws_connect(f"{router.app_url}/ws", origin=router.app_url) as socket:
            async for message in socket:
                frame = message.json()
                if frame["type"] == "hello":
                    connected.set()
                if frame["type"] == "ring":
                    return str(frame["offer"])
    raise AssertionError("not rung")


async def test_sip_sdp_and_ice_name_the_public_address_and_no_other(tmp_path: Path) -> None:
    connected = asyncio.Event()
    async with (
        Sipp("phone_presses_5_by_info", folder=tmp_path) as phone,
        Door() as door,
        Router(
            House(
                panel_address=HOST,
                has_app=True,
                numbers=(NUMBER,),
                trunk=phone.address,
                app_stage_s=1.0,
                settings={"INTERCOM_PUBLIC_ADDRESS": PUBLIC},
            ),
            folder=tmp_path,
            door=door,
        ) as router,
        asyncio.timeout(STEP_S),
        asyncio.TaskGroup() as tasks,
    ):
        app = tasks.create_task(ring_of(router, connected))
        await connected.wait()
        async with Sipp(
            "caller_by_address", folder=tmp_path, remote=router.sip, service=BUTTON, caller=PANEL
        ) as panel:
            assert await panel.ended(STEP_S) == 0, panel.errors() + router.log()
        assert await phone.ended(STEP_S) == 0, phone.errors() + router.log()
        offer = await app

    port = router.sip[1]
    to_phone = sent_by_router(phone.messages(), "INVITE ")
    assert f"Via: SIP/2.0/UDP {PUBLIC}:{port};" in to_phone
    assert f"@{PUBLIC}:{port}>" in field(to_phone, "Contact")
    assert f"c=IN IP4 {PUBLIC}" in to_phone
    for status in ("SIP/2.0 183 ", "SIP/2.0 200 "):
        to_panel = sent_by_router(panel.messages(), status)
        assert f"{PUBLIC}:{port}>" in field(to_panel, "Contact")
        assert f"c=IN IP4 {PUBLIC}" in to_panel
    candidates = re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+) \d+ typ (\S+)", offer, re.MULTILINE)
    assert {address for address, _ in candidates} == {PUBLIC}, offer


def sent_by_router(log: str, start: str) -> str:
    """Cut the first message with this start line out of sipp's log of messages."""
    _, _, rest = log.partition(f"\n{start}")
    assert rest, f"no {start}"
    return start + rest.partition("-----")[0]


def field(message: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)$", message, re.MULTILINE)
    assert found is not None
    return found.group(1)
