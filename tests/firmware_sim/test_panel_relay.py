"""A panel as a whole and its relays: replays, restarts, kill -9 and power cuts."""

import asyncio
import os
import signal

import pytest
from nacl.signing import SigningKey

from firmware_sim.journal import CoilPhase
from firmware_sim.process import now_ms
from intercom.link.messages import Phase
from intercom.link.relay_gate import Refusal
from tests.firmware_sim import panel_process as rig
from tests.firmware_sim.panel_process import link_server, panel_process, until

pytestmark = pytest.mark.timeout(30)


async def test_a_panel_pulses_once_for_one_command_and_reports_what_it_measured(tmp_path):
    async with link_server() as link, panel_process(tmp_path, link=link) as panel:
        await link.until_welcome()
        command = link.command()

        assert (await link.order(command)).accepted
        assert (await link.order(command)).accepted
        await until(lambda: link.states() and link.states()[-1].phase is Phase.OFF)

        [on] = panel.journal(CoilPhase.ON)
        [off] = panel.journal(CoilPhase.OFF)
        assert on.cmd_id == "c-1"
        assert abs(off.on_ms - 300) < 100
        assert link.states()[0].coil_ma == 180
        assert link.states()[-1].on_ms == off.on_ms
        assert await panel.get("/api/journal") != []


async def test_replayed_stale_foreign_and_forged_commands_never_pulse(tmp_path, monkeypatch):
    async with link_server() as link, panel_process(tmp_path, link=link) as panel:
        await link.until_welcome()
        first_ctr = link.hello().ctr + 1
        refused = {
            "expired": (link.command("c-2", exp=1), Refusal.EXPIRED),
            "of another session": (link.command("c-3", chal="yesterday"), Refusal.SESSION),
            "of another panel": (link.command("c-4", panel="garage"), Refusal.PANEL),
            "too long": (link.command("c-5", ms=10_001), Refusal.PULSE),
            "counter": (link.command("c-6", ctr=first_ctr - 1), Refusal.COUNTER),
        }
        monkeypatch.setattr(rig, "ROUTER_KEY", SigningKey(bytes(32)))
        refused["forged"] = (link.command("c-7"), Refusal.SIGNATURE)

        for command, refusal in refused.values():
            ack = await link.order(command)
            assert (ack.accepted, ack.cause) == (False, refusal.value)

        assert panel.journal() == []


async def test_after_kill_9_during_a_pulse_the_relay_is_at_rest_in_time_and_a_replay_is_refused(
    tmp_path,
):
    async with link_server() as link:
        async with panel_process(tmp_path, link=link) as panel:
            await link.until_welcome()
            command = link.command(ms=800)
            await link.order(command)
            await until(lambda: len(panel.journal(CoilPhase.ON)) == 1)
            [on] = panel.journal(CoilPhase.ON)

            await panel.kill()
            await until(lambda: len(panel.journal(CoilPhase.OFF)) == 1)

            assert now_ms() - on.at_ms < 800 + 1000
            [off] = panel.journal(CoilPhase.OFF)
            assert abs(off.on_ms - 800) < 100

        link.chal = "second session"
        async with panel_process(tmp_path, link=link) as panel:
            await link.until_welcome(2)
            assert link.hello().ctr == 1
            assert (await link.order(command)).accepted  # the stored answer
            forgotten = link.command("c-2", ctr=1)
            assert (await link.order(forgotten)).cause == Refusal.COUNTER.value
            stale = link.command("c-3", chal="first session")
            assert (await link.order(stale)).cause == Refusal.SESSION.value
            await asyncio.sleep(0.1)
            assert len(panel.journal(CoilPhase.ON)) == 1

            assert (await link.order(link.command("c-4"))).accepted
            await until(lambda: len(panel.journal(CoilPhase.OFF)) == 2)


async def test_a_panel_that_hangs_during_a_pulse_has_its_relay_dropped_in_time(tmp_path):
    async with link_server() as link, panel_process(tmp_path, link=link) as panel:
        await link.until_welcome()
        await link.order(link.command(ms=400))
        await until(lambda: len(panel.journal(CoilPhase.ON)) == 1)

        await panel.kill(signal.SIGSTOP)
        await until(lambda: len(panel.journal(CoilPhase.OFF)) == 1)
        await panel.kill(signal.SIGCONT)

        [off] = panel.journal(CoilPhase.OFF)
        assert abs(off.on_ms - 400) < 100


async def test_a_restarted_panel_knows_the_state_of_a_relay_that_is_still_on(tmp_path):
    async with link_server() as link:
        async with panel_process(tmp_path, link=link) as panel:
            await link.until_welcome()
            await link.order(link.command(ms=6000))
            await until(lambda: len(panel.journal(CoilPhase.ON)) == 1)
            await panel.kill()

        async with panel_process(tmp_path, link=link) as panel:
            state = await panel.get("/api/state")

            assert state["relays"][0]["phase"] == "on"
            assert state["relays"][0]["coil_ma"] == 180
            os.kill(state["board_pid"], signal.SIGKILL)
            await until(lambda: len(panel.journal(CoilPhase.POWER_CUT)) == 1)


async def test_a_stuck_relay_is_reported_without_current(tmp_path):
    async with link_server() as link, panel_process(tmp_path, link=link) as panel:
        await link.until_welcome()
        await panel.fault("relay_stuck")

        assert (await link.order(link.command())).accepted
        await until(lambda: link.states() != [])

        assert (link.states()[0].phase, link.states()[0].coil_ma) == (Phase.ON, 0)
        assert panel.journal(CoilPhase.ON) == []
        assert (await panel.get("/api/state"))["relays"][0]["phase"] == "no current"


async def test_the_panel_dials_again_by_itself_after_the_link_was_cut(tmp_path):
    async with link_server() as link, panel_process(tmp_path, link=link) as panel:
        await link.until_welcome()

        await panel.fault("link_down")
        state = await panel.until_state(lambda state: not state["link"]["is_online"])
        assert state["faults"]["link_down"]
        await panel.fault("link_down", is_on=False)
        await link.until_welcome(2)

        hellos = [message for message in link.received if hasattr(message, "boot_id")]
        assert hellos[0].boot_id == hellos[1].boot_id
