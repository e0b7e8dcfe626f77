"""Who may open which door at which hour: in a call, and by the key in the app (requirement A16).

A person without any right that names a door may open it in a call that rings them from there. Where
rights name it, they alone count: one that takes away is stronger than one that gives.
"""

from collections.abc import Iterable

from intercom.routing.directory import Directory, DoorRight, Property, Resident
from intercom.routing.hours import LocalTime
from intercom.routing.ids import DoorbellId, DoorId, ResidentId


def may_open_in_call(resident: Resident, door_id: DoorId, now: LocalTime) -> bool:
    """Tell whether somebody who is rung from a door may open it at this minute."""
    rights = _rights_to(resident, door_id)
    return not rights or any(right.may_open for right in _in_force(rights, now))


def may_use_key(resident: Resident, prop: Property, door_id: DoorId, now: LocalTime) -> bool:
    """Tell whether somebody may open a door of `prop` without a call at this minute."""
    rights = _in_force(_rights_to(resident, door_id), now)
    return prop.has_keys_in_app and any(right.has_key for right in rights)


def has_key(resident: Resident, prop: Property, door_id: DoorId) -> bool:
    """Tell whether somebody may open a door of `prop` without a call at any hour at all."""
    rights = _rights_to(resident, door_id)
    return prop.has_keys_in_app and any(right.may_open and right.has_key for right in rights)


def is_still_rung(
    directory: Directory, resident_id: ResidentId, doorbell_id: DoorbellId, door_id: DoorId
) -> bool:
    """Tell whether a call that rang somebody would do so now: who has moved out opens no more."""
    doorbell = directory.doorbells.get(doorbell_id)
    is_member = doorbell is not None and resident_id in doorbell.residents
    return is_member and resident_id in directory.residents and door_id in directory.doors


def _rights_to(resident: Resident, door_id: DoorId) -> list[DoorRight]:
    return [right for right in resident.rights if right.door_id == door_id]


def _in_force(rights: Iterable[DoorRight], now: LocalTime) -> list[DoorRight]:
    """List those that hold now; none where one of them takes away."""
    holding = [right for right in rights if right.hours.covers(now)]
    return holding if all(right.may_open for right in holding) else []
