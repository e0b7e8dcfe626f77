"""What a file of units and people would change: compared with what is there, without changing anything."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from intercom.administration.entries import proposed_doorbell_name, proposed_username
from intercom.administration.roster_file import RosterFault, RosterRow
from intercom.store.folding import folded
from intercom.store.kinds import Role


@dataclass(slots=True)
class KnownPerson:
    """A person of the property as the store has them."""

    account_id: int
    username: str
    name: str
    email: str
    number: str
    language: str
    homes: dict[int, Role] = field(default_factory=dict)
    """What they are, by the unit's id."""
    is_ours: bool = True
    """Whether the person is nothing in another property and runs nothing."""


@dataclass(slots=True)
class Known:
    """What is in the store now."""

    units: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Id and label by the label in lower case."""
    bells: dict[int, tuple[str, str]] = field(default_factory=dict)
    """The doorbell's id and name by the unit's id."""
    people: dict[int, KnownPerson] = field(default_factory=dict)
    usernames: set[str] = field(default_factory=set)
    """Of the whole service, in lower case."""
    language: str = "nb"
    """Of the property."""


@dataclass(slots=True)
class PlannedUnit:
    label: str
    unit_id: int | None
    line: int
    bell_name: str = ""
    """What the file wants on the panel."""
    bell_before: str | None = None
    """Another name that stands there now."""
    owners: int = 0


@dataclass(slots=True)
class PlannedPerson:
    line: int
    account_id: int | None
    username: str
    name: str
    email: str
    number: str
    language: str
    changes: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Before and after, by the field's name."""
    homes: list[tuple[str, Role]] = field(default_factory=list)
    """New ones, by the unit's label in lower case."""
    roles: list[tuple[int, Role, Role]] = field(default_factory=list)
    """Units in which the role changes: id, before, after."""

    @property
    def is_changed(self) -> bool:
        """Whether anything of a known person changes."""
        return bool(self.changes or self.homes or self.roles)


@dataclass(slots=True)
class Plan:
    """All that a file changes."""

    units: dict[str, PlannedUnit] = field(default_factory=dict)
    """Every unit of the file, by its label in lower case."""
    people: list[PlannedPerson] = field(default_factory=list)
    faults: list[RosterFault] = field(default_factory=list)

    @property
    def new_units(self) -> list[PlannedUnit]:
        return [each for each in self.units.values() if each.unit_id is None]

    @property
    def renamed(self) -> list[PlannedUnit]:
        """List the units whose name on the panel changes."""
        return [each for each in self.units.values() if each.bell_before is not None]

    @property
    def new_people(self) -> list[PlannedPerson]:
        return [each for each in self.people if each.account_id is None]

    @property
    def changed_people(self) -> list[PlannedPerson]:
        return [each for each in self.people if each.account_id is not None and each.is_changed]

    @property
    def unchanged(self) -> int:
        return sum(each.account_id is not None and not each.is_changed for each in self.people)

    @property
    def is_empty(self) -> bool:
        return not (self.new_units or self.renamed or self.new_people or self.changed_people)

    @property
    def mark(self) -> str:
        """Give a digest of all of it: a plan that has become another one has another."""
        text = repr((list(self.units.values()), self.people, self.faults))
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def plan_of(rows: tuple[RosterRow, ...], known: Known) -> Plan:
    """Compare a file's lines with what is there."""
    return _Planner(known).plan(rows)


