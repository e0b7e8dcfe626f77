"""A resident's own SIP phone, by others: it registers, rings at a press, hears the door and opens it."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.adapters.stream_rig import Authority
from tests.interop.house import ACCOUNT_PASSWORD, BUTTON, PANEL, PANEL_PASSWORD, Door, House, Router
from tests.interop.linphone import Linphone
from tests.interop.machine import Namespace, free_tcp_port, text, until
from tests.interop.strangers import Baresip
from tests.interop.test_baresip_rings import PANEL_HZ, RESIDENT_HZ, TALK_S, loudest_share

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]

USER = "kari-desk"
PROMPT_S = 2.0


@dataclass(slots=True)
class Scene:
    """A panel of baresip's and the router; a test brings the phone."""

    namespace: Namespace
    panel: Baresip
    router: Router
    door: Door
    tls: tuple[str, int]

    async def press(self) -> None:
        host, port = self.router.sip
        await self.panel.dial(f"sip:{BUTTON}@{host}:{port}")

    async def opened(self) -> None:
        await until(lambda: bool(self.door.openings))


@asynccontextmanager
async def scene(folder: Path, *, srtp: str = "optional", **settings: str) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        namespace = await stack.enter_async_context(Namespace())
        door = await stack.enter_async_context(Door())
        certificate, key = Authority(folder).issue(namespace.host)
        tls = (namespace.host, free_tcp_port(namespace.host))
        settings |= {
            "INTERCOM_SIP_TLS_CERTIFICATE": str(certificate),
            "INTERCOM_SIP_TLS_KEY": str(key),
            "INTERCOM_SIP_TLS_PORT": str(tls[1]),
        }
        house = House(host=namespace.host, sip_account=USER, account_srtp=srtp, settings=settings)
        router = await stack.enter_async_context(Router(house, folder=folder, door=door))
        panel = await stack.enter_async_context(
            Baresip(
                namespace,
                folder=folder,
                server=router.sip,
                username=PANEL,
                password=PANEL_PASSWORD,
                tone_hz=PANEL_HZ,
            )
        )
        await panel.registered()
        yield Scene(namespace, panel, router, door, tls)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_linphone_registers_rings_hears_the_door_and_opens_it(
    tmp_path: Path, transport: str
) -> None:
    async with (
        scene(tmp_path) as at,
        Linphone(
            at.namespace,
            folder=tmp_path,
            server=at.router.sip,
            username=USER,
            password=ACCOUNT_PASSWORD,
            tone_hz=RESIDENT_HZ,
            transport=transport,
        ) as phone,
    ):
        await phone.register()
        await at.press()
        await phone.rings()
        phone.command("answer")
        await at.panel.event("CALL_ESTABLISHED")
        await asyncio.sleep(PROMPT_S + TALK_S)
        phone.command("5")
        await at.opened()
        phone.command("terminate")
        await at.panel.event("CALL_CLOSED", limit_s=3.0)
        heard_there, heard_here = at.panel.heard(), phone.heard()

    assert at.door.openings == 1
    assert loudest_share(heard_here, PANEL_HZ) > 0.9
    assert loudest_share(heard_there, RESIDENT_HZ) > 0.9


async def test_linphone_logs_in_where_sha_256_is_asked_for_as_well(tmp_path: Path) -> None:
    async with (
        Namespace() as namespace,
        Door() as door,
        Router(
            House(host=namespace.host, sip_account=USER, settings={"INTERCOM_SIP_DIGEST": "both"}),
            folder=tmp_path,
            door=door,
        ) as router,
        Linphone(
            namespace,
            folder=tmp_path,
            server=router.sip,
            username=USER,
            password=ACCOUNT_PASSWORD,
        ) as phone,
    ):
        await phone.register()


async def test_baresip_sees_talks_and_opens_over_tls_with_srtp(tmp_path: Path) -> None:
    async with (
        scene(tmp_path, srtp="required") as at,
        Baresip(
            at.namespace,
            folder=tmp_path,
            server=at.tls,
            username=USER,
            password=ACCOUNT_PASSWORD,
            is_answering=True,
            tone_hz=RESIDENT_HZ,
            media_encryption="srtp-mand",
            transport="tls",
        ) as phone,
    ):
        await phone.registered()
        await at.press()
        await at.panel.event("CALL_ESTABLISHED")
        await asyncio.sleep(PROMPT_S + TALK_S)
        await phone.command("sndcode", "5")
        await at.opened()
        heard_there, heard_here = at.panel.heard(), phone.heard()
        await phone.hang_up()
        await at.panel.event("CALL_CLOSED", limit_s=3.0)
        await until(lambda: "decoder stats" in text(phone.log))

    assert at.door.openings == 1
    assert loudest_share(heard_here, PANEL_HZ) > 0.9
    assert loudest_share(heard_there, RESIDENT_HZ) > 0.9
    assert re.search(r"decoder stats \(keyframes:[1-9]", text(phone.log)), "the door's picture"
