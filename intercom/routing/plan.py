"""Who rings, in which order and for how long: a doorbell and presence become stages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from intercom.routing.directory import Doorbell, Resident, RingWay
from intercom.routing.hours import QuietMode
from intercom.routing.ids import DeviceId, ResidentId

MIN_APP_STAGE_S = 10.0
"""The apps' head start is not shortened below this while that would help the phones."""
MIN_PHONE_STAGE_S = 15.0
"""About three rings after a carrier's call set-up; a phone that cannot have this is not called."""
MIN_STEP_S = 20.0
"""Between persons who are rung one after the other; who has no time left rings with the last of them."""
PANEL_MARGIN_S = 4.0
"""The plan is over this long before the panel gives up by itself: time for the words that say why."""


@dataclass(frozen=True, slots=True)
class AppTarget:
    """One app that is online."""

    resident_id: ResidentId
    device_id: DeviceId


@dataclass(frozen=True, slots=True)
class SipPhoneTarget:
    """A resident's SIP phone at a fixed address."""

    resident_id: ResidentId
    device_id: DeviceId
    uri: str


@dataclass(frozen=True, slots=True)
class RegisteredPhoneTarget:
    """A resident's SIP phone that is registered with us now."""

    resident_id: ResidentId
    username: str
    """Of its account, which other phones may share."""
    contact: str
    """Which of them it is."""


@dataclass(frozen=True, slots=True)
class PhoneTarget:
    """An ordinary phone, reached over a trunk."""

    resident_id: ResidentId
    number: str
    """E.164 with +."""


OnlineDevice = AppTarget | RegisteredPhoneTarget
"""What is there only while it keeps up a connection or registration with us."""
Target = OnlineDevice | SipPhoneTarget | PhoneTarget


@dataclass(frozen=True, slots=True)
class Stage:
    """Targets that begin to ring together."""

    targets: tuple[Target, ...]
    ring_s: float
    """Seconds until the next stage begins; what rings keeps ringing, but a phone of an earlier
    stage is cancelled when the next phone's turn comes."""
    is_kept: bool = False
    """Whether apps of it keep this time for themselves though its phone is gone."""
    turn_of: frozenset[ResidentId] = frozenset()
    """Persons whose devices begin with this stage, and no sooner when they come online before."""


def without(stages: Iterable[Stage], resident_id: ResidentId) -> tuple[Stage, ...]:
    """Leave one person out; a stage with nobody left is left out too."""
    left = (
        replace(
            stage,
            targets=tuple(each for each in stage.targets if each.resident_id != resident_id),
        )
        for stage in stages
    )
    return tuple(stage for stage in left if stage.targets)


def with_latecomer(
    stages: Sequence[Stage], target: OnlineDevice, max_targets: int
) -> tuple[Stage, ...] | None:
    """Add a device to the stage in which its person's turn comes; None: nothing holds it back."""
    for number, stage in enumerate(stages):
        if target.resident_id in stage.turn_of:
            is_new = target not in stage.targets and len(stage.targets) < max_targets
            targets = (*stage.targets, target) if is_new else stage.targets
            return (*stages[:number], replace(stage, targets=targets), *stages[number + 1 :])
    return None


def length_s(stages: Iterable[Stage]) -> float:
    """Add up the seconds that stages take."""
    return sum(stage.ring_s for stage in stages)


@dataclass(frozen=True, slots=True)
class Plan:
    stages: tuple[Stage, ...]
    is_quiet: bool = False
    """Nobody is rung because of the hour; the visitor is told so."""
    without_apps: frozenset[ResidentId] = frozenset()
    """Persons whose apps do not ring, though they may come online."""
    without_sip_phones: frozenset[ResidentId] = frozenset()
    """Likewise, whose own SIP phones do not."""

    @property
    def ring_s(self) -> float:
        """Seconds from the press until nobody is rung any more."""
        return length_s(self.stages)

    def welcomes(self, target: OnlineDevice) -> bool:
        """Tell whether a device may ring that comes online while the call rings."""
        is_app = isinstance(target, AppTarget)
        return target.resident_id not in (self.without_apps if is_app else self.without_sip_phones)


