"""The panel's parts, wired up; `panel` is its command line, `panel_http` its page.

page, /api/press ─► Panel.press ─► PanelPhone (SIP) ─► CallMedia (RTP)
router's command ─► LinkClient ─► RelayGate ─► PanelMemory (disk) ─► RelayBoard (own process)
router's call.state ─► Screen
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from firmware_sim import process
from firmware_sim.board import RelayBoard
from firmware_sim.camera import Camera, Picture
from firmware_sim.journal import CoilPhase, Transition
from firmware_sim.link_client import LinkAccount, LinkClient
from firmware_sim.memory import PanelMemory
from firmware_sim.names import Row, arranged
from firmware_sim.screen import Face, Screen
from firmware_sim.screen_memory import ScreenMemory
from firmware_sim.sip_call import CallPhase, PanelCall, PanelPhone, SipAccount
from firmware_sim.sound import Microphone, Speaker
from firmware_sim.words import PanelWords
from intercom.link.messages import CallAnswer, CallState
from intercom.link.screen import ScreenContent, ScreenEntry

NO_ROUTER_S = 1.5
"""No response to a press for so long: the router is lost (requirement B12 allows 2 s)."""


@dataclass(frozen=True, slots=True)
class PanelSettings:
    """What the command line says."""

    name: str
    buttons: dict[str, str]
    """From the user part of the Request-URI to the name on the panel, until the router sends names."""
    account: SipAccount
    link: LinkAccount | None
    state_dir: Path
    host: str
    sip_port: int
    http_port: int
    tone_hz: int
    relays: int
    language: str


class Fault(Enum):
    """What can be broken on request."""

    LINK_DOWN = "link_down"
    """The panel link is cut; calls still work."""
    SIP_DOWN = "sip_down"
    """No SIP datagram comes or goes; with LINK_DOWN the router is lost."""
    RELAY_SILENT = "relay_silent"
    """Door commands are swallowed: no pulse, no answer."""
    RELAY_STUCK = "relay_stuck"
    """Commands are accepted, but the coils draw no current."""
    MUTE = "mute"
    """Nothing that the panel says over its link gets through; relays pulse."""
    SLOW = "slow"
    """Every message of the link is taken in a second late."""
    NO_VIDEO = "no_video"
    STUBBORN_CAMERA = "stubborn_camera"
    """The next call's picture has a key frame each 4 s, and none on request."""
    NO_SOUND = "no_sound"
    NO_SPEAKER = "no_speaker"
    """Nothing is heard at the door."""


