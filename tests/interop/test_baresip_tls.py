"""baresip is a panel that speaks TLS and SRTP alone: it rings with its picture, and opens the door."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from intercom.media.tones import tone_share
from tests.adapters.stream_rig import Authority
from tests.firmware_sim.boxes import Box
from tests.interop.house import BUTTON, PANEL, PANEL_PASSWORD, Door, House, Router, app_of
from tests.interop.machine import Namespace, free_tcp_port, text
from tests.interop.strangers import Baresip

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

PANEL_HZ = 440
TALK_S = 2.0
STEP_S = 10.0
REFUSED_S = 4.0
HALF_SECOND_BYTES = 8_000


@dataclass(slots=True)
class Scene:
    """A panel by TLS, the router with certificates of the test's, and the resident's app."""

    panel: Baresip
    router: Router
    app: Box
    door: Door
    tls: tuple[str, int]
    authority: Authority
    folder: Path

    async def press(self) -> None:
        host, port = self.tls
        await self.panel.dial(f"sip:{BUTTON}@{host}:{port};transport=tls")
        await self.app.reaches("/api/state", call__phase="ringing")

    async def reached(self, step: str) -> dict[str, Any]:
        """Wait until the app's call has a stamp of a step, such as first_frame_ms."""
        async with asyncio.timeout(STEP_S):
            while True:
                call = (await self.app.get("/api/state"))["call"]
                if call[step] is not None:
                    return dict(call)
                await asyncio.sleep(0.05)

    async def rings_and_opens(self) -> dict[str, Any]:
        """Play a whole call; give what the app knows of it."""
        await self.press()
        await self.reached("first_frame_ms")
        await self.app.post("/api/accept")
        await self.panel.event("CALL_ESTABLISHED")
        await asyncio.sleep(TALK_S)
        await self.app.post("/api/open")
        await self.reached("sent_ms")
        await self.panel.hang_up()
        return await self.reached("ended_ms")


@asynccontextmanager
async def scene(
    folder: Path, *, demands_certificate: bool = False, shows_certificate: bool = False
) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        namespace = await stack.enter_async_context(Namespace())
        authority = Authority(folder)
        certificate, key = authority.issue("router", namespace.host)
        own = folder / "panel-with-key.pem"
        own.write_text("".join(text(part) for part in authority.issue(PANEL, file="panel")))
        port = free_tcp_port(namespace.host)
        house = House(
            host=namespace.host,
            has_app=True,
            srtp="required",
            settings={
                "INTERCOM_SIP_TLS_PORT": str(port),
                "INTERCOM_SIP_TLS_CERTIFICATE": str(certificate),
                "INTERCOM_SIP_TLS_KEY": str(key),
                **(
                    {"INTERCOM_SIP_TLS_CLIENT_CA": str(authority.file)}
                    if demands_certificate
                    else {}
                ),
            },
        )
        door = await stack.enter_async_context(Door())
        router = await stack.enter_async_context(Router(house, folder=folder, door=door))
        app = await stack.enter_async_context(app_of(router))
        panel = await stack.enter_async_context(
            Baresip(
                namespace,
                folder=folder,
                server=(namespace.host, port),
                username=PANEL,
                password=PANEL_PASSWORD,
                tone_hz=PANEL_HZ,
                media_encryption="srtp-mand",
                transport="tls",
                certificate=own if shows_certificate else None,
            )
        )
        yield Scene(panel, router, app, door, (namespace.host, port), authority, folder)


async def test_by_tls_and_srtp_it_rings_with_its_picture_talks_and_opens(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.panel.registered()
        call = await at.rings_and_opens()
        heard = await at.app.get("/api/heard.wav")

    assert call["has_picture"]
    assert at.door.openings == 1
    assert tone_share(heard[-HALF_SECOND_BYTES:], PANEL_HZ) > 0.9


async def test_a_new_certificate_between_two_calls_disturbs_neither(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        await at.panel.registered()
        await at.rings_and_opens()
        at.authority.issue("router anew", at.tls[0])  # over the files of before
        await at.router.control("/reload")
        await at.rings_and_opens()

    assert at.door.openings == 2


async def test_where_certificates_are_demanded_it_is_let_in_with_one(tmp_path: Path) -> None:
    async with scene(tmp_path, demands_certificate=True, shows_certificate=True) as at:
        await at.panel.registered()
        await at.rings_and_opens()

    assert at.door.openings == 1


async def test_where_certificates_are_demanded_it_is_refused_without(tmp_path: Path) -> None:
    async with scene(tmp_path, demands_certificate=True) as at:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(REFUSED_S):
                await at.panel.registered()

    log = text(at.panel.log)
    assert "SIP/2.0" in log, "it sent its REGISTER"
    assert "SIP/2.0 401" not in log, "and was not even challenged"