def build_plan(
    doorbell: Doorbell,
    residents: Mapping[ResidentId, Resident],
    online: Callable[[ResidentId], Sequence[OnlineDevice]],
    ring_limit_s: float,
    quiet: QuietMode | None = None,
) -> Plan:
    """Make the stages of one press: all persons at once or one after the other, each by their ring way.

    All at once, the stages fit `ring_limit_s`, the time that the panel rings by itself, less 4 s.
    What does not fit is cut in this order, each step only as far as needed:

    1. the apps' head start, down to 10 s;
    2. every phone's time alike, down to 15 s;
    3. the last phones of the order, but never the only one;
    4. the head start again, down to nothing.

    With no device online the phones start at once. With no phone the devices ring for as long as
    they would have rung together with one. A phone that is to ring at once does so beside the apps.

    One after the other, each person's turn is `step_s` long and goes the same way within it; it is
    cut down to 20 s, and who has no turn then rings together with the last who has. Who cannot be
    reached at all is passed over. In quiet hours only phones ring, or nobody.
    """
    if quiet is QuietMode.SAY_SO:
        return Plan((), is_quiet=True)
    everybody = [residents[each] for each in doorbell.residents if each in residents]
    people = [_person(each, online, has_apps=quiet is None) for each in everybody]
    limit_s = max(ring_limit_s - PANEL_MARGIN_S, 0.0)
    reached = [each for each in _called_once(people) if each.devices or each.phone is not None]
    if doorbell.step_s is None:
        stages = _together(reached, doorbell, limit_s)
    else:
        stages = _in_turn(reached, doorbell, doorbell.step_s, limit_s)
    return Plan(
        tuple(stages),
        is_quiet=quiet is not None and not stages,
        without_apps=frozenset(each.resident_id for each in people if not each.has_apps),
        without_sip_phones=frozenset(
            each.resident_id for each in everybody if each.ring_way is RingWay.APP_ONLY
        ),
    )


@dataclass(frozen=True, slots=True)
class _Person:
    """What of somebody may ring."""

    resident_id: ResidentId
    ring_way: RingWay
    has_apps: bool
    devices: tuple[Target, ...]
    phone: PhoneTarget | None

    @property
    def has_phone_first(self) -> bool:
        """Whether the phone does not wait for the apps."""
        return self.ring_way not in {RingWay.APP_THEN_PHONE, RingWay.APP_ONLY}

    @property
    def has_devices_later(self) -> bool:
        """Whether the devices wait for the phone's turn to be over."""
        return self.ring_way is RingWay.PHONE_THEN_APP and self.phone is not None


def _person(
    resident: Resident,
    online: Callable[[ResidentId], Sequence[OnlineDevice]],
    *,
    has_apps: bool,
) -> _Person:
    way = resident.ring_way
    has_apps = has_apps and resident.has_app and way is not RingWay.PHONE_ONLY
    has_phones = way is not RingWay.APP_ONLY
    found = tuple(
        target
        for target in online(resident.resident_id)
        if (has_apps if isinstance(target, AppTarget) else has_phones)
    )
    fixed = tuple(
        SipPhoneTarget(resident.resident_id, phone.device_id, phone.uri)
        for phone in resident.sip_phones
        if has_phones
    )
    is_called = has_phones and resident.number is not None
    return _Person(
        resident.resident_id,
        way,
        has_apps,
        found + fixed,
        PhoneTarget(resident.resident_id, resident.number or "") if is_called else None,
    )


def _called_once(people: Iterable[_Person]) -> list[_Person]:
    """Leave a number to the first of those who share it."""
    numbers: set[str] = set()
    once = []
    for person in people:
        if person.phone is not None and person.phone.number in numbers:
            once.append(replace(person, phone=None))
            continue
        if person.phone is not None:
            numbers.add(person.phone.number)
        once.append(person)
    return once


