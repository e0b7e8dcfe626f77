"""Loading the building again beside the loop: one at a time, and in force all at once."""

import asyncio
import threading
from dataclasses import replace

import pytest

from intercom.app.in_force import BuildingInForce
from intercom.building import Building
from intercom.errors import ConfigError
from intercom.routing.ids import ResidentId
from tests.adapters.sip_rig import stranger, until
from tests.fakes import ANNA, make_house
from tests.test_app import PASSWORD, service_with

PATIENCE_S = 2.0


class SlowFile:
    """A building whose reading takes until it is let go; each time it has one resident more."""

    def __init__(self, file="building.toml"):
        self.gate = threading.Event()
        self.gate.set()
        self.reading = 0
        self.most_at_once = 0
        self.threads = []
        self.house = make_house()

    def load(self, file):
        self.threads.append(threading.current_thread())
        self.reading += 1
        self.most_at_once = max(self.most_at_once, self.reading)
        assert self.gate.wait(PATIENCE_S)
        self.reading -= 1
        if str(file) == "wrong":
            raise ConfigError("wrong")
        anna = self.house.residents[ANNA]
        name = ResidentId(f"r{len(self.threads)}")
        self.house = replace(self.house, residents={**self.house.residents, name: anna})
        return Building(self.house, ())


@pytest.fixture
def slow():
    return SlowFile()


@pytest.fixture
def building(slow, tmp_path):
    return BuildingInForce(tmp_path, slow.load)


async def test_the_file_is_read_beside_the_loop_and_the_building_of_before_is_in_force_meanwhile(
    slow, building
):
    before, told = building.directory, []
    building.on_change.append(lambda directory, _: told.append(directory))
    slow.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        loading = tasks.create_task(building.reload())
        await until(lambda: slow.reading)
        assert building.directory is before
        slow.gate.set()
        change = await loading

    assert slow.threads[-1] is not threading.current_thread()
    assert told == [building.directory] == [slow.house]
    assert change.added == {"resident": ("r2",)}


async def test_two_that_load_at_once_do_it_one_after_the_other(slow, building):
    async with asyncio.TaskGroup() as tasks:
        loadings = [tasks.create_task(building.reload()) for _ in range(3)]
    changes = [loading.result() for loading in loadings]

    assert slow.most_at_once == 1
    assert [change.added for change in changes] == [{"resident": (f"r{n}",)} for n in (2, 3, 4)]


async def test_a_wrong_file_changes_nothing_and_the_next_is_loaded(slow, building):
    before = building.directory
    with pytest.raises(ConfigError):
        await building.reload("wrong")
    assert building.directory is before

    await building.reload()

    assert building.directory is slow.house


async def test_a_signal_loads_again_and_many_of_them_as_well(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERCOM_SECRET_PANEL", PASSWORD)
    async with stranger() as carrier, service_with(carrier.address, tmp_path) as service:
        before, loaded = service.building.directory, []
        service.building.on_change.append(lambda directory, _: loaded.append(directory))
        for _ in range(5):
            service.reload_by_signal()
        assert service.building.directory is before

        await until(lambda: service.building.directory is not before)

        assert len(loaded) <= 2