class Changes:
    """Wakes those who show the panel's state."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Wake everyone who took the event of now."""
        self._event.set()
        self._event = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Give the event of the next change; to be taken before the state is looked at."""
        return self._event


class Panel:
    """Everything in the box, wired up."""

    def __init__(
        self, settings: PanelSettings, memory: PanelMemory, tasks: asyncio.TaskGroup
    ) -> None:
        self.settings = settings
        self.changes = Changes()
        self.camera = Camera(self._on_picture)
        self.speaker = Speaker()
        self.microphone = Microphone(settings.tone_hz)
        self.screen = Screen(PanelWords(settings.language), self.changes.notify)
        self.names: list[Row] = []
        self.names_rev = 0
        """Rises with every change of the names."""
        self.phone = PanelPhone(
            settings.account, self.camera, on_heard=self._hear, on_change=self._on_call
        )
        self.board = RelayBoard(settings.state_dir, settings.relays, self._on_relay)
        self.memory = memory
        self.screen_memory: ScreenMemory | None = None
        self.content = ScreenContent(door=settings.name, entries=_printed(settings.buttons))
        self._show_content(self.content)
        self.link = None if settings.link is None else self._build_link(settings.link)
        self.faults: set[Fault] = set()
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()

    async def press(self, button: str) -> PanelCall:
        """Press a name; the screen answers at once."""
        self.speaker.begin()
        self.screen.press()
        call = await self.phone.press(button)
        self._tasks.create_task(self._watch_for_router(call))
        return call

    def cancel(self) -> None:
        """Press Cancel; with no call, put away what the last one left on the screen."""
        if self.phone.current is None:
            self.screen.put_away()
        self.phone.hang_up()

    async def turn_fault(self, fault: Fault, *, is_on: bool) -> None:
        """Let something break, or mend it."""
        (self.faults.add if is_on else self.faults.discard)(fault)
        match fault:
            case Fault.LINK_DOWN if self.link is not None:
                await self.link.set_link_down(is_down=is_on)
            case Fault.RELAY_SILENT | Fault.MUTE | Fault.SLOW if self.link is not None:
                setattr(self.link.faults, fault.value, is_on)
            case Fault.RELAY_STUCK:
                self.board.set_broken(is_broken=is_on)
            case Fault.STUBBORN_CAMERA:
                self.camera.is_stubborn = is_on
            case Fault.SIP_DOWN:
                self.phone.is_cut_off = is_on
            case _:  # looked up where it matters
                pass
        self.changes.notify()

    def listeners(self) -> Iterable[Callable[[bytes], None]]:
        """Say who hears the microphone."""
        calls = [] if Fault.NO_SOUND in self.faults else self.phone.live_calls
        return [call.media.send_sound for call in calls]

    def _hear(self, pcm: bytes, at_ms: int) -> None:
        if Fault.NO_SPEAKER not in self.faults:
            self.speaker.play(pcm, at_ms)

    @property
    def is_linked(self) -> bool:
        return self.link is not None and self.link.is_online

    @property
    def has_router(self) -> bool:
        """Tell whether a press would get anywhere, as far as is known before one."""
        last = self.phone.calls[-1] if self.phone.calls else None
        is_silent = last is not None and "no_router" in last.stamps
        return self.is_linked or (self.phone.is_registered and not is_silent)

    async def _watch_for_router(self, call: PanelCall) -> None:
        await asyncio.sleep(NO_ROUTER_S)
        if "response" not in call.stamps and not call.is_over:
            call.stamp("no_router")
            self.screen.show(Face.NO_ROUTER)
            self.phone.abandon(call)

    def _build_link(self, account: LinkAccount) -> LinkClient:
        self.screen_memory = ScreenMemory(
            self.settings.state_dir,
            panel_id=account.panel_id,
            router_key=account.router_key,
            on_content=self._show_content,
        )
        if self.screen_memory.content is not None:
            self._show_content(self.screen_memory.content)
        return LinkClient(
            account,
            relays=self.settings.relays,
            memory=self.memory,
            energise=self.board.pulse,
            on_call_state=self._on_call_state,
            on_change=lambda _: self.changes.notify(),
            on_answer=self._on_answer,
            screen=self.screen_memory,
        )

    def _show_content(self, content: ScreenContent) -> None:
        self.content = content
        self.screen.words.take(content)
        self.names = arranged(content.entries, self.screen.words.home)
        self.names_rev += 1
        self.screen.retell()

    def _on_answer(self, answer: CallAnswer) -> None:
        call = self.phone.current or (self.phone.calls[-1] if self.phone.calls else None)
        if call is not None:
            said = {"state": "answer", "reason": answer.answer, "text": answer.text}
            call.states.append({"at_ms": process.now_ms(), **said})
        self.speaker.mark(answer.answer)
        self.screen.show_answer(answer)

    def _on_call_state(self, state: CallState) -> None:
        call = self.phone.current or (self.phone.calls[-1] if self.phone.calls else None)
        if call is not None:
            shown = {"state": state.state, "reason": state.reason, "text": state.text}
            call.states.append({"at_ms": process.now_ms(), **shown})
        self.speaker.mark(state.state)
        self.screen.show_router(state)

    def _on_call(self, call: PanelCall) -> None:
        is_newest = call is self.phone.calls[-1] if self.phone.calls else False
        if call.is_over and is_newest and self.phone.current is None:
            self.screen.end(is_router_heard=self.is_linked)
        elif call.phase is CallPhase.TALKING and not self.is_linked:
            self.screen.show(Face.TALKING)
        self.changes.notify()

    def _on_relay(self, transition: Transition) -> None:
        if self.link is not None:
            self.link.report(transition)
        if self.phone.current is not None:
            self.phone.current.stamp(f"relay {transition.phase.value}")
        if transition.phase is CoilPhase.OFF:
            self.screen.relay_at_rest()
        self.changes.notify()

    def _on_picture(self, picture: Picture) -> None:
        """Take a picture from the camera's thread to the loop."""
        if Fault.NO_VIDEO not in self.faults:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self.phone.send_picture, picture)


def _printed(buttons: dict[str, str]) -> tuple[ScreenEntry, ...]:
    return tuple(ScreenEntry(name, label) for name, label in buttons.items())
