"""What stands on the panels' screens: their names and words, written from the directory.

A panel asks for the parts that it lacks, a few at a time, so that thousands of names on a slow line keep
no door command waiting.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from nacl.signing import SigningKey

from intercom import texts
from intercom.link.messages import Hello, Message, ScreenAck, ScreenGet, ScreenPart, ScreenPut
from intercom.link.screen import (
    SCREEN_VERSION,
    ScreenContent,
    ScreenEntry,
    ScreenManifest,
    digest_of,
    part_numbers,
    part_of,
    screen_digest,
    write_face,
    write_names,
)
from intercom.link.signing import sign
from intercom.routing.commands import EndReason, PanelState, ReadyAnswer
from intercom.routing.directory import Button, Directory, Panel
from intercom.routing.ids import PanelId, PropertyId

ROOM = "panel"
FOREIGN = "en"
"""What a visitor may choose besides the property's language; where that is this, then HOME."""
HOME = "nb"
SLICE_NAMES = 200
SLICE_PARTS = 2
"""So much is written before others have their turn: less than a millisecond."""
PAUSE_S = 0.2
"""Between two screens for one panel; what changes meanwhile goes out as one."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Screen:
    """A panel's whole screen."""

    parts: Mapping[str, str]
    """By their digests, in order."""
    digest: str


@dataclass(frozen=True, slots=True)
class _Names:
    """The names of one property as they were last written; most of its panels show the same."""

    directory: Directory
    buttons: tuple[Button, ...]
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScreenState:
    """How far a panel's screen is."""

    shown_rev: int
    """What it shows; 0: nothing of ours."""
    wanted_rev: int
    """What it was told to show last."""
    cause: str = ""
    """Why it could not, in words; empty: it could, or is still at it."""

    @property
    def is_current(self) -> bool:
        return self.shown_rev == self.wanted_rev


def state_words(state: PanelState, reason: EndReason | None, language: str) -> str:
    """Choose the words for a state; a reason, where there is one, says more than the state."""
    shown = f"state.{state.name}" if reason is None else f"reason.{reason.name}"
    return texts.words(language, f"{ROOM}.{shown.lower()}")


def answer_words(answer: ReadyAnswer, language: str) -> str:
    """Choose the words for a ready answer."""
    return texts.words(language, f"{ROOM}.answer.{answer.name.lower()}")


class ScreenDesk:
    """Writes screens, one at a time and in slices that nobody feels."""

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._names: dict[PropertyId, _Names] = {}
        self._turn = asyncio.Lock()

    async def screen_of(self, panel_id: PanelId) -> Screen | None:
        """Write a panel's screen as the directory has it now; None: it has no such panel."""
        async with self._turn:
            directory = self._directory()
            panel = directory.panels.get(panel_id)
            if panel is None or panel.property_id not in directory.properties:
                return None
            names = await self._names_of(panel, directory)
            face = write_face(_face_of(panel, directory))
            parts = {digest_of(face): face, **names}
            return Screen(parts, screen_digest(tuple(parts)))

    def forget(self) -> None:
        """Keep nothing of a directory that is no longer in force."""
        self._names.clear()

    async def _names_of(self, panel: Panel, directory: Directory) -> Mapping[str, str]:
        known = self._names.get(panel.property_id)
        if known and known.directory is directory and known.buttons == panel.buttons:
            return known.parts
        count = part_numbers(len(panel.buttons))
        spread: list[list[ScreenEntry]] = [[] for _ in range(count)]
        for start in range(0, len(panel.buttons), SLICE_NAMES):
            for entry in _entries_of(panel.buttons[start : start + SLICE_NAMES], directory):
                spread[part_of(entry.button, count)].append(entry)
            await asyncio.sleep(0)
        parts: dict[str, str] = {}
        for number, entries in enumerate(spread):
            if entries:
                parts |= {digest_of(part): part for part in write_names(entries)}
            if number % SLICE_PARTS == 0:
                await asyncio.sleep(0)
        self._names[panel.property_id] = _Names(directory, panel.buttons, parts)
        return parts


class ScreenLink:
    """One connected panel's screen: offers what it should show, part by part."""

    def __init__(
        self,
        panel_id: PanelId,
        *,
        desk: ScreenDesk,
        key: SigningKey,
        send: Callable[[Message], bool],
    ) -> None:
        self._panel_id = panel_id
        self._desk = desk
        self._key = key
        self._send = send
        self._changed = asyncio.Event()
        self._wanted = ""
        """Digest of what it was offered last, or shows."""
        self._offered: Screen | None = None
        self.state = ScreenState(0, 0)

    def check(self) -> None:
        """Look soon whether the screen is still right."""
        self._changed.set()

    async def run(self, hello: Hello) -> None:
        """Keep the screen right until cancelled, beginning with what the panel says it shows."""
        self._wanted = hello.cfg
        self.state = ScreenState(hello.cfg_rev, hello.cfg_rev)
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            screen = await self._desk.screen_of(self._panel_id)
            if screen is not None and screen.digest != self._wanted:
                self._offer(screen)
                await asyncio.sleep(PAUSE_S)

    def receive(self, message: ScreenGet | ScreenAck) -> None:
        """Give the panel what it asks for, or note what it shows."""
        match message:
            case ScreenGet(wanted) if self._offered is not None:
                for digest in wanted:
                    part = self._offered.parts.get(digest)
                    if part is not None:  # else it asks for what is superseded already
                        self._send(ScreenPart(part))
            case ScreenAck(rev, cause) if rev == self.state.wanted_rev:
                shown_rev = self.state.shown_rev if cause else rev
                self.state = ScreenState(shown_rev, rev, cause)
                self._offered = None
                if cause:
                    log.warning("panel_link.screen_refused", cause=cause)
            case _:
                pass  # of a screen that is superseded already

    def _offer(self, screen: Screen) -> None:
        rev = self.state.wanted_rev + 1
        manifest = ScreenManifest(SCREEN_VERSION, self._panel_id, rev, tuple(screen.parts))
        if not self._send(ScreenPut(manifest, sign(manifest, self._key))):
            self._changed.set()  # its outbox is full; again after a pause
            return
        self._offered = screen
        self._wanted = screen.digest
        self.state = ScreenState(self.state.shown_rev, rev)


def _face_of(panel: Panel, directory: Directory) -> ScreenContent:
    its = directory.properties[panel.property_id]
    door = directory.doors.get(panel.door_id)
    languages = (its.language, HOME if its.language == FOREIGN else FOREIGN)
    return ScreenContent(
        door="" if door is None else door.name,
        place=its.address or its.name,
        languages=languages,
        texts={each: _texts_in(each) for each in languages},
    )


def _texts_in(language: str) -> dict[str, str]:
    found = texts.catalogue(ROOM, language)
    return {key.removeprefix(f"{ROOM}."): text for key, text in found.items()}


def _entries_of(buttons: tuple[Button, ...], directory: Directory) -> list[ScreenEntry]:
    return [
        ScreenEntry(button.name, doorbell.name, doorbell.group)
        for button in buttons
        if (doorbell := directory.doorbells.get(button.doorbell_id)) is not None
    ]