class _Planner:
    def __init__(self, known: Known) -> None:
        self._known = known
        self._plan = Plan()
        self._taken = set(known.usernames)
        self._planned: dict[int, PlannedPerson] = {}
        """Known persons that the file names, by their id."""
        self._owners: dict[int, int] = {}
        self._by_username: dict[str, KnownPerson] = {}
        self._by_home: dict[tuple[int, str], KnownPerson] = {}
        self._by_address: dict[tuple[str, str], KnownPerson] = {}
        self._new: dict[tuple[str, ...], PlannedPerson] = {}
        for person in known.people.values():
            name = folded(person.name)
            self._by_username[person.username.lower()] = person
            for unit_id, role in person.homes.items():
                self._owners[unit_id] = self._owners.get(unit_id, 0) + (role is Role.OWNER)
                self._by_home[(unit_id, name)] = person
            if person.email:
                self._by_address[(person.email.lower(), name)] = person

    def plan(self, rows: tuple[RosterRow, ...]) -> Plan:
        self._taken |= {row.username for row in rows if row.username}
        for row in rows:
            unit = self._unit(row)
            if row.has_person:
                self._person(row, unit)
        return self._plan

    def _unit(self, row: RosterRow) -> PlannedUnit:
        key = row.unit.casefold()
        unit = self._plan.units.get(key)
        if unit is None:
            unit_id, label = self._known.units.get(key, (None, row.unit))
            unit = PlannedUnit(label, unit_id, row.line)
            if unit_id is not None:
                unit.owners = self._owners.get(unit_id, 0)
            self._plan.units[key] = unit
        if row.doorbell:
            bell = self._known.bells.get(unit.unit_id) if unit.unit_id is not None else None
            unit.bell_name = row.doorbell
            unit.bell_before = bell[1] if bell and bell[1] != row.doorbell else None
        return unit

    def _person(self, row: RosterRow, unit: PlannedUnit) -> None:
        known = self._find(row, unit)
        if known is not None:
            self._compare(row, unit, known)
            return
        if row.username in self._known.usernames:
            self._fault(row, "people.import.taken", row.username)
            return
        person = self._new_person(row)
        key = row.unit.casefold()
        if all(label != key for label, _ in person.homes):
            person.homes.append((key, self._role(row, unit)))

    def _find(self, row: RosterRow, unit: PlannedUnit) -> KnownPerson | None:
        if row.username:
            return self._by_username.get(row.username)
        name = folded(row.name)
        if unit.unit_id is not None and (unit.unit_id, name) in self._by_home:
            return self._by_home[(unit.unit_id, name)]
        return self._by_address.get((row.email.lower(), name)) if row.email else None

    def _compare(self, row: RosterRow, unit: PlannedUnit, known: KnownPerson) -> None:
        person = self._planned.get(known.account_id)
        if person is None:
            person = PlannedPerson(
                row.line,
                known.account_id,
                known.username,
                known.name,
                known.email,
                known.number,
                known.language,
            )
            self._planned[known.account_id] = person
            self._plan.people.append(person)
        for name in ("name", "email", "number", "language"):
            before, after = getattr(known, name), getattr(row, name)
            if after and after != before:
                person.changes[name] = (before, after)
                setattr(person, name, after)
        if person.changes and not known.is_ours:
            self._fault(row, "people.import.elsewhere", known.name)
        key = row.unit.casefold()
        role = known.homes.get(unit.unit_id) if unit.unit_id is not None else None
        if role is None:
            if all(label != key for label, _ in person.homes):
                person.homes.append((key, self._role(row, unit)))
        elif row.role is not None and row.role is not role and unit.unit_id is not None:
            person.roles.append((unit.unit_id, role, row.role))

    def _new_person(self, row: RosterRow) -> PlannedPerson:
        """Find the person among those that the file has brought already, or plan a new one."""
        name = folded(row.name)
        keys: list[tuple[str, ...]] = [("home", row.unit.casefold(), name)]
        if row.username:
            keys = [("username", row.username)]
        elif row.email:
            keys.append(("address", row.email.lower(), name))
        person = next((self._new[key] for key in keys if key in self._new), None)
        if person is None:
            username = row.username or proposed_username(row.name, self._taken)
            self._taken.add(username)
            language = row.language or self._known.language
            person = PlannedPerson(
                row.line, None, username, row.name, row.email, row.number, language
            )
            self._plan.people.append(person)
        else:
            person.email = row.email or person.email
            person.number = row.number or person.number
        for key in keys:
            self._new[key] = person
        return person

    def _role(self, row: RosterRow, unit: PlannedUnit) -> Role:
        """Give what the file says; where it says nothing the first of a unit is its owner."""
        role = row.role or (Role.RESIDENT if unit.owners else Role.OWNER)
        unit.owners += role is Role.OWNER
        return role

    def _fault(self, row: RosterRow, key: str, found: str) -> None:
        self._plan.faults.append(RosterFault(row.line, key, (), found))


def bell_name_of(unit: PlannedUnit, names: Mapping[str, str]) -> str:
    """Give what stands on the panel for a new doorbell: what the file says, else the first one's name."""
    key = unit.label.casefold()
    return unit.bell_name or proposed_doorbell_name(names.get(key, "") or unit.label)
