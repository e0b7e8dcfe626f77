"""The durable memory: what a power cut leaves."""

import pytest

from firmware_sim.memory import MEMORY_NAME, SLOT_BYTES, PanelMemory
from intercom.link.messages import RelayAck
from intercom.link.relay_gate import GateMemory

FIRST = GateMemory(1, (RelayAck("c-1", accepted=True, cause=""),))
SECOND = GateMemory(2, (*FIRST.acks, RelayAck("ø-2", accepted=False, cause="sent too late")))


def reopened(tmp_path) -> GateMemory:
    memory = PanelMemory(tmp_path)
    memory.close()
    return memory.loaded


def test_a_new_panel_has_used_no_counter(tmp_path):
    assert reopened(tmp_path) == GateMemory()


def test_what_was_stored_last_is_read_back(tmp_path):
    memory = PanelMemory(tmp_path)
    for n in range(1, 8):
        memory.store(GateMemory(n, SECOND.acks))
    memory.close()

    assert reopened(tmp_path) == GateMemory(7, SECOND.acks)


@pytest.mark.parametrize("torn_at", [0, 3, 8, 20])
def test_a_torn_write_leaves_the_memory_before_it(tmp_path, torn_at):
    memory = PanelMemory(tmp_path)
    memory.store(FIRST)
    memory.store(SECOND)
    memory.close()
    path = tmp_path / MEMORY_NAME
    content = bytearray(path.read_bytes())
    slot = content.index(b"sent too late") // SLOT_BYTES
    content[slot * SLOT_BYTES + torn_at] ^= 0xFF

    path.write_bytes(content)

    assert reopened(tmp_path) == FIRST


def test_writing_goes_on_behind_what_was_read(tmp_path):
    for n in range(1, 5):
        memory = PanelMemory(tmp_path)
        assert memory.loaded.ctr == n - 1
        memory.store(GateMemory(n))
        memory.close()
