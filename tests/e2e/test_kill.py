"""Processes that die in the middle of a pulse, and the operator's commands against a live service."""

import asyncio
import signal
import socket

import pytest

from intercom.cli.exit_codes import ExitCode
from intercom.demo.processes import HOST, Child
from intercom.demo.stage import Plan, open_stage
from tests.e2e.conftest import OpenPlay
from tests.e2e.play import NO_PHONE, Json, Play, now_ms

PULSE_MS = 2000
IN_TIME_MS = PULSE_MS + 1000
BACK_S = 25.0
"""For a restart, the log-in and the panel link, on a slow machine."""
CLOSE_S = 15.0
"""A call in which the door was opened ends by itself 10 s after the pulse."""
WITH_APP = (*NO_PHONE, "resident")
APP_ALONE = Plan(app_stage_s=40)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def kill(child: Child) -> None:
    """Kill -9: nothing of the process gets a chance to clean up."""
    child.process.kill()
    await child.process.wait()


async def at_rest(play: Play, pulse: Json) -> Json:
    """Wait until the board has dropped the coil of a pulse, and give that entry."""

    async def look() -> Json | None:
        ended = [each for each in play.journal("off") if each["cmd_id"] == pulse["cmd_id"]]
        return ended[0] if ended else None

    return await play.until("the relay is at rest", look)


async def open_by_app(play: Play, pulses: int) -> Json:
    """Ring, let the resident open while it rings, and give the newest pulse."""
    await play.press()
    await play.at("resident", "ring")
    await play.tell("resident", "open")
    return (await play.pulses(pulses))[-1]


async def test_a_router_killed_in_a_pulse_leaves_the_relay_at_rest_and_comes_back_without_replay(
    open_play: OpenPlay,
):
    async with open_play(APP_ALONE, cast=WITH_APP) as play:
        first = await open_by_app(play, 1)
        await kill(play.stage.router)

        off = await at_rest(play, first)
        assert off["at_ms"] - first["at_ms"] <= IN_TIME_MS
        assert off["on_ms"] <= IN_TIME_MS

        await play.stage.start_router()
        await play.until("everybody is back", lambda: is_back(play), BACK_S)
        await play.tell("panel", "cancel")
        assert play.journal("on") == [first]

        second = await open_by_app(play, 2)
        await at_rest(play, second)
        await asyncio.sleep(2)
        assert second["cmd_id"] != first["cmd_id"]
        assert len(play.journal("on")) == 2
        assert (await play.call("resident"))["door_states"][-1]["state"] == "opened"


async def is_back(play: Play) -> bool:
    """Tell whether the panel's link and the app are connected to the router of now."""
    done = await play.intercom("status")
    return "main yes" in done.out and "apps online: 1" in done.out


async def test_a_panel_killed_in_a_pulse_leaves_the_relay_at_rest_and_comes_back_without_replay(
    open_play: OpenPlay,
):
    async with open_play(APP_ALONE, cast=WITH_APP) as play:
        first = await open_by_app(play, 1)
        await kill(play.stage.panel)

        off = await at_rest(play, first)
        assert off["at_ms"] - first["at_ms"] <= IN_TIME_MS

        await play.stage.start_panel()
        await play.stage.wait_online(BACK_S)
        assert play.journal("on") == [first]
        assert play.journal("power cut") == []
        await play.at("resident", "ended", within_s=CLOSE_S)

        second = await open_by_app(play, 2)
        await at_rest(play, second)
        assert second["cmd_id"] != first["cmd_id"]
        assert len(play.journal("on")) == 2


async def test_the_operator_sees_the_calls_hops_tests_the_relay_and_reads_the_service_is_well(
    open_play: OpenPlay,
):
    async with open_play(APP_ALONE, cast=WITH_APP) as play:
        assert (await play.intercom("trace")).exit_code == ExitCode.DONE
        await play.press()
        await play.at("resident", "first_frame")
        await play.tell("resident", "open")
        await play.at("resident", "opened")
        await play.tell("panel", "cancel")
        await play.at_panel("ended")
        await at_rest(play, (await play.pulses(1))[0])

        traced = await play.intercom("trace")
        tested = await play.intercom("relay-test", "main")
        wrong = await play.intercom("relay-test", "cellar")
        answers = {path: await http_status(play, path) for path in ("healthz", "readyz")}

        assert traced.exit_code == ExitCode.DONE
        for hop in ("press", "progress", "app ring", "open command", "relay", "hang up"):
            assert f" {hop} " in traced.out, traced.out
        assert tested.exit_code == ExitCode.DONE, tested.err
        assert f"coil {play.journal('on')[1]['coil_ma']} mA" in tested.out
        assert "measured 0 ms" not in tested.out
        assert len(play.journal("on")) == 2
        assert wrong.exit_code == ExitCode.NOT_DONE
        assert "The doors are: main." in wrong.err
        assert answers == {"healthz": 200, "readyz": 200}


