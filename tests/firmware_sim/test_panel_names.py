"""A real panel process on a real link: its names, its ready answers, and what it says without its router."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from intercom.link.signing import sign
from intercom.routing.commands import ReadyAnswer
from tests.adapters.panel_rig import CALL, MAIN, ROUTER_KEY, Router, router
from tests.adapters.test_panel_screens import InForce, house, put
from tests.firmware_sim import panel_process as rig
from tests.firmware_sim.panel_process import PanelProcess, panel_process, sip_server

ON_SCREEN_S = 2.0
"""Requirement A3."""


@dataclass
class Link:
    """Where the panel finds the router."""

    url: str


@contextlib.asynccontextmanager
async def panel_at(r: Router, state_dir: Path, sip_port: int = 9) -> AsyncIterator[PanelProcess]:
    assert (rig.PANEL_ID, rig.ROUTER_KEY) == (MAIN, ROUTER_KEY)
    link = Link(r.url.replace("http", "ws"))
    async with panel_process(state_dir, link=link, sip_port=sip_port) as panel:
        yield panel


async def rows_of(panel: PanelProcess) -> list[str]:
    return [row["name"] for row in (await panel.get("/api/names"))["rows"]]


async def until_rows(panel: PanelProcess, *names: str) -> float:
    """Wait until exactly these names stand on the screen; gives how long that took."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    async with asyncio.timeout(10):
        while await rows_of(panel) != list(names):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.01)
    return loop.time() - began_at


async def test_a_new_doorbell_is_on_a_live_panels_screen_within_two_seconds_and_a_hidden_one_is_not(
    tmp_path,
):
    in_force = InForce("Berg", "Ås")
    async with router(directory=in_force) as r, panel_at(r, tmp_path) as panel:
        await until_rows(panel, "Berg", "Ås")

        in_force.directory = house("Berg", "Ås", "Ødegård")
        r.hub.directory_changed()
        assert await until_rows(panel, "Berg", "Ødegård", "Ås") < ON_SCREEN_S

        in_force.directory = house("Berg", "Ødegård")
        r.hub.directory_changed()
        assert await until_rows(panel, "Berg", "Ødegård") < ON_SCREEN_S


async def test_a_new_doorbell_is_on_an_offline_panels_screen_when_it_is_back(tmp_path):
    in_force = InForce("Berg")
    async with router(directory=in_force) as r, panel_at(r, tmp_path) as panel:
        await until_rows(panel, "Berg")
        await panel.fault("link_down")
        await r.until_online(is_online=False)
        in_force.directory = house("Berg", "Hansen")
        r.hub.directory_changed()
        assert await rows_of(panel) == ["Berg"]

        await panel.fault("link_down", is_on=False)
        await r.until_online()

        assert await until_rows(panel, "Berg", "Hansen") < ON_SCREEN_S


async def test_the_names_are_there_after_a_power_cut_without_a_router(tmp_path):
    async with router(directory=lambda: house("Lie", "Moen")) as r, panel_at(r, tmp_path) as panel:
        await until_rows(panel, "Lie", "Moen")
        await panel.kill()
    dead = Router(r.hub, 9)

    async with panel_at(dead, tmp_path) as panel:
        assert await rows_of(panel) == ["Lie", "Moen"]
        assert not (await panel.get("/api/state"))["has_router"]


async def test_a_group_opens_to_its_persons(tmp_path):
    directory = house("Ola", "Kari", group="Familien Lund")
    async with router(directory=lambda: directory) as r, panel_at(r, tmp_path) as panel:
        await until_rows(panel, "Familien Lund")

        [row] = (await panel.get("/api/names"))["rows"]

        assert row["button"] == ""
        assert [person["name"] for person in row["persons"]] == ["Kari", "Ola"]


async def test_a_press_calls_the_buttons_number(tmp_path):
    async with (
        router(directory=lambda: house("Lie", "Moen")) as r,
        sip_server() as sip,
        panel_at(r, tmp_path, sip.sip.local.port) as panel,
    ):
        await until_rows(panel, "Lie", "Moen")

        await panel.post("/api/press", button="102")
        await panel.until_state(lambda state: "response" in state["call"]["stamps"])

        assert sip.invites[0].request_user == "102"


async def test_a_ready_answer_is_shown_with_light_sound_and_words_in_the_visitors_language(
    tmp_path,
):
    async with (
        router(directory=lambda: house("Lie")) as r,
        sip_server() as sip,
        panel_at(r, tmp_path, sip.sip.local.port) as panel,
    ):
        await r.until_online()
        await until_rows(panel, "Lie")
        await panel.post("/api/press", button="101")

        r.hub.show_message(MAIN, CALL, ReadyAnswer.LEAVE_IT)
        state = await panel.until_state(lambda state: state["answer"] is not None)
        assert state["answer"]["text"] == "Legg det der"
        assert (state["answer"]["lamp"], state["answer"]["sound"]) == ("white", "message")

        await panel.post("/api/language", language="en")
        state = await panel.get("/api/state")
        assert state["answer"]["text"] == "Leave it there"
        assert state["screen"]["text"] == "Calling …"


async def test_a_panel_that_has_lost_the_router_says_so_within_two_seconds_of_a_press(tmp_path):
    async with (
        router(directory=lambda: house("Lie")) as r,
        sip_server() as sip,
        panel_at(r, tmp_path, sip.sip.local.port) as panel,
    ):
        await until_rows(panel, "Lie")
        await panel.until_state(lambda state: state["is_registered"])
        await panel.fault("link_down")
        await panel.fault("sip_down")
        loop = asyncio.get_running_loop()
        began_at = loop.time()

        await panel.post("/api/press", button="101")
        state = await panel.until_state(lambda state: state["screen"]["face"] == "no router")

        assert loop.time() - began_at < 2.0
        shown = state["screen"]
        assert shown["text"] == "Ingen kontakt med anlegget"
        assert shown["hint"]
        assert (shown["lamp"], shown["sound"]) == ("red", "alarm")
        assert not state["has_router"]
        assert sip.invites == []


async def test_a_strangers_screen_is_not_shown(tmp_path):
    async with router(directory=lambda: house("Lie")) as r, panel_at(r, tmp_path) as panel:
        await until_rows(panel, "Lie")
        forged, _ = put(9, name="Lurt")
        connection = r.hub._connections[MAIN]

        connection.send(type(forged)(forged.cfg, sign(forged.cfg, type(ROUTER_KEY).generate())))
        await asyncio.sleep(0.3)

        assert await rows_of(panel) == ["Lie"]
        assert r.hub.panel_states()[0].is_online
