"""What a snapshot consists of, each made of its rows; what is wrong is None, and why is noted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from intercom.administration.mirror import Mirror
from intercom.administration.rows import (
    AccountRow,
    ButtonRow,
    DoorbellRow,
    DoorRow,
    GrantRow,
    LogRow,
    MemberRow,
    PanelRow,
    PropertyRow,
    QuietRow,
    RightRow,
    TrunkRow,
)
from intercom.building.assemble import panel_of, sip_accounts_of, sip_phones_of, trunk_of
from intercom.building.check import Secrets, Tables
from intercom.building.check_accounts import check_accounts, check_password
from intercom.building.check_trunks import check_trunks
from intercom.building.check_ways import check_relay, check_snapshot
from intercom.building.faults import Faults
from intercom.building.lines import LineIndex
from intercom.building.secrets import find_secrets
from intercom.building.tables import (
    DoorTable,
    PanelLinkTable,
    PanelTable,
    PropertyTable,
    ResidentTable,
    TrunkTable,
)
from intercom.building.ways import relay_of
from intercom.errors import ConfigError
from intercom.routing.directory import (
    CommercialProperty,
    Door,
    Doorbell,
    DoorRight,
    Panel,
    Property,
    PropertyKind,
    Resident,
    Trunk,
)
from intercom.routing.hours import DAY_MINUTES, Hours, Quiet
from intercom.routing.ids import DoorbellId, DoorId, LogId, PropertyId, ResidentId
from intercom.routing.numbers import is_e164
from intercom.store.kinds import Layout, Role

VERIFIED_FOR = timedelta(days=365)
"""So long a number is called after its check call (requirement B11)."""
LIVES_THERE = frozenset({Role.OWNER, Role.RESIDENT, Role.STATION})
OWN_BUTTONS = frozenset({Layout.INDIVIDUAL, Layout.GROUPED})
"""Layouts in which each person has a button."""
USUAL_ZONE = "Europe/Oslo"
_PLACE = Path("the database")
_MAX_PRESSED = 64
_T = TypeVar("_T")


class _StoredPanel(PanelTable):
    """A panel whose buttons stand in a table of their own."""

    buttons: dict[str, str] = {}  # noqa: RUF012 - a pydantic model's default is copied


class Pieces:
    """Makes the parts of a directory out of the mirror."""

    def __init__(
        self,
        mirror: Mirror,
        *,
        today: Callable[[], date],
        recording: Callable[[str], bytes],
        folder: Path,
        environment: Mapping[str, str],
        caller_id: str | None,
    ) -> None:
        """Make nothing yet; `recording` gives the PCM of a path, relative ones are of `folder`."""
        self._mirror = mirror
        self._today = today
        self._recording = recording
        self._folder = folder
        self._environment = environment
        self._caller_id = caller_id
        self.faults: dict[tuple[str, str], str] = {}
        """Why something was left out, by its kind and id."""

    def made(self, kind: str, name: str, make: Callable[[], _T | None]) -> _T | None:
        """Make something; None, with the reason noted, when its rows are wrong."""
        self.faults.pop((kind, name), None)
        try:
            return make()
        except ValidationError as error:
            places = {".".join(map(str, each["loc"])) or "it" for each in error.errors()}
            self.faults[kind, name] = f"wrong: {', '.join(sorted(places))}"
        except (ConfigError, LookupError, ValueError, TypeError) as error:
            self.faults[kind, name] = str(error) or type(error).__name__
        return None

    # -- properties, doors, panels, trunks ---------------------------------------------------

    def property(self, row: PropertyRow) -> Property:
        table = PropertyTable.model_validate(
            {
                "id": row.id,
                "name": row.name,
                "kind": row.kind.value,
                "address": row.address,
                "language": row.language,
                "prompts": row.prompts,
                "open_keys": list(row.open_keys),
            }
        )
        plain = Property(
            property_id=PropertyId(table.id),
            name=table.name,
            address=table.address,
            language=table.language,
            open_keys=frozenset(table.open_keys),
            recordings=self._recordings_of(table),
            time_zone=self._zone_of(row),
            quiet=self._quiet("property_id", row.id),
            has_keys_in_app=row.has_keys_in_app,
        )
        if row.kind is PropertyKind.RESIDENTIAL:
            return plain
        logs = self._mirror.of(LogRow, "property_id", row.id)
        log = LogId(logs[0].id) if logs else None
        return CommercialProperty(
            **{each.name: getattr(plain, each.name) for each in fields(plain)}, log=log
        )

    def door(self, row: DoorRow) -> Door:
        rest = {"id": row.id, "name": row.name, "pulse_ms": row.pulse_ms}
        table = DoorTable.model_validate(row.document | rest)
        panels = {
            place: _panel_table(panel)
            for place, panel in enumerate(self._mirror.of(PanelRow, "property_id", row.property_id))
            if _names_panel(table, panel.id)
        }
        tables = _tables(doors={0: table}, panels=panels)
        secrets, faults = self._secrets(tables)
        if not panels and _names_panel(table, getattr(table.relay, "panel", "")):
            faults.add((), "its relay's panel is not there")
        if isinstance(table.relay, PanelLinkTable) and any(
            ("panel", place) not in secrets for place in panels
        ):
            faults.add((), "its relay's panel needs a password to be commanded over its link")
        check_relay(table, ("door", 0, "relay"), panels, secrets, faults)
        faults.raise_if_any()
        return Door(
            door_id=DoorId(row.id),
            property_id=PropertyId(row.property_id),
            name=table.name,
            relay=relay_of(table, ("door", 0, "relay"), tables, secrets),
            pulse_ms=table.pulse_ms,
            recording=self._recording(table.recording) if table.recording else b"",
        )

    def panel(self, row: PanelRow) -> Panel:
        """Make a panel; its buttons are another's work."""
        table = _panel_table(row)
        tables = _tables(panels={0: table})
        secrets, faults = self._secrets(tables)
        is_known = bool(table.allowed_addresses or table.certificate_name)
        if ("panel", 0) not in secrets and not is_known:
            faults.add((), "nothing proves who it is: give a password, address or certificate name")
        check_password(("panel", 0), secrets.get(("panel", 0)), faults)
        check_snapshot(table, ("panel", 0), secrets, faults)
        faults.raise_if_any()
        return panel_of(table, ("panel", 0), PropertyId(row.property_id), secrets)

    def trunk(self, row: TrunkRow) -> Trunk:
        table = TrunkTable.model_validate(row.document | {"id": row.id})
        secrets, faults = self._secrets(_tables(trunks={0: table}))
        check_trunks({0: table}, secrets, faults, self._caller_id)
        faults.raise_if_any()
        return trunk_of(table, secrets.get(("trunk", 0)))

    # -- people ------------------------------------------------------------------------------

    def resident(self, row: AccountRow) -> Resident | None:
        """Make a resident; None for an account that neither lives anywhere nor is rung."""
        units = {
            grant.unit_id
            for grant in self._mirror.of(GrantRow, "account_id", row.id)
            if grant.role in LIVES_THERE
        }
        bells = [
            self._mirror.get(DoorbellRow, member.doorbell_id)
            for member in self._mirror.of(MemberRow, "account_id", row.id)
        ]
        if not units and not bells:
            return None
        units |= {bell.unit_id for bell in bells if bell is not None}
        phones = self._devices(row) if row.devices else None
        return Resident(
            resident_id=ResidentId(row.username),
            name=row.name,
            password_hash=row.password_hash or "",
            has_app=row.has_app and row.password_hash is not None,
            number=row.number if self.is_called(row) else None,
            sip_phones=sip_phones_of(phones[0]) if phones else (),
            sip_accounts=sip_accounts_of(phones[0], ("resident", 0), phones[1]) if phones else (),
            ring_way=row.ring_way,
            rights=self._rights(row, units - {None}),
        )

    def is_called(self, row: AccountRow) -> bool:
        """Tell whether a number may be called: it was verified within a year."""
        verified = row.number_verified_on
        return (
            row.number is not None
            and is_e164(row.number)
            and verified is not None
            and self._today() - verified <= VERIFIED_FOR
        )

    def doorbells(
        self, row: DoorbellRow, residents: Mapping[ResidentId, Resident]
    ) -> dict[int | None, Doorbell]:
        """Make what stands on panels for a doorbell, by whose it is; None: everybody's together."""
        members = sorted(
            self._mirror.of(MemberRow, "doorbell_id", row.id), key=lambda each: each.position
        )
        found = [
            (member, residents[ResidentId(account.username)])
            for member in members
            if (account := self._mirror.get(AccountRow, member.account_id)) is not None
            and account.username in residents
        ]
        if row.is_hidden:
            return {}
        if row.layout in OWN_BUTTONS:
            return {
                member.account_id: self._doorbell(row, [resident], own=resident)
                for member, resident in found
                if not member.is_hidden
            }
        return {None: self._doorbell(row, [resident for _, resident in found])}

    # -- smaller ones ------------------------------------------------------------------------

    def _doorbell(
        self, row: DoorbellRow, rung: Iterable[Resident], own: Resident | None = None
    ) -> Doorbell:
        name = f"{row.id}/{own.resident_id}" if own is not None else row.id
        return Doorbell(
            doorbell_id=DoorbellId(name),
            property_id=PropertyId(row.property_id),
            name=row.name if own is None else own.name,
            residents=tuple(each.resident_id for each in rung),
            app_stage_s=row.app_stage_s,
            phone_stage_s=row.phone_stage_s,
            step_s=row.step_s if row.layout is Layout.SEQUENTIAL else None,
            group=row.name if row.layout is Layout.GROUPED else "",
            quiet=self._quiet("doorbell_id", row.id),
        )

    def _quiet(self, field: str, of: str) -> tuple[Quiet, ...]:
        rows = sorted(self._mirror.of(QuietRow, field, of), key=lambda each: each.id)
        found = ((_hours(each), each.mode) for each in rows)
        return tuple(Quiet(hours, mode) for hours, mode in found if hours is not None)

    def _rights(self, row: AccountRow, units: Iterable[int | None]) -> tuple[DoorRight, ...]:
        """Give a person's rights; one's own for a door take the place of the unit's for it."""
        own = self._mirror.of(RightRow, "account_id", row.id)
        named = {each.door_id for each in own}
        shared = [
            each
            for unit in units
            for each in self._mirror.of(RightRow, "unit_id", unit)
            if each.door_id not in named
        ]
        return tuple(_right(each) for each in sorted([*own, *shared], key=lambda each: each.id))

    def _devices(self, row: AccountRow) -> tuple[ResidentTable, Secrets]:
        """Read a person's SIP phones; none of them when they are wrong, but the person stays."""
        named = {"username": row.username, "name": row.name, "app": False}
        empty = ResidentTable.model_validate(named)
        kind, name = "phones", row.username
        table = self.made(kind, name, lambda: ResidentTable.model_validate(row.devices | named))
        if table is None:
            return empty, {}
        found = self.made(kind, name, lambda: self._checked_accounts(table))
        return (empty, {}) if found is None else (table, found)

    def _checked_accounts(self, table: ResidentTable) -> Secrets:
        secrets, faults = self._secrets(_tables(residents={0: table}))
        panels = [each.id for each in self._mirror.all(PanelRow)] if table.sip_account else []
        check_accounts({0: table}, panels, secrets, faults)
        faults.raise_if_any()
        return secrets

    def _recordings_of(self, table: PropertyTable) -> dict[str, bytes]:
        named = table.prompts.model_dump(exclude_none=True)
        return {words: pcm for words, path in named.items() if (pcm := self._recording(path))}

    def _zone_of(self, row: PropertyRow) -> str:
        is_zone = self.made("time zone of property", row.id, lambda: ZoneInfo(row.time_zone))
        return USUAL_ZONE if is_zone is None else row.time_zone

    def _secrets(self, tables: Tables) -> tuple[Secrets, Faults]:
        faults = Faults(_PLACE, {}, LineIndex(""))
        return find_secrets(tables, faults, self._folder, self._environment), faults


