"""Make the directory of tables that have been checked."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network

from intercom.building.check import Secrets, Tables
from intercom.building.homes import doorbells_of, quiet_of, rights_of
from intercom.building.lines import Path
from intercom.building.recordings import Recordings
from intercom.building.tables import PanelTable, ResidentTable, TrunkTable
from intercom.building.ways import picture_of, profile_of, relay_of
from intercom.routing.directory import (
    Button,
    Carrier,
    CommercialProperty,
    Directory,
    Door,
    Doorbell,
    Encryption,
    Panel,
    Property,
    PropertyKind,
    Resident,
    RingWay,
    SipAccount,
    SipPhone,
    Trunk,
    TrunkTransport,
)
from intercom.routing.ids import (
    DeviceId,
    DoorbellId,
    DoorId,
    PanelId,
    PropertyId,
    ResidentId,
    TrunkId,
)
from intercom.routing.numbers import to_e164

_TYPES = {PropertyKind.RESIDENTIAL: Property, PropertyKind.COMMERCIAL: CommercialProperty}
"""A commercial one out of a file has no event log: that is in the database."""


def assemble(
    tables: Tables, secrets: Secrets, recordings: Recordings, region: str | None
) -> Directory:
    """Make the directory; every reference is known to hold, and each number to be one.

    `region` is the country in whose way numbers may be written.
    """
    prop = _property(tables, recordings)
    property_id = prop.property_id
    doors = [
        Door(
            door_id=DoorId(table.id),
            property_id=property_id,
            name=table.name,
            relay=relay_of(table, ("door", position, "relay"), tables, secrets),
            pulse_ms=table.pulse_ms,
            recording=recordings.get(("door", position, "recording"), b""),
        )
        for position, table in tables.doors.items()
    ]
    panels = [
        panel_of(table, ("panel", position), property_id, secrets)
        for position, table in tables.panels.items()
    ]
    doorbells = {each.doorbell_id: each for each in doorbells_of(tables, property_id)}
    panels = [_with_shown_buttons(panel, doorbells) for panel in panels]
    residents = [
        replace(
            _resident(table, ("resident", position), region, secrets),
            rights=rights_of(tables, table.username),
        )
        for position, table in tables.residents.items()
    ]
    trunks = tuple(
        trunk_of(table, secrets.get(("trunk", position)))
        for position, table in tables.trunks.items()
    )
    return Directory(
        properties={property_id: prop},
        doors={door.door_id: door for door in doors},
        panels={panel.panel_id: panel for panel in panels},
        doorbells=doorbells,
        residents={resident.resident_id: resident for resident in residents},
        trunks=trunks,
    )


def _property(tables: Tables, recordings: Recordings) -> Property:
    table = tables.property
    assert table is not None, "a file without [property] has been refused"
    return _TYPES[PropertyKind(table.kind)](
        property_id=PropertyId(table.id),
        name=table.name,
        address=table.address,
        language=table.language,
        open_keys=frozenset(table.open_keys),
        time_zone=table.time_zone,
        quiet=quiet_of(table.quiet),
        has_keys_in_app=table.keys_in_app,
        recordings={
            str(path[-1]): pcm
            for path, pcm in recordings.items()
            if path[:2] == ("property", "prompts")
        },
    )


def _with_shown_buttons(panel: Panel, doorbells: Mapping[DoorbellId, Doorbell]) -> Panel:
    """Leave out the buttons of who is hidden."""
    shown = tuple(each for each in panel.buttons if each.doorbell_id in doorbells)
    return panel if len(shown) == len(panel.buttons) else replace(panel, buttons=shown)


def panel_of(table: PanelTable, path: Path, property_id: PropertyId, secrets: Secrets) -> Panel:
    """Make a panel; `path` is the place of its table."""
    return Panel(
        panel_id=PanelId(table.id),
        property_id=property_id,
        door_id=DoorId(table.door),
        buttons=tuple(
            Button(name=button, doorbell_id=DoorbellId(doorbell))
            for button, doorbell in table.buttons.items()
        ),
        password=secrets.get(path),
        allowed_addresses=frozenset(table.allowed_addresses),
        certificate_name=(table.certificate_name or "").lower(),
        profile=profile_of(table),
        picture=picture_of(table, path, secrets),
    )


def trunk_of(table: TrunkTable, password: str | None) -> Trunk:
    """Make a trunk."""
    return Trunk(
        trunk_id=TrunkId(table.id),
        address=table.address,
        username=table.username,
        password=password,
        caller_ids=frozenset(table.caller_ids),
        transport=TrunkTransport(table.transport) if table.transport else None,
        carrier=Carrier(table.carrier),
        is_registering=table.register_,
        is_probed=table.probe,
        headers=tuple(table.headers.items()),
        encryption=Encryption(table.srtp),
        media_networks=tuple(map(ip_network, table.media_networks)),
        signalling_networks=tuple(map(ip_network, table.signalling_networks)),
        ring_s=table.ring_s,
    )


def _resident(table: ResidentTable, path: Path, region: str | None, secrets: Secrets) -> Resident:
    return Resident(
        resident_id=ResidentId(table.username),
        name=table.name,
        password_hash=table.password_hash or "",
        has_app=table.app and table.password_hash is not None,
        ring_way=RingWay(table.ring_way),
        number=to_e164(table.number, region) if table.number else None,
        sip_phones=sip_phones_of(table),
        sip_accounts=sip_accounts_of(table, path, secrets),
    )


def sip_phones_of(table: ResidentTable) -> tuple[SipPhone, ...]:
    """Make a resident's phones that stand at fixed addresses."""
    return tuple(
        SipPhone(device_id=DeviceId(f"{table.username}/sip-phone-{position}"), uri=uri)
        for position, uri in enumerate(table.sip_phones, start=1)
    )


def sip_accounts_of(table: ResidentTable, path: Path, secrets: Secrets) -> tuple[SipAccount, ...]:
    """Make a resident's log-ins for SIP phones; `path` is the place of its table."""
    return tuple(
        SipAccount(
            username=account.username,
            password=secrets[*path, "sip_account", number] or "",
            encryption=Encryption(account.srtp),
        )
        for number, account in enumerate(table.sip_account)
    )
