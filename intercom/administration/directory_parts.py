"""The parts of a directory in memory; what was touched is made anew, all else stays the very same."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from intercom.administration.mirror import Mirror
from intercom.administration.pieces import Pieces, button_target
from intercom.administration.rows import (
    AccountRow,
    ButtonRow,
    DoorbellRow,
    DoorRow,
    PanelRow,
    PropertyRow,
    Shape,
    TrunkRow,
)
from intercom.administration.touched_parts import TouchedParts
from intercom.routing.change import DirectoryChange, rung_by
from intercom.routing.directory import (
    Button,
    Directory,
    Door,
    Doorbell,
    Panel,
    Property,
    Resident,
    Trunk,
)
from intercom.routing.ids import DoorbellId, DoorId, PanelId, PropertyId, ResidentId

_Id = TypeVar("_Id", bound=Hashable)
_Thing = TypeVar("_Thing")


class _Things(dict[_Id, _Thing]):
    """All things of a kind, and which of them are others than in the last directory."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        super().__init__()
        self.changed: set[_Id] = set()

    def set(self, name: _Id, thing: _Thing | None) -> bool:
        """Put a thing in, or take it out; tell whether it came or went."""
        before = self.get(name)
        if before == thing:
            return False
        self.changed.add(name)
        if thing is None:
            del self[name]
        else:
            self[name] = thing
        return (before is None) is not (thing is None)

    def copy_of(self, old: Mapping[_Id, _Thing]) -> Mapping[_Id, _Thing]:
        """Give all things as they are now: the very same mapping where none changed."""
        return dict(self) if self.changed else old


