"""The operator's socket, over a real unix socket."""

import asyncio
import contextlib
import json
import socket
import stat
from pathlib import Path

import aiohttp
import pytest

from intercom.adapters import control
from intercom.adapters.control import ControlHandlers, control_server
from intercom.errors import ConfigError
from intercom.ports import RelayOutcome, RelayResult
from intercom.trace import Hop, Trace


class Change:
    def __init__(self, summary: str) -> None:
        self._summary = summary

    def summary(self) -> str:
        return self._summary


class Service:
    """Stands for the running service behind the socket."""

    def __init__(self) -> None:
        self.now = 10.0
        self.trace = Trace(lambda: self.now)
        self.tested: list[str] = []
        self.loaded: list[Path | None] = []

    async def relay_test(self, door: str) -> RelayResult:
        if door == "slow":
            await asyncio.sleep(3)
        if door != "main":
            msg = f'There is no door "{door}".'
            raise ConfigError(msg)
        self.tested.append(door)
        return RelayResult(RelayOutcome.OPENED, on_ms=2998, coil_ma=121)

    async def reload(self, file: Path | None) -> Change:
        self.loaded.append(file)
        return Change('added resident "kari"')

    def handlers(self) -> ControlHandlers:
        return ControlHandlers(self.trace, self.relay_test, self.reload, lambda: {"calls": 0})


@pytest.fixture
def service():
    return Service()


@pytest.fixture
async def path(tmp_path, service):
    path = tmp_path / "state" / "control.sock"
    async with control_server(path, service.handlers()):
        yield path


@pytest.fixture
async def client(path):
    connector = aiohttp.UnixConnector(str(path))
    async with aiohttp.ClientSession("http://control", connector=connector) as session:
        yield session


def test_the_socket_is_for_the_service_s_own_user_alone(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_status_is_what_the_service_says(client):
    async with client.get("/status") as response:
        assert await response.json() == {"calls": 0}


async def test_trace_gives_the_steps_of_the_last_calls(client, service):
    service.trace.step("c1", Hop.PRESS, "pressed", button="2")
    service.now += 0.5
    service.trace.step("c1", Hop.APP_RING)

    async with client.get("/trace") as response:
        (call,) = (await response.json())["calls"]

    assert call["call"] == "c1"
    assert call["steps"][0] == {
        "call": "c1",
        "at_ms": 0,
        "hop": "press",
        "text": "pressed",
        "facts": {"button": "2"},
    }
    assert call["steps"][1]["at_ms"] == 500


async def test_stream_gives_each_further_step(client, service):
    async with client.get("/trace/stream") as response:
        service.trace.step("c1", Hop.PRESS)
        line = await response.content.readline()

    assert json.loads(line)["hop"] == "press"


async def test_a_reader_that_left_is_forgotten(client, service, monkeypatch):
    monkeypatch.setattr(control, "_HEARTBEAT_S", 0.02)
    async with client.get("/trace/stream"):
        assert len(service.trace._subscribers) == 1

    for _ in range(200):
        if not service.trace._subscribers:
            break
        await asyncio.sleep(0.01)
    assert service.trace._subscribers == []


async def test_stopping_ends_open_streams_at_once(tmp_path, service):
    path = tmp_path / "control.sock"
    connector = aiohttp.UnixConnector(str(path))
    async with (
        aiohttp.ClientSession("http://control", connector=connector) as session,
        contextlib.AsyncExitStack() as stack,
    ):
        await stack.enter_async_context(control_server(path, service.handlers()))
        response = await session.get("/trace/stream")
        async with asyncio.timeout(0.9):
            await stack.aclose()

        assert await response.content.read() == b""
    assert not path.exists()


async def test_relay_test_tells_what_was_measured(client, service):
    async with client.post("/relay-test", json={"door": "main"}) as response:
        assert await response.json() == {
            "door": "main",
            "outcome": "opened",
            "cause": "",
            "on_ms": 2998,
            "coil_ma": 121,
        }
    assert service.tested == ["main"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"door": 1}', b'{"door": null}'])
async def test_a_wrong_body_is_refused_in_words(client, service, body):
    async with client.post("/relay-test", data=body) as response:
        assert response.status == 422
        assert "door" in (await response.json())["error"]
    assert service.tested == []


async def test_a_door_that_is_not_there_is_refused_in_words(client):
    async with client.post("/relay-test", json={"door": "x"}) as response:
        assert (await response.json())["error"] == 'There is no door "x".'


async def test_a_relay_test_has_a_limit(client, monkeypatch):
    monkeypatch.setattr(control, "RELAY_TEST_LIMIT_S", 0.05)

    async with client.post("/relay-test", json={"door": "slow"}) as response:
        assert response.status == 504
        assert (await response.json())["error"] == "That took too long."


async def test_reload_takes_the_same_file_or_another(client, service):
    async with client.post("/reload") as response:
        assert await response.json() == {"summary": 'added resident "kari"'}
    async with client.post("/reload", json={"file": "/etc/other.toml"}):
        pass

    assert service.loaded == [None, Path("/etc/other.toml")]


async def test_a_second_service_does_not_take_the_socket_over(path, service):
    with pytest.raises(ConfigError, match="Another service listens"):
        async with control_server(path, service.handlers()):
            pass

    assert path.is_socket()


async def test_what_a_killed_service_left_behind_is_taken_over(tmp_path, service):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))

    async with control_server(path, service.handlers()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_directory_that_cannot_be_written_is_named(service):
    with pytest.raises(ConfigError, match="INTERCOM_CONTROL_SOCKET"):
        async with control_server(Path("/proc/intercom/control.sock"), service.handlers()):
            pass
