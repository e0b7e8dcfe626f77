"""The log-ins in a file, so that a restart of the service logs nobody out.

What is written is a digest of each token, whose it is, which device and since which day: no token, no
time, nothing about calls. Without the file everybody logs in again.
"""

import asyncio
import contextlib
import json
import os
from datetime import date
from pathlib import Path

import structlog

from intercom.routing.ids import DeviceId, ResidentId
from intercom.web.sessions import Login, LoginTable

log = structlog.get_logger()

PRIVATE_MODE = 0o600
SETTLE_S = 0.5
"""Changes within this time are written together."""


class LoginFile:
    """Reads the table from a file once, and writes it whenever it changes."""

    def __init__(self, path: Path, table: LoginTable) -> None:
        self._path = path
        self._table = table
        self._changed = asyncio.Event()
        table.on_changed = self._changed.set

    def load(self) -> None:
        """Restore the table; a file that is missing or damaged restores nothing."""
        try:
            entries = [_from_json(each) for each in json.loads(self._path.read_text("utf-8"))]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("web.logins_unreadable", remedy="every resident has to log in once more")
            return
        self._table.restore(entries)

    async def keep(self) -> None:
        """Write the table after each change, until cancelled; then once more."""
        try:
            while True:
                await self._changed.wait()
                await asyncio.sleep(SETTLE_S)
                self._changed.clear()
                await asyncio.to_thread(self._write, self._serialise())
        finally:
            if self._changed.is_set():
                self._write(self._serialise())

    def _serialise(self) -> str:
        return json.dumps(
            [
                {
                    "token_digest": key.hex(),
                    "resident": login.resident_id,
                    "device": login.device_id,
                    "password_mark": login.password_mark.hex(),
                    "label": login.label,
                    "created_on": login.created_on.isoformat() if login.created_on else "",
                }
                for key, login in self._table.export()
            ]
        )

    def _write(self, text: str) -> None:
        """Replace the file in one step, so that a crash leaves the old one or the new one."""
        new = self._path.with_suffix(".new")
        try:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError:
            log.exception(
                "web.logins_unwritten", remedy="is INTERCOM_STATE_DIR writable and not full?"
            )


def _from_json(entry: dict[str, str]) -> tuple[bytes, Login]:
    login = Login(
        ResidentId(entry["resident"]),
        DeviceId(entry["device"]),
        bytes.fromhex(entry["password_mark"]),
        entry.get("label", ""),
        date.fromisoformat(entry["created_on"]) if entry.get("created_on") else None,
    )
    return bytes.fromhex(entry["token_digest"]), login
