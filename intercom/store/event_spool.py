"""Where lines of commercial event logs wait on disk while the database is down; read again when it is back.

One JSON object a line, fsynced, readable by the service's user alone. It holds nothing of a residential
property: what is put in is a `LogLine`, and that names the log of a commercial one.
"""

import json
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from intercom.routing.ids import LogId, ResidentId
from intercom.routing.log_line import LogLine, Means, What

MAX_BYTES = 8 * 1024 * 1024
"""About 30,000 lines; what comes then is counted and lost."""


class EventSpool:
    """One file; it exists only while something waits in it. Its methods block, for milliseconds."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._file.exists()

    def add(self, lines: Iterable[LogLine]) -> int:
        """Keep lines until `clear`; give how many were lost, because the file or the disk is full."""
        written = [_written(line) for line in lines]
        try:
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                room = MAX_BYTES - os.fstat(handle).st_size
                fitting = _that_fit(written, room)
                _write_whole(handle, b"".join(fitting))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            return len(written)
        return len(written) - len(fitting)

    def lines(self) -> list[LogLine]:
        """Read what waits; what a power cut left of a last line is passed over."""
        try:
            written = self._file.read_bytes()
        except FileNotFoundError:
            return []
        return [line for each in written.splitlines() if (line := _read(each)) is not None]

    def clear(self) -> None:
        """Forget everything: it is in the database now."""
        self._file.unlink(missing_ok=True)


def _that_fit(written: list[bytes], room: int) -> list[bytes]:
    fitting = []
    for each in written:
        room -= len(each)
        if room < 0:
            break
        fitting.append(each)
    return fitting


def _write_whole(handle: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(handle, octets) :]


def _written(line: LogLine) -> bytes:
    fields = {
        "id": line.line_id,
        "log": line.log,
        "at": line.at.isoformat(),
        "what": line.what.value,
        "call": line.call,
        "doorbell": line.doorbell,
        "door": line.door,
        "person": line.person,
        "means": line.means and line.means.value,
    }
    # begins with a line's end, so that half a line from before a power cut spoils no other
    return b"\n" + json.dumps(fields, ensure_ascii=False).encode()


def _read(written: bytes) -> LogLine | None:
    try:
        fields = json.loads(written)
        return LogLine(
            line_id=fields["id"],
            log=LogId(fields["log"]),
            at=datetime.fromisoformat(fields["at"]),
            what=What(fields["what"]),
            call=fields["call"],
            doorbell=fields["doorbell"],
            door=fields["door"],
            person=ResidentId(fields["person"]) if fields["person"] else None,
            means=Means(fields["means"]) if fields["means"] else None,
        )
    except (ValueError, KeyError, TypeError):
        return None
