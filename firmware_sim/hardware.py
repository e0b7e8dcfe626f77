"""The relay board: a small process that holds the coils, apart from the panel's firmware.

It stands for the hardware timer of a real panel. The firmware may hang or be killed during a
pulse: the board drops the coil at its time, writes it down, and then ends when no firmware has
connected for a while. One JSON line each way on STATE_DIR/board.sock:

    firmware -> board   {"do": "pulse", "relay": 1, "ms": 3000, "cmd_id": "…"}
                        {"do": "break", "relay": 1, "is_broken": true}
                        {"do": "end"}                 as soon as every coil is at rest
    board -> firmware   {"board": PID, "coils": [transition, …]}    on connecting
                        a transition, as in the journal

`python -m firmware_sim.hardware STATE_DIR --relays 2` returns as soon as the board listens in
the background, or at once when one does already. Standard library only: it must start fast.
"""

import argparse
import contextlib
import fcntl
import json
import os
import selectors
import socket
import time
from pathlib import Path

from firmware_sim import journal
from firmware_sim.journal import CoilPhase, Transition
from firmware_sim.relay import RelayCoil

SOCKET_NAME = "board.sock"
LOCK_NAME = "board.lock"
LINGER_MS = 2_000
"""How long the board waits for its firmware to come back."""
LONGEST_WAIT_MS = 1_000
RECEIVE_BYTES = 65_536


class Board:
    """The coils, their timers and the one firmware that is connected."""

    def __init__(self, state_dir: Path, relays: int, listener: socket.socket) -> None:
        self._state_dir = state_dir
        self._coils = {number: RelayCoil(number) for number in range(1, relays + 1)}
        self._listener = listener
        self._firmware: socket.socket | None = None
        self._received = b""
        self._end_at_ms = _now_ms() + LINGER_MS
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until every coil is at rest and no firmware has been there for LINGER_MS."""
        self._note_power_cut()
        while not self._is_over(_now_ms()):
            for key, _ in self._selector.select(self._wait_ms(_now_ms()) / 1000):
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._receive()
            self._handle_timers(_now_ms())

    def _note_power_cut(self) -> None:
        now_ms = _now_ms()
        for last in journal.left_on(journal.read(self._state_dir)):
            cut = Transition(now_ms, last.relay, CoilPhase.POWER_CUT, last.cmd_id, 0, last.on_ms)
            journal.append(self._state_dir, cut)

    def _is_over(self, now_ms: int) -> bool:
        is_at_rest = all(coil.off_at_ms is None for coil in self._coils.values())
        return is_at_rest and self._firmware is None and now_ms >= self._end_at_ms

    def _wait_ms(self, now_ms: int) -> int:
        ends = [coil.off_at_ms for coil in self._coils.values() if coil.off_at_ms is not None]
        return max(0, min([*(end - now_ms for end in ends), LONGEST_WAIT_MS]))

    def _accept(self) -> None:
        if self._firmware is not None:
            self._drop_firmware()
        self._firmware, _ = self._listener.accept()
        self._firmware.setblocking(False)
        self._selector.register(self._firmware, selectors.EVENT_READ)
        coils = [json.loads(journal.to_json(c.state(_now_ms()))) for c in self._coils.values()]
        self._tell(json.dumps({"board": os.getpid(), "coils": coils}))

    def _receive(self) -> None:
        if self._firmware is None:
            return
        try:
            received = self._firmware.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._drop_firmware()
            return
        *lines, self._received = (self._received + received).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, order: dict[str, object]) -> None:
        match order:
            case {"do": "pulse", "relay": int(relay), "ms": int(ms), "cmd_id": str(cmd_id)}:
                self._note(self._coils[relay].pulse(ms, cmd_id, _now_ms()))
            case {"do": "break", "relay": int(relay), "is_broken": bool(is_broken)}:
                self._coils[relay].is_broken = is_broken
            case {"do": "end"}:
                self._drop_firmware()
                self._end_at_ms = 0
            case _:  # newer firmware than this board
                pass

    def _handle_timers(self, now_ms: int) -> None:
        for coil in self._coils.values():
            dropped = coil.handle_timer(now_ms)
            if dropped is not None:
                self._note(dropped)

    def _note(self, transition: Transition) -> None:
        journal.append(self._state_dir, transition)
        self._tell(journal.to_json(transition))

    def _tell(self, line: str) -> None:
        if self._firmware is None:
            return
        try:
            self._firmware.send(line.encode() + b"\n")
        except OSError:  # killed, or hung with a full buffer: the coils matter more
            self._drop_firmware()

    def _drop_firmware(self) -> None:
        if self._firmware is not None:
            self._selector.unregister(self._firmware)
            self._firmware.close()
        self._firmware = None
        self._received = b""
        self._end_at_ms = _now_ms() + LINGER_MS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m firmware_sim.hardware", description=__doc__)
    parser.add_argument("state_dir", type=Path, help="folder of the socket and the journal")
    parser.add_argument("--relays", type=int, default=2, help="how many coils (default: 2)")
    arguments = parser.parse_args()
    _start(arguments.state_dir, arguments.relays)


def _start(state_dir: Path, relays: int) -> None:
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / LOCK_NAME).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # a board is there already
        path = state_dir / SOCKET_NAME
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            # The one that was started says "up" by ending; its child is the board, and nobody's
            # child, so that it outlives the firmware in every way of dying.
            if os.fork() == 0:
                os.setsid()
                with contextlib.suppress(KeyboardInterrupt):
                    Board(state_dir, relays, listener).run()
                path.unlink(missing_ok=True)


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


if __name__ == "__main__":
    main()