class DirectoryParts:
    """Makes of the mirror what a directory consists of."""

    def __init__(self, mirror: Mirror, pieces: Pieces) -> None:
        self._mirror = mirror
        self._pieces = pieces
        self._touched = TouchedParts(mirror)
        self._properties: _Things[PropertyId, Property] = _Things()
        self._doors: _Things[DoorId, Door] = _Things()
        self._panels: _Things[PanelId, Panel] = _Things()
        self._doorbells: _Things[DoorbellId, Doorbell] = _Things()
        self._residents: _Things[ResidentId, Resident] = _Things()
        self._trunks: tuple[Trunk, ...] = ()
        self._targets: dict[str, dict[int | None, DoorbellId]] = {}
        """Where the buttons of each doorbell lead, by whose they are."""
        self._buttons: dict[str, dict[str, Button]] = {}
        """Of each panel, by name."""
        self._shared: dict[tuple[str, DoorbellId], Button] = {}
        """A button that stands on all panels of a property is one object."""
        self._sip_owners: dict[str, ResidentId] = {}

    def touch(self, before: Shape | None, after: Shape | None) -> None:
        """Note a row that was added, is another, or is gone."""
        self._touched.touch(before, after)

    def look_at_number(self, row: AccountRow) -> None:
        """Note a person whose number may be called no longer."""
        known = self._residents.get(ResidentId(row.username))
        if known is not None and (known.number is not None) is not self._pieces.is_called(row):
            self._touched.touch_account(row.id)

    def remake(self) -> Iterator[None]:
        """Make what was touched anew, a piece at each step; what others refer to comes first."""
        yield from self._each(self._touched.properties, self._make_property)
        yield from self._each(self._touched.doors, self._make_door)
        yield from self._each(self._touched.panels, self._make_panel)
        while self._touched.accounts:
            self._make_resident(*self._touched.accounts.popitem())
            yield
        yield from self._each(self._touched.doorbells, self._make_doorbell)
        panels: set[str] = set()
        while self._touched.buttons:
            panels.add(self._make_button(*self._touched.buttons.pop()))
            yield
        yield from self._each(panels, self._renew_buttons)
        if self._touched.has_trunks:
            self._touched.has_trunks = False
            self._make_trunks()

    def take_change(self, old: Directory) -> tuple[Directory, DirectoryChange]:
        """Give the directory as it is now; what did not change is shared with the one of before."""
        has_other_trunks = self._trunks != old.trunks
        new = Directory(
            properties=self._properties.copy_of(old.properties),
            doors=self._doors.copy_of(old.doors),
            panels=self._panels.copy_of(old.panels),
            doorbells=self._doorbells.copy_of(old.doorbells),
            residents=self._residents.copy_of(old.residents),
            trunks=self._trunks if has_other_trunks else old.trunks,
        )
        change = DirectoryChange(
            properties=frozenset(self._properties.changed),
            doors=frozenset(self._doors.changed),
            panels=frozenset(self._panels.changed),
            doorbells=frozenset(self._doorbells.changed),
            residents=frozenset(self._residents.changed),
            rung=rung_by(self._doorbells.changed, old, new),
            has_other_trunks=has_other_trunks,
        )
        return (new, change) if change else (old, change)

    def change_taken(self) -> None:
        """Forget what changed: the directory that was made last is in force."""
        for things in (self._properties, self._doors, self._panels):
            things.changed.clear()
        self._doorbells.changed.clear()
        self._residents.changed.clear()

    def _each(self, names: set[str], make: Callable[[str], None]) -> Iterator[None]:
        while names:
            make(names.pop())
            yield

    def _make_property(self, name: str) -> None:
        row = self._mirror.get(PropertyRow, name)
        made = row and self._pieces.made("property", name, lambda: self._pieces.property(row))
        if self._properties.set(PropertyId(name), made or None):
            self._touched.touch_all_of(name)

    def _make_door(self, name: str) -> None:
        row = self._mirror.get(DoorRow, name)
        made = None
        if row is not None and PropertyId(row.property_id) in self._properties:
            made = self._pieces.made("door", name, lambda: self._pieces.door(row))
        if self._doors.set(DoorId(name), made):
            panels = self._mirror.all(PanelRow)
            self._touched.panels.update(each.id for each in panels if each.door_id == name)

    def _make_panel(self, name: str) -> None:
        row = self._mirror.get(PanelRow, name)
        made = None
        if row is not None and self._has_place(row):
            made = self._pieces.made("panel", name, lambda: self._pieces.panel(row))
        if row is None:
            self._buttons.pop(name, None)
        if made is not None:
            made = replace(made, buttons=self._buttons_of(name))
        self._panels.set(PanelId(name), made)

    def _has_place(self, row: PanelRow) -> bool:
        door = self._doors.get(DoorId(row.door_id))
        return door is not None and door.property_id == row.property_id

    def _make_resident(self, account_id: int, username: str) -> None:
        name = ResidentId(username)
        row = self._mirror.get(AccountRow, account_id)
        made = row and self._pieces.made("person", username, lambda: self._pieces.resident(row))
        before = self._residents.get(name)
        if before is not None:
            for account in before.sip_accounts:
                self._sip_owners.pop(account.username, None)
        if made and made.sip_accounts:
            made = self._with_own_accounts(made)
        if self._residents.set(name, made or None):
            self._touched.touch_bells_of(account_id)

    def _with_own_accounts(self, resident: Resident) -> Resident:
        """Leave out the SIP log-ins that are another person's already."""
        own = tuple(
            account
            for account in resident.sip_accounts
            if self._sip_owners.setdefault(account.username, resident.resident_id)
            == resident.resident_id
        )
        if len(own) < len(resident.sip_accounts):
            words = "a SIP log-in of the same name belongs to somebody else"
            self._pieces.faults["phones", resident.resident_id] = words
        return replace(resident, sip_accounts=own)

    def _make_doorbell(self, name: str) -> None:
        row = self._mirror.get(DoorbellRow, name)
        made: dict[int | None, Doorbell] | None = {}
        if row is not None and PropertyId(row.property_id) in self._properties:
            made = self._pieces.made(
                "doorbell", name, lambda: self._pieces.doorbells(row, self._residents)
            )
        made = made or {}
        targets = {whose: bell.doorbell_id for whose, bell in made.items()}
        before = self._targets.get(name, {})
        for gone in set(before.values()) - set(targets.values()):
            self._doorbells.set(gone, None)
        for bell in made.values():
            self._doorbells.set(bell.doorbell_id, bell)
        if targets != before:
            self._targets[name] = targets
            buttons = self._mirror.keys_of(ButtonRow, "doorbell_id", [name])
            self._touched.buttons |= buttons
        if row is None:
            self._targets.pop(name, None)

    def _make_button(self, panel: str, name: str) -> str:
        """Put a button on its panel, or take it off; give the panel."""
        row = self._mirror.get(ButtonRow, panel, name)
        target = row and button_target(row, self._targets.get(row.doorbell_id, {}))
        buttons = self._buttons.setdefault(panel, {})
        if target is None:
            buttons.pop(name, None)
        else:
            button = self._shared.setdefault((name, target), Button(name, target))
            buttons[name] = button
        return panel

    def _renew_buttons(self, name: str) -> None:
        panel = self._panels.get(PanelId(name))
        if panel is not None:
            self._panels.set(panel.panel_id, replace(panel, buttons=self._buttons_of(name)))

    def _buttons_of(self, panel: str) -> tuple[Button, ...]:
        return tuple(self._buttons.get(panel, {}).values())

    def _make_trunks(self) -> None:
        rows = sorted(self._mirror.all(TrunkRow), key=lambda each: (each.position, each.id))
        made = (
            self._pieces.made("trunk", row.id, lambda row=row: self._pieces.trunk(row))  # type: ignore[misc]
            for row in rows
        )
        self._trunks = tuple(trunk for trunk in made if trunk is not None)
