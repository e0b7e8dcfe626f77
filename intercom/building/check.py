"""What the tables of a building file say about each other: references, doubles, numbers, trunks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from intercom.building.check_accounts import check_accounts, check_password
from intercom.building.check_homes import check_homes
from intercom.building.check_trunks import check_number, check_reach, check_trunks, home_region
from intercom.building.check_ways import check_relay, check_snapshot
from intercom.building.faults import Faults, did_you_mean
from intercom.building.home_tables import RightTable, UnitTable
from intercom.building.lines import Path
from intercom.building.makes import MAKES
from intercom.building.tables import (
    DoorbellTable,
    DoorTable,
    PanelCodeTable,
    PanelLinkTable,
    PanelTable,
    PropertyTable,
    ResidentTable,
    TrunkTable,
)
from intercom.routing.numbers import DialPolicy
from intercom.routing.plan import PANEL_MARGIN_S

Secrets = dict[Path, str | None]
"""The passwords found, by the place of the table that they belong to; door codes under its "code"."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables whose shape is right, by their position in the file."""

    property: PropertyTable | None
    doors: Mapping[int, DoorTable]
    panels: Mapping[int, PanelTable]
    doorbells: Mapping[int, DoorbellTable]
    residents: Mapping[int, ResidentTable]
    trunks: Mapping[int, TrunkTable]
    names: Mapping[str, list[str]]
    """Every id in the file by kind, also of tables whose shape is wrong."""
    units: Mapping[int, UnitTable] = field(default_factory=dict)
    rights: Mapping[int, RightTable] = field(default_factory=dict)


def check(
    tables: Tables, secrets: Secrets, faults: Faults, caller_id: str | None, policy: DialPolicy
) -> None:
    """Note every fault and doubt that no single table shows."""
    _check_doubles(tables, faults)
    _check_doors(tables, secrets, faults)
    _check_panels(tables, secrets, faults)
    _check_doorbells(tables, faults)
    _check_residents(tables, faults, policy, home_region(tables.trunks.values(), caller_id))
    check_accounts(tables.residents, tables.names["panel"], secrets, faults)
    check_trunks(tables.trunks, secrets, faults, caller_id)
    is_any_named = bool(tables.names["trunk"])
    check_reach(tables.trunks, tables.residents, faults, caller_id, is_any_named=is_any_named)
    _check_ring_times(tables, faults)
    check_homes(tables, faults)


def _check_doubles(tables: Tables, faults: Faults) -> None:
    for kind, names in tables.names.items():
        seen: set[str] = set()
        for position, name in enumerate(names):
            if name and name in seen:
                faults.add((kind, position), f'there is another {kind} "{name}": give one a new id')
            seen.add(name)


def _refer(tables: Tables, faults: Faults, path: Path, kind: str, name: str) -> bool:
    known = tables.names[kind]
    if name in known:
        return True
    suggestion = did_you_mean(name, filter(None, known))
    faults.add_reference(path, f'{kind} "{name}" is not defined{suggestion}')
    return False


def _check_doors(tables: Tables, secrets: Secrets, faults: Faults) -> None:
    taken: dict[tuple[str, int], str] = {}
    beside = {panel.door for panel in tables.panels.values()}
    for position, door in tables.doors.items():
        path: Path = ("door", position, "relay")
        if door.id not in beside:
            faults.warn(("door", position), "no panel stands beside this door: no call can open it")
        check_relay(door, path, tables.panels, secrets, faults)
        if isinstance(door.relay, PanelCodeTable):
            _refer(tables, faults, (*path, "panel"), "panel", door.relay.panel)
        if not isinstance(door.relay, PanelLinkTable):
            continue
        relay = (door.relay.panel, door.relay.relay)
        if relay in taken:
            faults.add(path, f'relay {relay[1]} of this panel belongs to door "{taken[relay]}" too')
        taken.setdefault(relay, door.id)
        if _refer(tables, faults, (*path, "panel"), "panel", relay[0]):
            _check_panel_has_link(tables, secrets, faults, path, relay[0])


def _check_panel_has_link(
    tables: Tables, secrets: Secrets, faults: Faults, path: Path, panel_id: str
) -> None:
    for position, panel in tables.panels.items():
        if panel.id == panel_id and ("panel", position) not in secrets:
            faults.add(path, f'panel "{panel_id}" needs a password to be commanded over its link')