def _in_turn(
    people: Sequence[_Person], doorbell: Doorbell, step_s: float, limit_s: float
) -> list[Stage]:
    """Ring one person after the other; a turn's stages are those of the person alone."""
    if not people:
        return []
    step_s = max(min(step_s, max(MIN_STEP_S, limit_s / len(people))), 1.0)
    turns = max(1, min(len(people), int(limit_s / step_s + 1e-9)))
    stages: list[Stage] = []
    for person in people[: turns - 1]:
        turn = _together([person], doorbell, step_s)
        spare_s = step_s - length_s(turn)
        turn[-1] = replace(turn[-1], ring_s=turn[-1].ring_s + spare_s)
        stages += [replace(stage, is_kept=True) for stage in _as_turn(turn, [person])]
    last = people[turns - 1 :]
    return stages + _as_turn(_together(last, doorbell, limit_s - step_s * (turns - 1)), last)


def _as_turn(stages: Sequence[Stage], people: Iterable[_Person]) -> list[Stage]:
    """Let its persons' devices wait for a turn, but those that wait for more than that."""
    later = {each for stage in stages for each in stage.turn_of}
    now = frozenset(each.resident_id for each in people) - later
    return [replace(stages[0], turn_of=stages[0].turn_of | now), *stages[1:]]


def _together(people: Sequence[_Person], doorbell: Doorbell, limit_s: float) -> list[Stage]:
    """Ring all at once, and their phones one after the other."""
    phones = [each for each in people if each.phone is not None]
    phones.sort(key=lambda each: not each.has_phone_first)
    first = _devices(each for each in people if not each.has_devices_later)
    if not phones:
        ring_s = min(doorbell.app_stage_s + doorbell.phone_stage_s, limit_s)
        return [Stage(first, ring_s)] if first else []
    is_at_once = phones[0].has_phone_first
    last = phones[-1]
    has_extra = bool(last.has_devices_later and last.devices if is_at_once else first)
    extra_s, times_s = _fit(doorbell, len(phones), limit_s, has_devices=has_extra)
    called, given_up = phones[: len(times_s)], phones[len(times_s) :]
    first += _devices(each for each in given_up if each.has_devices_later)
    stages = [] if is_at_once or not first else [Stage(first, extra_s)]
    beside = first if is_at_once else ()
    turn_of: frozenset[ResidentId] = frozenset()
    for person, ring_s in zip(called, times_s, strict=True):
        stages.append(Stage((*beside, *_phone_of(person)), ring_s, bool(beside), turn_of))
        beside, turn_of = (), frozenset()
        if person.has_devices_later:
            beside = person.devices
            turn_of = frozenset({person.resident_id} if beside else ())
    if beside and extra_s > 0.0:
        stages.append(Stage(beside, extra_s, turn_of=turn_of))
    elif beside:  # no time is left for them alone
        targets = (*beside, *stages[-1].targets)
        stages[-1] = replace(stages[-1], targets=targets, is_kept=True)
    return stages


def _devices(people: Iterable[_Person]) -> tuple[Target, ...]:
    return tuple(device for person in people for device in person.devices)


def _phone_of(person: _Person) -> tuple[Target, ...]:
    return () if person.phone is None else (person.phone,)


def _fit(
    doorbell: Doorbell, phone_count: int, limit_s: float, *, has_devices: bool
) -> tuple[float, list[float]]:
    """Return the head start and each phone's time; phones beyond the list are not called."""
    head_s = doorbell.app_stage_s if has_devices else 0.0
    least_head_s = min(head_s, MIN_APP_STAGE_S)
    least_phone_s = min(doorbell.phone_stage_s, MIN_PHONE_STAGE_S)
    for_phones_s = max(limit_s - least_head_s, 0.0)
    while phone_count > 1 and phone_count * least_phone_s > for_phones_s:
        phone_count -= 1
    phone_s = min(doorbell.phone_stage_s, max(for_phones_s / phone_count, least_phone_s))
    phone_s = min(phone_s, limit_s)
    head_s = min(head_s, max(limit_s - phone_count * phone_s, 0.0))
    return head_s, [phone_s] * phone_count
