"""A doorbell in the database reaches the screen of a panel process: the whole way, by the running service."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from intercom.adapters.panel_link import load_or_create_key
from intercom.app import Service
from intercom.store.kinds import Layout
from intercom.store.models import Button, Doorbell
from tests.administration.house import PASSWORD
from tests.firmware_sim.panel_process import PanelProcess, panel_process
from tests.firmware_sim.test_panel_names import ON_SCREEN_S, until_rows
from tests.test_database_service import house_served

pytestmark = pytest.mark.timeout(30)


@dataclass
class Link:
    url: str


@contextlib.asynccontextmanager
async def panel_of(service: Service, state_dir: Path) -> AsyncIterator[PanelProcess]:
    settings = service.settings
    key = load_or_create_key(settings.state_dir / "panel-link.key").verify_key
    link = Link(f"ws://127.0.0.1:{settings.http_port}/panel-link")
    async with panel_process(
        state_dir, link=link, sip_port=settings.sip_port, router_key=key, password=PASSWORD
    ) as panel:
        yield panel


async def test_a_doorbells_life_is_followed_on_a_live_panels_screen(sqlite_address, tmp_path):
    async with (
        house_served(sqlite_address, tmp_path) as (service, _, other_process),
        panel_of(service, tmp_path / "panel") as panel,
    ):
        own = service.kept.database
        await until_rows(panel, "Hansen")

        async with own.writing() as session:
            session.add(Doorbell(id="berg", property_id="house", unit_id=1, name="Berg"))
            await session.flush()
            session.add(Button(panel_id="main", name="104", doorbell_id="berg"))
        assert await until_rows(panel, "Berg", "Hansen") < ON_SCREEN_S

        async with own.writing() as session:
            (await session.get_one(Doorbell, "berg")).name = "Åsen"
        assert await until_rows(panel, "Hansen", "Åsen") < ON_SCREEN_S

        async with other_process.writing() as session:
            (await session.get_one(Doorbell, "hansen")).is_hidden = True
        assert await until_rows(panel, "Åsen") < ON_SCREEN_S

        async with own.writing() as session:
            hansen = await session.get_one(Doorbell, "hansen")
            hansen.is_hidden, hansen.layout = False, Layout.GROUPED
        assert await until_rows(panel, "Hansen", "Åsen") < ON_SCREEN_S
        [hansens, _] = (await panel.get("/api/names"))["rows"]
        assert [person["name"] for person in hansens["persons"]] == ["Anna Hansen", "Bo Hansen"]