def _check_panels(tables: Tables, secrets: Secrets, faults: Faults) -> None:
    if not tables.names["panel"]:
        faults.warn((), "there is no [[panel]]: nobody can ring")
    _check_certificate_names(tables, faults)
    for position, panel in tables.panels.items():
        path: Path = ("panel", position)
        _refer(tables, faults, (*path, "door"), "door", panel.door)
        if not panel.buttons:
            faults.warn(path, "has no buttons: nobody can be rung from there")
        for button, target in panel.buttons.items():
            doorbell = target.partition("/")[0]
            _refer(tables, faults, (*path, "buttons", button), "doorbell", doorbell)
        is_known = bool(panel.allowed_addresses or panel.certificate_name)
        if path not in secrets and not is_known:
            faults.add(
                path,
                "nothing proves who it is: give password_env, allowed_addresses or certificate_name",
            )
        if panel.profile.registers is False and not is_known:
            faults.warn(path, "does not log in: it can only ring from one of its allowed_addresses")
        _doubt_public_addresses(panel, path, faults)
        check_snapshot(panel, path, secrets, faults)
        password = secrets.get(path)
        check_password(path, password, faults)


def _doubt_public_addresses(panel: PanelTable, path: Path, faults: Faults) -> None:
    for address in panel.allowed_addresses:
        if ip_address(address).is_global:
            faults.warn(
                (*path, "allowed_addresses"),
                f"{address} is a public address: whoever forges it by UDP can press this panel's"
                " buttons; give a password or certificate_name instead, or let it come by a VPN",
            )


def _check_certificate_names(tables: Tables, faults: Faults) -> None:
    taken: dict[str, str] = {}
    for position, panel in tables.panels.items():
        name = (panel.certificate_name or "").lower()
        if name in taken:
            fault = f'is that of panel "{taken[name]}" too: give each panel its own certificate'
            faults.add(("panel", position, "certificate_name"), fault)
        if name:
            taken.setdefault(name, panel.id)


def _check_doorbells(tables: Tables, faults: Faults) -> None:
    pressed = {
        target.partition("/")[0]
        for panel in tables.panels.values()
        for target in panel.buttons.values()
    }
    for position, doorbell in tables.doorbells.items():
        path: Path = ("doorbell", position)
        for resident in dict.fromkeys(doorbell.residents):
            _refer(tables, faults, (*path, "residents"), "resident", resident)
        for resident in _repeated(doorbell.residents):
            faults.add((*path, "residents"), f'resident "{resident}" stands there more than once')
        if not doorbell.residents and doorbell.unit is None:
            faults.add((*path, "residents"), "[] is wrong: give the usernames of who is rung")
        if doorbell.id not in pressed:
            faults.warn(path, "no panel has a button for it")


def _check_residents(
    tables: Tables, faults: Faults, policy: DialPolicy, region: str | None
) -> None:
    rung = {name for doorbell in tables.doorbells.values() for name in doorbell.residents}
    for position, resident in tables.residents.items():
        path: Path = ("resident", position)
        if resident.app and resident.password_hash is None and resident.language is None:
            fault = "the app needs password_hash: run `intercom hash-password`, or give app = false"
            faults.add(path, fault)
        has_sip_phone = bool(resident.sip_phones or resident.sip_account)
        if not (resident.app or resident.number or has_sip_phone):
            faults.warn(path, "has neither app nor phone: cannot be reached")
        if resident.number:
            check_number((*path, "number"), resident.number, region, policy, faults)
        if resident.username not in rung:
            faults.warn(path, "no doorbell rings here")


def _check_ring_times(tables: Tables, faults: Faults) -> None:
    """Doubt a panel that gives up before the last phone has been called (requirement B2)."""
    bells = {doorbell.id: doorbell for doorbell in tables.doorbells.values()}
    has_number = {r.username for r in tables.residents.values() if r.number}
    for position, panel in tables.panels.items():
        usual = MAKES[panel.make].profile
        if (panel.profile.early or usual.early.value) == "answer":
            continue  # we answer it at once, so its own limit never comes
        ring_limit_s = panel.profile.ring_limit_s or usual.ring_limit_s
        for button, target in panel.buttons.items():
            bell = bells.get(target.partition("/")[0])
            if bell is None:
                continue
            phones = sum(resident in has_number for resident in bell.residents)
            needed_s = bell.app_stage_s + phones * bell.phone_stage_s
            if needed_s > ring_limit_s - PANEL_MARGIN_S:
                faults.warn(
                    ("panel", position, "buttons", button),
                    f"the panel gives up after {ring_limit_s:g} s,"
                    f" and ringing everybody takes {needed_s:g} s,"
                    f" with {PANEL_MARGIN_S:g} s more for the words at the end",
                )


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
