"""The router's end of the panel link, against the simulated firmware and its relay board."""

import asyncio
import socket
import stat
import statistics
from datetime import datetime

import aiohttp
import pytest
from nacl.signing import SigningKey

from intercom.adapters.panel_link import connection as panel_connection
from intercom.adapters.panel_link import load_or_create_key, order, public_key_text
from intercom.adapters.panel_link.connection import PanelClock
from intercom.errors import ConfigError, LocalProtocolError
from intercom.link.messages import Hello, Phase, RelayAck, RelayOpen, RelayState, decode, encode
from intercom.link.signing import verify
from intercom.ports import RelayOutcome, RelayResult
from intercom.routing.directory import Directory, HttpRelay
from intercom.routing.ids import CommandId
from tests.adapters.panel_rig import (
    DIRECTORY,
    GARAGE,
    MAIN,
    PASSWORD,
    ROUTER_KEY,
    firmware,
    raw_panel,
    router,
    until,
)


async def test_a_pulse_is_opened_when_the_coils_current_was_measured(tmp_path):
    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()

        result = await r.pulse("c-1")

        assert result == RelayResult(RelayOutcome.OPENED, on_ms=0, coil_ma=180)
        await panel.until_at_rest()
        [pulse] = panel.pulses()
        assert pulse.cmd_id == "c-1"


async def test_the_measured_length_of_the_pulse_is_known_afterwards(tmp_path):
    async with router() as r, firmware(r.url, tmp_path):
        await r.until_online()
        await r.pulse("c-1", ms=200)

        await until(lambda: r.hub.panel_states()[0].relays[1].phase is Phase.OFF)

        assert abs(r.hub.panel_states()[0].relays[1].on_ms - 200) < 100


async def test_an_offline_panel_fails_at_once_and_nothing_is_queued_for_it(tmp_path):
    async with router() as r:
        assert await r.pulse("c-1") == RelayResult(RelayOutcome.FAILED, "the panel is offline")

        async with firmware(r.url, tmp_path) as panel:
            await r.until_online()
            await asyncio.sleep(0.1)
            assert panel.pulses() == []


async def test_a_silent_panel_is_unknown_and_never_opened(tmp_path):
    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()
        panel.link.faults.relay_silent = True
        began_at = asyncio.get_running_loop().time()

        result = await r.pulse("c-1")

        assert result == RelayResult(RelayOutcome.UNKNOWN, "the panel did not answer")
        assert asyncio.get_running_loop().time() - began_at < 2.5


async def test_a_coil_without_current_fails(tmp_path):
    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()
        panel.board.set_broken(is_broken=True)

        result = await r.pulse("c-1")

        assert result.outcome is RelayOutcome.FAILED
        assert result.cause == "the relay does not draw current"
        assert panel.pulses() == []


async def test_a_panel_that_has_pinned_another_key_refuses_and_says_so(tmp_path):
    stranger = SigningKey(bytes(32)).verify_key
    async with router() as r, firmware(r.url, tmp_path, stranger) as panel:
        await r.until_online()

        result = await r.pulse("c-1")

        assert result.outcome is RelayOutcome.FAILED
        assert "not signed" in result.cause
        assert panel.pulses() == []


async def test_the_same_command_twice_is_one_pulse(tmp_path):
    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()

        async with asyncio.TaskGroup() as tasks:
            both = [tasks.create_task(r.pulse("c-1")) for _ in range(2)]
        again = await r.pulse("c-1")

        assert [task.result().outcome for task in both] == [RelayOutcome.OPENED] * 2
        assert again.outcome is RelayOutcome.OPENED
        assert len(panel.pulses()) == 1


async def test_the_counter_goes_on_after_the_panel_and_the_router_restarted(tmp_path):
    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()
        for n in range(3):
            await r.pulse(f"c-{n}")
        assert panel.link.ctr == 3

    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()

        assert (await r.pulse("c-9")).outcome is RelayOutcome.OPENED
        assert panel.link.ctr == 4


async def test_a_link_cut_during_the_command_brings_the_stored_answer_and_no_second_pulse(tmp_path):
    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()
        async with asyncio.TaskGroup() as tasks:
            panel.link.faults.mute = True
            pulsing = tasks.create_task(r.pulse("c-1", ms=500))
            await until(lambda: len(panel.pulses()) == 1)
            await panel.link.set_link_down(is_down=True)
            panel.link.faults.mute = False
            await panel.link.set_link_down(is_down=False)

        assert pulsing.result().outcome is RelayOutcome.OPENED
        await panel.until_at_rest()
        assert len(panel.pulses()) == 1


