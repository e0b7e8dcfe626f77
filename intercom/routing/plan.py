"""Who rings, in which order and for how long: a doorbell and presence become stages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from intercom.routing.directory import Doorbell, Resident
from intercom.routing.ids import DeviceId, ResidentId

MIN_APP_STAGE_S = 10.0
"""The apps' head start is not shortened below this while that would help the phones."""
MIN_PHONE_STAGE_S = 15.0
"""About three rings after a carrier's call set-up; a phone that cannot have this is not called."""
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
    """Seconds until the next stage begins; what rings keeps ringing, but phones of an
    earlier phone stage are cancelled when the next phone's turn comes."""


def without(stages: Iterable[Stage], resident_id: ResidentId) -> tuple[Stage, ...]:
    """Leave one person out; a stage with nobody left is left out too."""
    left = (
        Stage(
            tuple(each for each in stage.targets if each.resident_id != resident_id), stage.ring_s
        )
        for stage in stages
    )
    return tuple(stage for stage in left if stage.targets)


def length_s(stages: Iterable[Stage]) -> float:
    """Add up the seconds that stages take."""
    return sum(stage.ring_s for stage in stages)


@dataclass(frozen=True, slots=True)
class Plan:
    stages: tuple[Stage, ...]

    @property
    def ring_s(self) -> float:
        """Seconds from the press until nobody is rung any more."""
        return length_s(self.stages)


def build_plan(
    doorbell: Doorbell,
    residents: Mapping[ResidentId, Resident],
    online: Callable[[ResidentId], Sequence[OnlineDevice]],
    ring_limit_s: float,
) -> Plan:
    """Make the stages of one press: all devices at once, then the phones one at a time.

    The stages fit `ring_limit_s`, the time that the panel rings by itself, less 4 s. What
    does not fit is cut in this order, each step only as far as needed:

    1. the apps' head start, down to 10 s;
    2. every phone's time alike, down to 15 s;
    3. the last phones of the order, but never the only one;
    4. the head start again, down to nothing.

    With no device online the phones start at once. With no phone the devices ring for as long as
    they would have rung together with one.
    """
    people = [residents[each] for each in doorbell.residents if each in residents]
    devices = tuple(target for person in people for target in _devices_of(person, online))
    phones = _phones_of(people)
    limit_s = max(ring_limit_s - PANEL_MARGIN_S, 0.0)
    if not phones:
        ring_s = min(doorbell.app_stage_s + doorbell.phone_stage_s, limit_s)
        return Plan((Stage(devices, ring_s),) if devices else ())
    app_s, phone_times_s = _fit(doorbell, len(phones), limit_s, has_devices=bool(devices))
    phone_stages = tuple(
        Stage((phone,), ring_s) for phone, ring_s in zip(phones, phone_times_s, strict=False)
    )
    return Plan((Stage(devices, app_s), *phone_stages) if devices else phone_stages)


def _devices_of(
    person: Resident, online: Callable[[ResidentId], Sequence[OnlineDevice]]
) -> tuple[Target, ...]:
    found = tuple(
        target
        for target in online(person.resident_id)
        if person.has_app or not isinstance(target, AppTarget)
    )
    return found + tuple(
        SipPhoneTarget(person.resident_id, phone.device_id, phone.uri)
        for phone in person.sip_phones
    )


def _phones_of(people: Sequence[Resident]) -> tuple[PhoneTarget, ...]:
    """List the numbers in order; two persons with one number are called once."""
    owner_of: dict[str, ResidentId] = {}
    for person in people:
        if person.number is not None:
            owner_of.setdefault(person.number, person.resident_id)
    return tuple(PhoneTarget(owner, number) for number, owner in owner_of.items())


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
