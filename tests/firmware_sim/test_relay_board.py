"""The relay board: coils that drop by their own timer, whatever becomes of the firmware."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable

from firmware_sim import journal
from firmware_sim.board import RelayBoard
from firmware_sim.journal import CoilPhase, Transition
from firmware_sim.relay import COIL_MA, MAX_PULSE_MS, RelayCoil


def test_a_coil_is_on_for_the_time_it_was_told():
    coil = RelayCoil(1)

    on = coil.pulse(3000, "c-1", now_ms=100)

    assert on == Transition(100, 1, CoilPhase.ON, "c-1", COIL_MA, on_ms=0)
    assert coil.handle_timer(now_ms=3099) is None
    assert coil.handle_timer(now_ms=3100) == Transition(
        3100, 1, CoilPhase.OFF, "c-1", COIL_MA, on_ms=3000
    )
    assert coil.off_at_ms is None


def test_no_command_holds_a_coil_longer_than_the_hardware_allows():
    coil = RelayCoil(1)

    coil.pulse(60_000, "c-1", now_ms=0)

    assert coil.off_at_ms == MAX_PULSE_MS


def test_further_commands_prolong_a_pulse_up_to_the_longest_from_its_start():
    coil = RelayCoil(1)
    coil.pulse(3000, "c-1", now_ms=0)

    assert coil.pulse(3000, "c-2", now_ms=2000).phase is CoilPhase.PROLONGED
    assert coil.off_at_ms == 5000

    coil.pulse(9000, "c-3", now_ms=4000)
    assert coil.off_at_ms == MAX_PULSE_MS


def test_a_shorter_command_does_not_cut_a_pulse_short():
    coil = RelayCoil(1)
    coil.pulse(3000, "c-1", now_ms=0)

    coil.pulse(100, "c-2", now_ms=500)

    assert coil.off_at_ms == 3000


def test_a_broken_coil_draws_nothing_and_does_not_move():
    coil = RelayCoil(1)
    coil.is_broken = True

    tried = coil.pulse(3000, "c-1", now_ms=0)

    assert (tried.phase, tried.coil_ma) == (CoilPhase.NO_CURRENT, 0)
    assert coil.off_at_ms is None


def test_a_line_that_a_power_cut_tore_is_passed_over(tmp_path):
    kept = Transition(1, 1, CoilPhase.ON, "c-1", COIL_MA, on_ms=0)
    journal.append(tmp_path, kept)
    with (tmp_path / journal.JOURNAL_NAME).open("a") as file:
        file.write('{"at_ms": 5, "rel')

    assert journal.read(tmp_path) == [kept]
    assert journal.left_on([kept]) == [kept]


@contextlib.asynccontextmanager
async def board(state_dir) -> AsyncIterator[RelayBoard]:
    made = RelayBoard(state_dir, 2, lambda _: None)
    async with asyncio.TaskGroup() as tasks, made.connected(tasks):
        yield made


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(900):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("it did not come true")


def phases(state_dir) -> list[CoilPhase]:
    return [transition.phase for transition in journal.read(state_dir)]


def has_died(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_the_pulse_is_measured_and_within_a_tenth_of_a_second(tmp_path):
    async with board(tmp_path) as relay:
        relay.pulse(1, 300, "c-1")
        await until(lambda: phases(tmp_path) == [CoilPhase.ON, CoilPhase.OFF])

    on, off = journal.read(tmp_path)
    assert abs(off.on_ms - 300) < 100
    assert off.on_ms == off.at_ms - on.at_ms


async def test_the_coil_drops_in_time_when_its_firmware_has_gone(tmp_path):
    async with board(tmp_path) as relay:
        relay.pulse(1, 400, "c-1")
        await until(lambda: phases(tmp_path) == [CoilPhase.ON])

    await until(lambda: CoilPhase.OFF in phases(tmp_path))

    on, off = journal.read(tmp_path)
    assert abs(off.at_ms - on.at_ms - 400) < 100
    await until(lambda: has_died(relay.pid))


async def test_the_next_firmware_finds_the_running_board_with_its_coil_still_on(tmp_path):
    async with board(tmp_path) as before:
        before.pulse(2, 800, "c-1")
        await until(lambda: phases(tmp_path) == [CoilPhase.ON])
        before._hang_up()  # killed: it says no farewell

    async with board(tmp_path) as after:
        assert after.pid == before.pid
        assert after.coils[2].phase is CoilPhase.ON
        assert after.coils[1].phase is CoilPhase.OFF
        await until(lambda: after.coils[2].phase is CoilPhase.OFF)

    assert phases(tmp_path) == [CoilPhase.ON, CoilPhase.OFF]


async def test_a_power_cut_of_the_board_is_noted_and_its_firmware_starts_it_anew(tmp_path):
    async with board(tmp_path) as relay:
        relay.pulse(1, 5000, "c-1")
        await until(lambda: phases(tmp_path) == [CoilPhase.ON])
        dead = relay.pid

        os.kill(dead, signal.SIGKILL)

        await until(lambda: relay.pid != dead and relay.coils != {})
        assert relay.coils[1].phase is CoilPhase.OFF
        assert phases(tmp_path) == [CoilPhase.ON, CoilPhase.POWER_CUT]


async def test_a_board_that_nobody_talks_to_ends_by_itself(tmp_path):
    async with board(tmp_path) as relay:
        relay._hang_up()
        began_at = time.monotonic()

    await until(lambda: has_died(relay.pid))

    assert time.monotonic() - began_at < 4
