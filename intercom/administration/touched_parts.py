"""Which parts of a directory a row belongs to: what must be made anew when it is another."""

from dataclasses import dataclass, field

from intercom.administration.mirror import Mirror
from intercom.administration.pieces import OWN_BUTTONS, names_panel
from intercom.administration.rows import (
    AccountRow,
    ButtonRow,
    DoorbellRow,
    DoorRow,
    GrantRow,
    Key,
    LogRow,
    MemberRow,
    PanelRow,
    PropertyRow,
    QuietRow,
    RightRow,
    Shape,
    TrunkRow,
    UnitRow,
    key_of,
)


@dataclass(slots=True)
class TouchedParts:
    """What waits to be made anew, by the ids in the store; a part that is made leaves its set."""

    mirror: Mirror
    properties: set[str] = field(default_factory=set)
    doors: set[str] = field(default_factory=set)
    panels: set[str] = field(default_factory=set)
    accounts: dict[int, str] = field(default_factory=dict)
    """With the username, which an account that is gone tells no more."""
    doorbells: set[str] = field(default_factory=set)
    buttons: set[Key] = field(default_factory=set)
    has_trunks: bool = False

    def touch(self, before: Shape | None, after: Shape | None) -> None:
        """Note what a row is part of that was added, is another, or is gone."""
        for row in (before, after):
            if row is not None:
                self._touch(row)
        if isinstance(after, DoorbellRow) or isinstance(before, DoorbellRow):
            self._touch_unit_of_bell(before, after)
        if isinstance(before, AccountRow) and isinstance(after, AccountRow):
            self._touch_name(before, after)

    def touch_all_of(self, property_id: str) -> None:
        """Note everything that cannot be without its property."""
        self.doors.update(each.id for each in self.mirror.of(DoorRow, "property_id", property_id))
        self.panels.update(each.id for each in self.mirror.of(PanelRow, "property_id", property_id))
        self.doorbells.update(
            each.id for each in self.mirror.of(DoorbellRow, "property_id", property_id)
        )

    def touch_bells_of(self, account_id: int) -> None:
        """Note the doorbells that ring a person."""
        members = self.mirror.of(MemberRow, "account_id", account_id)
        self.doorbells.update(each.doorbell_id for each in members)

    def touch_account(self, account_id: int | None) -> None:
        """Note a person; one who is gone has been noted by the row itself."""
        account = self.mirror.get(AccountRow, account_id)
        if account is not None:
            self.accounts[account.id] = account.username

    def _touch(self, row: Shape) -> None:  # noqa: C901, PLR0912 - one case a table
        match row:
            case PropertyRow():
                self.properties.add(row.id)
            case LogRow():
                self.properties.add(row.property_id)
            case DoorRow():
                self.doors.add(row.id)
            case PanelRow():
                self.panels.add(row.id)
                doors = self.mirror.of(DoorRow, "property_id", row.property_id)
                self.doors.update(each.id for each in doors if names_panel(each, row.id))
            case AccountRow():
                self.accounts[row.id] = row.username
            case GrantRow():
                self.touch_account(row.account_id)
            case DoorbellRow():
                self.doorbells.add(row.id)
            case MemberRow():
                self.doorbells.add(row.doorbell_id)
                self.touch_account(row.account_id)
            case ButtonRow():
                self.buttons.add(key_of(row))
            case QuietRow():
                self._touch_quiet(row)
            case RightRow():
                self._touch_right(row)
            case TrunkRow():
                self.has_trunks = True
            case UnitRow():
                pass  # nothing of it is in a directory; what belongs to it speaks for itself

    def _touch_quiet(self, row: QuietRow) -> None:
        if row.property_id is not None:
            self.properties.add(row.property_id)
        if row.doorbell_id is not None:
            self.doorbells.add(row.doorbell_id)

    def _touch_right(self, row: RightRow) -> None:
        self.touch_account(row.account_id)
        if row.unit_id is None:
            return
        for grant in self.mirror.of(GrantRow, "unit_id", row.unit_id):
            self.touch_account(grant.account_id)
        for bell in self.mirror.of(DoorbellRow, "unit_id", row.unit_id):
            self._touch_members(bell.id)

    def _touch_unit_of_bell(self, before: Shape | None, after: Shape | None) -> None:
        """Note the members of a doorbell that is another unit's now: they have the rights of that one."""
        units = {each.unit_id for each in (before, after) if isinstance(each, DoorbellRow)}
        for row in (before, after):
            if len(units) > 1 and isinstance(row, DoorbellRow):
                self._touch_members(row.id)

    def _touch_members(self, doorbell_id: str) -> None:
        for member in self.mirror.of(MemberRow, "doorbell_id", doorbell_id):
            self.touch_account(member.account_id)

    def _touch_name(self, before: AccountRow, after: AccountRow) -> None:
        if before.name == after.name:
            return
        for member in self.mirror.of(MemberRow, "account_id", after.id):
            bell = self.mirror.get(DoorbellRow, member.doorbell_id)
            if bell is not None and bell.layout in OWN_BUTTONS:
                self.doorbells.add(bell.id)
