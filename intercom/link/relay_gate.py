"""The firmware's own judgement of a door command: the last word on whether a relay pulses.

`RelayGate.receive` returns what to do, in order. A command that fires is first made durable:

    Persist(ctr, acks)  ->  Energise(relay, ms)  ->  Acknowledge(accepted)

so that a power cut at any point leaves at most one pulse for a `cmd_id`, and none for a replay.
"""

from dataclasses import dataclass, replace
from enum import Enum

from nacl.signing import VerifyKey

from intercom.link.messages import COMMAND_VERSION, RelayAck, RelayCommand, RelayOpen
from intercom.link.signing import verify

MAX_PULSE_MS = 10_000
"""The firmware's cap, whatever the router asks for."""
MAX_LIFE_MS = 5_000
"""A command that could be held back longer than this is refused."""
KEPT_ACKS = 16
"""An older command cannot come back: its counter is below the stored one."""


class Refusal(Enum):
    """Why a command does not fire, in words for a person."""

    SIGNATURE = "the command is not signed by the panel's router"
    VERSION = "the command is of a version that the panel does not know"
    PANEL = "the command is for another panel"
    SESSION = "the command is not of this session"
    COUNTER = "the command was used before"
    EXPIRED = "the command came too late"
    LIFE = "the command would stay valid for too long"
    PULSE = "the pulse is longer than the panel allows"
    RELAY = "the panel has no such relay"


@dataclass(frozen=True, slots=True)
class GateMemory:
    """What must survive a power cut."""

    ctr: int = 0
    """The highest counter of any command that was accepted."""
    acks: tuple[RelayAck, ...] = ()
    """Acknowledgements of the last commands, oldest first."""

    def ack_of(self, cmd_id: str) -> RelayAck | None:
        """Find the stored acknowledgement of a command."""
        return next((ack for ack in self.acks if ack.cmd_id == cmd_id), None)


@dataclass(frozen=True, slots=True)
class Persist:
    """Make this durable before anything that follows it is carried out."""

    memory: GateMemory


@dataclass(frozen=True, slots=True)
class Energise:
    relay: int
    ms: int
    cmd_id: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    ack: RelayAck
    is_repeated: bool = False
    """The command had been judged before; it did not fire again."""


Intent = Persist | Energise | Acknowledge


class RelayGate:
    """Judges the commands of one panel, session after session."""

    def __init__(
        self, *, panel_id: str, router_key: VerifyKey, relays: frozenset[int], memory: GateMemory
    ) -> None:
        self._panel_id = panel_id
        self._router_key = router_key
        self._relays = relays
        self._memory = memory
        self._chal: str | None = None

    @property
    def ctr(self) -> int:
        """The stored counter, for the hello."""
        return self._memory.ctr

    def start_session(self, chal: str) -> None:
        """Accept commands of this challenge alone from now on."""
        self._chal = chal

    def end_session(self) -> None:
        """Accept no command until the next session."""
        self._chal = None

    def receive(self, message: RelayOpen, now_ms: int) -> list[Intent]:
        """Judge a command; `now_ms` is the panel's own monotonic clock."""
        command = message.cmd
        if not verify(command, message.sig, self._router_key):
            return [_refuse(command, Refusal.SIGNATURE)]
        if command.v != COMMAND_VERSION:
            return [_refuse(command, Refusal.VERSION)]
        if command.panel != self._panel_id:
            return [_refuse(command, Refusal.PANEL)]
        stored = self._memory.ack_of(command.cmd_id)
        if stored is not None:
            return [Acknowledge(stored, is_repeated=True)]
        refusal = self._refusal_of(command, now_ms)
        if refusal is not None:
            return [_refuse(command, refusal)]
        ack = RelayAck(command.cmd_id, accepted=True, cause="")
        acks = (*self._memory.acks, ack)[-KEPT_ACKS:]
        self._memory = replace(self._memory, ctr=command.ctr, acks=acks)
        return [
            Persist(self._memory),
            Energise(command.relay, command.ms, command.cmd_id),
            Acknowledge(ack),
        ]

    def _refusal_of(self, command: RelayCommand, now_ms: int) -> Refusal | None:
        rules = (
            (command.chal == self._chal, Refusal.SESSION),
            (command.ctr > self._memory.ctr, Refusal.COUNTER),
            (now_ms < command.exp, Refusal.EXPIRED),
            (command.exp - now_ms <= MAX_LIFE_MS, Refusal.LIFE),
            (0 < command.ms <= MAX_PULSE_MS, Refusal.PULSE),
            (command.relay in self._relays, Refusal.RELAY),
        )
        return next((refusal for is_met, refusal in rules if not is_met), None)


def _refuse(command: RelayCommand, refusal: Refusal) -> Acknowledge:
    return Acknowledge(RelayAck(command.cmd_id, accepted=False, cause=refusal.value))
