"""Keys in the app: doors that a person opens without a call (requirement A16).

A wish has an id that the app draws. It pulses the door once, however often and over however many
connections it comes; whoever sends it again is told again what came of it. The command's id follows
from the wish's, so that a panel, too, knows one that it has carried out before.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from intercom.diary import Diaries
from intercom.local_time import local_time
from intercom.ports import Ports, RelayOutcome, RelayResult
from intercom.pulse import pulse
from intercom.routing.commands import DoorState
from intercom.routing.directory import Directory, Door
from intercom.routing.door import NO_RIGHT
from intercom.routing.ids import CommandId, DoorId, ResidentId
from intercom.routing.log_line import Means
from intercom.routing.rights import may_use_key

log = structlog.get_logger()

MAX_TURNS = 3
TURNS_WITHIN_S = 60.0
"""A person opens no more than so often in this time."""
REMEMBERED_TURNS = 5000
"""Of a person: at the allowed rate these are the last 27 hours."""
REMEMBERED_REFUSALS = 100
TOO_OFTEN = "too many openings within a minute"
_FAULT = RelayResult(RelayOutcome.UNKNOWN, "a fault of the service")
_STATES = {
    RelayOutcome.OPENED: DoorState.OPENED,
    RelayOutcome.SENT: DoorState.SENT,
    RelayOutcome.UNKNOWN: DoorState.UNKNOWN,
    RelayOutcome.FAILED: DoorState.FAILED,
}


@dataclass(frozen=True, slots=True)
class KeyResult:
    """What came of a wish; never OPENING."""

    state: DoorState
    cause: str = ""
    """In words for a person, when it did not open."""
    pulse_ms: int = 0
    """How long the door is open, when it is."""


Tell = Callable[[KeyResult], None]


@dataclass(slots=True)
class _KeyRing:
    """One person's wishes; digests alone, no door and no time of day."""

    turned_at: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_TURNS))
    turns: dict[bytes, KeyResult | None] = field(default_factory=dict)
    """None: under way."""
    refusals: dict[bytes, KeyResult] = field(default_factory=dict)


class Keys:
    """All keys in apps; `start` it before the first wish."""

    def __init__(
        self,
        *,
        directory: Callable[[], Directory],
        diaries: Diaries,
        now: Callable[[], datetime],
    ) -> None:
        self._directory = directory
        self._diaries = diaries
        self._now = now
        self._rings: dict[ResidentId, _KeyRing] = {}
        self._ports: Ports | None = None
        self._tasks: asyncio.TaskGroup

    def start(self, tasks: asyncio.TaskGroup, ports: Ports) -> None:
        """Begin to take wishes; `tasks` owns each one's task."""
        self._tasks = tasks
        self._ports = ports

    def stop(self) -> None:
        """Take no more wishes."""
        self._ports = None

    def directory_changed(self) -> None:
        """Forget whoever is gone."""
        residents = self._directory().residents
        for resident_id in [each for each in self._rings if each not in residents]:
            del self._rings[resident_id]

    def turn(self, resident_id: ResidentId, door_id: DoorId, wish_id: str, tell: Tell) -> None:
        """Take one wish of a logged-in person; `tell` hears what came of it, at once or when it is known."""
        ports = self._ports
        if ports is None or resident_id not in self._directory().residents:
            tell(KeyResult(DoorState.REFUSED, NO_RIGHT))
            return
        ring = self._rings.setdefault(resident_id, _KeyRing())
        digest = hashlib.sha256(f"{resident_id}\0{wish_id}".encode()).digest()[:16]
        if digest in ring.turns or digest in ring.refusals:
            known = ring.turns.get(digest) or ring.refusals.get(digest)
            if known is not None:
                tell(known)
            return
        door = self._door_for(resident_id, door_id)
        cause = NO_RIGHT if door is None else TOO_OFTEN if self._is_too_often(ring) else ""
        if door is None or cause:
            self._refuse(resident_id, door_id)
            ring.refusals[digest] = refusal = KeyResult(DoorState.REFUSED, cause)
            _shorten(ring.refusals, REMEMBERED_REFUSALS)
            tell(refusal)
            return
        ring.turns[digest] = None
        _shorten(ring.turns, REMEMBERED_TURNS)
        ring.turned_at.append(asyncio.get_running_loop().time())
        turning = self._turn(ports, resident_id, door, digest, tell)
        self._tasks.create_task(turning, name="key in an app")

    def _door_for(self, resident_id: ResidentId, door_id: DoorId) -> Door | None:
        """Find the door if the person may open it now; another one is as good as none."""
        directory = self._directory()
        resident, door = directory.residents[resident_id], directory.doors.get(door_id)
        if door is None or not resident.has_app:
            return None
        prop = directory.properties[door.property_id]
        now = local_time(self._now(), prop.time_zone)
        return door if may_use_key(resident, prop, door_id, now) else None

    @staticmethod
    def _is_too_often(ring: _KeyRing) -> bool:
        since = asyncio.get_running_loop().time() - TURNS_WITHIN_S
        return len(ring.turned_at) == MAX_TURNS and ring.turned_at[0] > since

    def _refuse(self, resident_id: ResidentId, door_id: DoorId) -> None:
        """Tell the door's diary, if it is a door that knows the person."""
        directory = self._directory()
        door = directory.doors.get(door_id)
        rights = directory.residents[resident_id].rights
        if door is not None and any(right.door_id == door_id for right in rights):
            openings = self._diaries.of_openings(directory.properties[door.property_id])
            openings.refused(door, resident_id, Means.KEY)

    async def _turn(
        self, ports: Ports, resident_id: ResidentId, door: Door, digest: bytes, tell: Tell
    ) -> None:
        prop = self._directory().properties[door.property_id]
        result = _FAULT
        try:
            result = await pulse(ports, door, CommandId(f"key-{digest.hex()}"), None)
        except Exception:
            log.exception("relay.driver_failed", **prop.loggable())
        finally:  # also when the service stops
            openings = self._diaries.of_openings(prop)
            openings.opened(door, result.outcome, resident_id, Means.KEY)
        told = KeyResult(_STATES[result.outcome], result.cause, door.pulse_ms)
        ring = self._rings.get(resident_id)
        if ring is not None:
            ring.turns[digest] = told
        tell(told)


def _shorten(memory: dict[bytes, KeyResult | None] | dict[bytes, KeyResult], length: int) -> None:
    """Forget the oldest."""
    while len(memory) > length:
        del memory[next(iter(memory))]