async def test_a_hung_panel_is_offline_after_three_heartbeats_and_its_commands_fail():
    async with router() as r, raw_panel(r.url):
        await r.until_online()
        began_at = asyncio.get_running_loop().time()

        await r.until_online(is_online=False)

        assert 2.9 < asyncio.get_running_loop().time() - began_at < 3.5
        assert (await r.pulse("c-1")).outcome is RelayOutcome.FAILED


async def test_a_newer_connection_replaces_the_older():
    newer_hello = Hello("2", 0, (), "boot")
    async with router() as r, raw_panel(r.url) as older, raw_panel(r.url, newer_hello):
        while (frame := await older.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        await r.until_online()

        assert frame.type is aiohttp.WSMsgType.CLOSE
        assert r.hub.panel_states()[0].firmware == "2"


async def test_a_panel_that_was_removed_from_the_building_is_cut_off_and_no_other():
    in_force = [DIRECTORY]
    async with (
        router(directory=lambda: in_force[0]) as r,
        raw_panel(r.url) as removed,
        raw_panel(r.url, panel_id=GARAGE),
    ):
        await until(lambda: all(state.is_online for state in r.hub.panel_states()))
        in_force[0] = Directory(panels={GARAGE: DIRECTORY.panels[GARAGE]})

        r.hub.directory_changed()

        while (frame := await removed.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert frame.type is aiohttp.WSMsgType.CLOSE
        assert [state.is_online for state in r.hub.panel_states()] == [True]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer x"},
        {"Authorization": aiohttp.encode_basic_auth(MAIN, "wrong")},
        {"Authorization": aiohttp.encode_basic_auth("nobody", PASSWORD)},
        {"Authorization": aiohttp.encode_basic_auth("nobody", "")},
    ],
)
async def test_an_unknown_panel_and_a_wrong_password_get_the_same_answer(headers):
    async with router() as r, aiohttp.ClientSession() as http:
        answer = await http.get(r.url, headers=headers)

        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert await answer.text() == ""


async def test_a_panel_cannot_answer_for_another_panel(tmp_path, monkeypatch):
    monkeypatch.setattr(order, "ACKNOWLEDGE_S", 0.3)
    async with (
        router() as r,
        firmware(r.url, tmp_path) as panel,
        raw_panel(r.url, panel_id=GARAGE) as other,
    ):
        await r.until_online()
        panel.link.faults.relay_silent = True
        async with asyncio.TaskGroup() as tasks:
            pulsing = tasks.create_task(r.pulse("c-1"))
            await asyncio.sleep(0.05)
            await other.send_str(encode(RelayAck("c-1", accepted=True, cause="")))
            await other.send_str(encode(RelayState(1, "c-1", Phase.ON, 180, None, 0)))

        assert pulsing.result().outcome is RelayOutcome.UNKNOWN


@pytest.mark.parametrize(
    ("coil_ma", "contact", "outcome"),
    [
        (None, None, RelayOutcome.SENT),
        (None, True, RelayOutcome.OPENED),
        (3, None, RelayOutcome.FAILED),
        (None, False, RelayOutcome.FAILED),
        (180, False, RelayOutcome.OPENED),
    ],
)
async def test_opened_needs_a_measured_current_or_contact(coil_ma, contact, outcome):
    async with router() as r, raw_panel(r.url) as socket:
        await r.until_online()
        async with asyncio.TaskGroup() as tasks:
            pulsing = tasks.create_task(r.pulse("c-1"))
            await socket.send_str(encode(RelayAck("c-1", accepted=True, cause="")))
            await socket.send_str(encode(RelayState(1, "c-1", Phase.ON, coil_ma, contact, 0)))

        assert pulsing.result().outcome is outcome