def button_target(row: ButtonRow, doorbells: Mapping[int | None, DoorbellId]) -> DoorbellId | None:
    """Say where a button leads; None: it is not on the panel now."""
    return doorbells.get(row.account_id) if len(row.name) <= _MAX_PRESSED else None


def recordings_named(rows: Iterable[PropertyRow | DoorRow]) -> set[str]:
    """List the paths of the recordings that properties and doors name."""
    found: set[str] = set()
    for row in rows:
        names = row.prompts if isinstance(row, PropertyRow) else row.document
        values = names.values() if isinstance(row, PropertyRow) else [names.get("recording")]
        found.update(each for each in values if isinstance(each, str))
    return found


def names_panel(row: DoorRow, panel_id: str) -> bool:
    """Tell whether a door opens by way of a panel."""
    relay = row.document.get("relay")
    return isinstance(relay, dict) and relay.get("panel") == panel_id


def _names_panel(table: DoorTable, panel_id: str) -> bool:
    return getattr(table.relay, "panel", None) == panel_id


def _panel_table(row: PanelRow) -> PanelTable:
    return _StoredPanel.model_validate(row.document | {"id": row.id, "door": row.door_id})


def _tables(
    *,
    doors: Mapping[int, DoorTable] | None = None,
    panels: Mapping[int, PanelTable] | None = None,
    residents: Mapping[int, ResidentTable] | None = None,
    trunks: Mapping[int, TrunkTable] | None = None,
) -> Tables:
    return Tables(
        property=None,
        doors=doors or {},
        panels=panels or {},
        doorbells={},
        residents=residents or {},
        trunks=trunks or {},
        names={},
    )


def _hours(row: QuietRow | RightRow) -> Hours | None:
    """Give the hours of a row; None for some that there are not."""
    minutes = range(DAY_MINUTES)
    if row.start_minute not in minutes or not 0 <= row.end_minute <= DAY_MINUTES:
        return None
    days = frozenset(day for day in range(7) if row.days >> day & 1)
    return Hours(days, row.start_minute, row.end_minute % DAY_MINUTES)


def _right(row: RightRow) -> DoorRight:
    hours = _hours(row)
    if hours is None:  # whoever may open when is not known: nobody at no time
        return DoorRight(DoorId(row.door_id), may_open=False)
    return DoorRight(DoorId(row.door_id), row.may_open, row.has_key, hours)