async def http_status(play: Play, path: str) -> int:
    """Ask the router over HTTP as a load balancer does."""
    async with asyncio.timeout(5):
        reader, writer = await asyncio.open_connection(HOST, play.stage.ports.http)
        writer.write(f"GET /{path} HTTP/1.0\r\n\r\n".encode())
        status = int((await reader.readline()).split()[1])
        writer.close()
        await writer.wait_closed()
    return status


async def test_a_relay_that_draws_no_current_fails_its_test_in_words(open_play: OpenPlay):
    async with open_play(cast=NO_PHONE) as play:
        await play.fault("panel", "relay_stuck")

        done = await play.intercom("relay-test", "main")

        assert done.exit_code == ExitCode.NOT_DONE
        assert "failed: the relay does not draw current" in done.out


async def test_a_wrong_building_changes_nothing_and_its_command_says_where_it_is_wrong(
    open_play: OpenPlay,
):
    async with open_play(APP_ALONE, cast=WITH_APP) as play:
        building = play.stage.directory / "building.toml"
        building.write_text(building.read_text().replace("pulse_ms = 2000", "pulse_ms = -1"))

        refused = await play.intercom("reload")
        play.stage.router.process.send_signal(signal.SIGHUP)

        async def logged() -> bool:
            return "building.refused" in play.router_log()

        await play.until("the signal's reload is refused in the log", logged)
        assert refused.exit_code == ExitCode.NOT_DONE
        assert f"{building}:12: " in refused.err
        assert "pulse_ms" in refused.err
        pulse = await open_by_app(play, 1)
        assert (await at_rest(play, pulse))["on_ms"] >= PULSE_MS


async def test_a_changed_building_is_loaded_by_command_and_by_signal_and_only_that_differs(
    open_play: OpenPlay,
):
    async with open_play(APP_ALONE, cast=WITH_APP) as play:
        building = play.stage.directory / "building.toml"

        building.write_text(building.read_text().replace("pulse_ms = 2000", "pulse_ms = 1000"))
        loaded = await play.intercom("reload")
        again = await play.intercom("reload")
        building.write_text(building.read_text().replace('"Main entrance"', '"Back door"'))
        play.stage.router.process.send_signal(signal.SIGHUP)

        async def logged() -> bool:
            return "building.loaded" in play.router_log()

        await play.until("the signal's reload is in the log", logged)
        pulse = await open_by_app(play, 1)
        assert loaded.out == 'changed door "main": pulse_ms\n'
        assert again.out == "nothing differs\n"
        assert (await play.call("resident"))["door"] == "Back door"
        assert (await at_rest(play, pulse))["on_ms"] < PULSE_MS


@pytest.mark.parametrize(
    ("port", "kind", "setting"),
    [
        ("sip", socket.SOCK_DGRAM, "INTERCOM_SIP_PORT"),
        ("http", socket.SOCK_STREAM, "INTERCOM_HTTP_PORT"),
        ("webrtc", socket.SOCK_DGRAM, "INTERCOM_WEBRTC_PORT"),
    ],
    ids=["SIP", "HTTP", "WebRTC"],
)
async def test_a_port_that_is_taken_is_named_with_its_setting_and_ends_the_start(
    port: str, kind: socket.SocketKind, setting: str
):
    async with open_stage() as stage:
        with socket.socket(socket.AF_INET, kind) as taken:
            if kind is socket.SOCK_STREAM:  # an earlier test's connections may linger there
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind((HOST, getattr(stage.ports, port)))
            if kind is socket.SOCK_STREAM:
                taken.listen()

            done = await Play(stage).intercom(
                "serve", "--building", str(stage.directory / "building.toml")
            )

    assert done.exit_code == ExitCode.NOT_DONE  # systemd tries again: the port may become free
    assert str(getattr(stage.ports, port)) in done.err
    assert setting in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


async def test_the_app_that_lost_the_router_is_rung_again_by_the_restarted_one(
    open_play: OpenPlay,
):
    async with open_play(APP_ALONE, cast=WITH_APP) as play:
        before_ms = (await play.state("resident"))["connected_ms"]
        await play.stage.router.stop()
        await play.stage.start_router()
        await play.until("everybody is back", lambda: is_back(play), BACK_S)

        await play.press()
        await play.at("resident", "ring")

        resident = await play.state("resident")
        assert resident["connected_ms"] > before_ms
        assert now_ms() >= resident["call"]["ring_ms"]