async def test_the_command_is_of_this_session_and_expires_by_the_panels_own_clock():
    async with router() as r, raw_panel(r.url, Hello("1", 40, (), "boot")) as socket:
        await r.until_online()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(r.pulse("c-1"))
            welcome, _, message = [decode((await socket.receive()).data) for _ in range(3)]
            await socket.send_str(encode(RelayAck("c-1", accepted=False, cause="no")))

        assert message.cmd.chal == welcome.chal
        assert message.cmd.ctr == 41
        assert 2000 < message.cmd.exp <= 5 + 5000
        assert verify(message.cmd, message.sig, ROUTER_KEY.verify_key)
        assert datetime.fromisoformat(welcome.time).tzinfo is not None


async def test_a_panel_that_restarted_is_not_sent_the_old_command_again(monkeypatch):
    monkeypatch.setattr(order, "ACKNOWLEDGE_S", 0.3)
    async with (
        router() as r,
        raw_panel(r.url, Hello("1", 0, (), "first boot")),
        asyncio.TaskGroup() as tasks,
    ):
        await r.until_online()
        pulsing = tasks.create_task(r.pulse("c-1"))
        await asyncio.sleep(0.02)
        async with raw_panel(r.url, Hello("1", 1, (), "second boot")) as socket:
            received = [decode((await socket.receive()).data) for _ in range(2)]
            with pytest.raises(TimeoutError):
                await socket.receive(timeout=0.1)

        assert not any(isinstance(message, RelayOpen) for message in received)
        assert (await pulsing).outcome is RelayOutcome.UNKNOWN


@pytest.mark.parametrize("frame", ["{", '{"type":"hb","mono_ms":1}', '{"type":"future"}'])
async def test_a_message_before_the_hello_closes_the_connection(frame):
    headers = {"Authorization": aiohttp.encode_basic_auth(MAIN, PASSWORD)}
    async with (
        router() as r,
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(r.url) as socket,
    ):
        await socket.send_str(frame)

        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_broken_message_closes_the_connection():
    async with router() as r, raw_panel(r.url) as socket:
        await r.until_online()

        await socket.send_str("{")

        await r.until_online(is_online=False)


async def test_a_relay_of_another_kind_is_our_own_mistake():
    async with router() as r:
        with pytest.raises(LocalProtocolError):
            await r.hub.pulse(HttpRelay("GET", "http://x", "none"), 60, CommandId("c"), None)


async def test_the_connection_has_no_delay_and_no_compression():
    async with router() as r, raw_panel(r.url) as panel:
        await r.until_online()

        server = r.hub._connections[MAIN]._socket.get_extra_info("socket")

        assert panel.compress == 0
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_the_panels_clock_is_never_estimated_early():
    clock = PanelClock()
    for delay_ms in (40, 3, 250):
        clock.learn(1000, now=5.0 + delay_ms / 1000)

    assert clock.read_ms(now=6.0) == 2000 - 3


@pytest.mark.alone
async def test_a_signed_command_is_acknowledged_in_a_few_milliseconds(tmp_path):
    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()
        took_ms = []
        for n in range(50):
            began_at = asyncio.get_running_loop().time()
            await r.pulse(f"c-{n}", ms=1)
            took_ms.append((asyncio.get_running_loop().time() - began_at) * 1000)

        assert statistics.median(took_ms) < 20
        assert panel.link.ctr == 50


def test_the_key_is_made_once_and_readable_by_the_owner_alone(tmp_path):
    path = tmp_path / "keys" / "panel.key"

    made, loaded = load_or_create_key(path), load_or_create_key(path)

    assert bytes(made) == bytes(loaded)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(public_key_text(made)) == 44


def test_a_key_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "panel.key"
    load_or_create_key(path)
    path.chmod(0o640)

    with pytest.raises(ConfigError, match="chmod 600"):
        load_or_create_key(path)


@pytest.mark.parametrize("content", [b"", b"short", b"*" * 44, b"AAAA"])
def test_a_damaged_key_is_refused_and_not_replaced(tmp_path, content):
    path = tmp_path / "panel.key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="damaged"):
        load_or_create_key(path)

    assert path.read_bytes() == content


async def test_a_client_that_says_no_hello_is_closed_in_time(monkeypatch):
    assert panel_connection.HELLO_S <= 5
    monkeypatch.setattr(panel_connection, "HELLO_S", 0.2)
    headers = {"Authorization": aiohttp.encode_basic_auth(MAIN, PASSWORD)}
    async with (
        router() as r,
        aiohttp.ClientSession(headers=headers) as http,
        http.ws_connect(r.url) as socket,
        asyncio.timeout(2),
    ):
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
