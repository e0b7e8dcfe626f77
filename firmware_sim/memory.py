"""The panel's durable memory: the command counter and the last acknowledgements.

Two slots in one file of fixed size, written in turn and flushed to the disk, as firmware does it
with two pages of flash: a power cut can tear the slot that is being written, never the other one.

    slot   CRC-32 (4)   length (4)   JSON {"ctr": …, "acks": […]}   at most 128 KiB
"""

import json
import os
import struct
import zlib
from pathlib import Path

from intercom.link.messages import RelayAck, fields_of
from intercom.link.relay_gate import GateMemory

MEMORY_NAME = "memory.bin"
SLOTS = 2
SLOT_BYTES = 131_072
_HEADER = struct.Struct(">II")


class PanelMemory:
    """Reads the newest whole slot, writes over the other one."""

    def __init__(self, state_dir: Path) -> None:
        state_dir.mkdir(parents=True, exist_ok=True)
        self._file = os.open(state_dir / MEMORY_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        if os.fstat(self._file).st_size < SLOTS * SLOT_BYTES:
            os.ftruncate(self._file, SLOTS * SLOT_BYTES)
            os.fsync(self._file)
        found = [self._read(slot) for slot in range(SLOTS)]
        newest = max(range(SLOTS), key=lambda slot: -1 if (m := found[slot]) is None else m.ctr)
        self.loaded = found[newest] or GateMemory()
        """What was stored when the memory was opened."""
        self._next_slot = (newest + 1) % SLOTS

    def store(self, memory: GateMemory) -> None:
        """Write to the disk; when this returns, a power cut cannot undo it."""
        acks = [fields_of(ack) for ack in memory.acks]
        text = json.dumps({"ctr": memory.ctr, "acks": acks}).encode()
        packed = _HEADER.pack(zlib.crc32(text), len(text)) + text
        os.pwrite(self._file, packed, self._next_slot * SLOT_BYTES)
        os.fdatasync(self._file)
        self._next_slot = (self._next_slot + 1) % SLOTS

    def close(self) -> None:
        """Close the file; nothing is left to write."""
        os.close(self._file)

    def _read(self, slot: int) -> GateMemory | None:
        packed = os.pread(self._file, SLOT_BYTES, slot * SLOT_BYTES)
        if len(packed) < _HEADER.size:
            return None
        crc, length = _HEADER.unpack_from(packed)
        text = packed[_HEADER.size : _HEADER.size + length]
        if length == 0 or zlib.crc32(text) != crc:
            return None
        stored = json.loads(text)
        return GateMemory(stored["ctr"], tuple(RelayAck(**ack) for ack in stored["acks"]))
