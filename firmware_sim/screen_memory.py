"""What stands on the panel's screen, kept over a restart: asked for part by part, shown whole or not at all.

cfg.put ─► signature, panel, rev ─► cfg.get for the parts that are missing ─► cfg.part … ─► disk ─► screen ─► cfg.ack

The file is written aside and renamed, so that a power cut leaves the old screen or the new one.
"""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import VerifyKey

from intercom.errors import RemoteProtocolError
from intercom.link.messages import ScreenAck, ScreenGet, ScreenPart, ScreenPut, fields_of
from intercom.link.screen import (
    SCREEN_VERSION,
    ScreenContent,
    ScreenManifest,
    digest_of,
    read_parts,
    screen_digest,
)
from intercom.link.signing import verify

FILE_NAME = "screen.json"
PRIVATE_MODE = 0o600
AT_ONCE = 4
"""Parts that are asked for before the first of them has come."""


@dataclass(frozen=True, slots=True)
class StoredScreen:
    """A whole screen, as its router signed it."""

    put: ScreenPut
    parts: dict[str, str]
    content: ScreenContent


Reply = ScreenGet | ScreenAck


class ScreenMemory:
    """Judges what the router wants to be shown, collects it and keeps it."""

    def __init__(
        self,
        state_dir: Path,
        *,
        panel_id: str,
        router_key: VerifyKey,
        on_content: Callable[[ScreenContent], None],
    ) -> None:
        self._path = state_dir / FILE_NAME
        self._panel_id = panel_id
        self._router_key = router_key
        self._on_content = on_content
        self._stored = self._load()
        self._wanted: ScreenPut | None = None
        self._parts: dict[str, str] = {}
        """Of the screen that is being collected."""
        self._asked: set[str] = set()

    @property
    def content(self) -> ScreenContent | None:
        """What was stored last; None: nothing ever."""
        return None if self._stored is None else self._stored.content

    @property
    def rev(self) -> int:
        return 0 if self._stored is None else self._stored.put.cfg.rev

    @property
    def digest(self) -> str:
        return "" if self._stored is None else screen_digest(self._stored.put.cfg.parts)

    def end_session(self) -> None:
        """Forget what was asked for; the router offers its screen again."""
        self._wanted = None
        self._asked.clear()

    def offer(self, put: ScreenPut) -> list[Reply]:
        """Judge a manifest; gives what to answer."""
        cfg = put.cfg
        if not verify(cfg, put.sig, self._router_key):
            return [ScreenAck(cfg.rev, "the screen is not signed by the panel's router")]
        if cfg.v != SCREEN_VERSION or cfg.panel != self._panel_id:
            return [ScreenAck(cfg.rev, "the screen is for another panel or another version")]
        if cfg.rev <= self.rev:
            return [ScreenAck(cfg.rev, "the screen is an old one")]
        known = {**(self._stored.parts if self._stored else {}), **self._parts}
        self._wanted = put
        self._parts = {digest: known[digest] for digest in cfg.parts if digest in known}
        self._asked.clear()
        return self._go_on()

    def take(self, part: ScreenPart) -> list[Reply]:
        """Take in a part; one that was not signed for is passed over."""
        digest = digest_of(part.text)
        if self._wanted is None or digest not in self._wanted.cfg.parts:
            return []
        self._parts[digest] = part.text
        self._asked.discard(digest)
        return self._go_on()

    def _go_on(self) -> list[Reply]:
        if self._wanted is None:
            return []
        missing = [each for each in self._wanted.cfg.parts if each not in self._parts]
        if not missing:
            return [self._finish(self._wanted)]
        room = AT_ONCE - len(self._asked)
        asked = [each for each in missing if each not in self._asked][:room]
        self._asked.update(asked)
        return [ScreenGet(tuple(asked))] if asked else []

    def _finish(self, put: ScreenPut) -> ScreenAck:
        parts, self._parts, self._wanted = self._parts, {}, None
        try:
            content = read_parts([parts[digest] for digest in put.cfg.parts])
            self._store(put, parts)
        except (RemoteProtocolError, OSError) as error:
            return ScreenAck(put.cfg.rev, str(error))
        self._stored = StoredScreen(put, parts, content)
        self._on_content(content)
        return ScreenAck(put.cfg.rev, "")

    def _store(self, put: ScreenPut, parts: dict[str, str]) -> None:
        sig = base64.b64encode(put.sig).decode("ascii")
        text = json.dumps({"cfg": fields_of(put.cfg), "sig": sig, "parts": parts})
        aside = self._path.with_suffix(".new")
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_MODE), "w") as file:  # noqa: PTH123  # a descriptor
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _load(self) -> StoredScreen | None:
        """Read what was stored; None for what is damaged, missing or of another router."""
        try:
            stored = json.loads(self._path.read_text("utf-8"))
            cfg = ScreenManifest(**{**stored["cfg"], "parts": tuple(stored["cfg"]["parts"])})
            put = ScreenPut(cfg, base64.b64decode(stored["sig"]))
            parts = {digest_of(part): part for part in stored["parts"].values()}
            if not verify(cfg, put.sig, self._router_key) or cfg.panel != self._panel_id:
                return None
            return StoredScreen(put, parts, read_parts([parts[each] for each in cfg.parts]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RemoteProtocolError):
            return None
