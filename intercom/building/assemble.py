"""Make the directory of tables that have been checked."""

from ipaddress import ip_network

from intercom.building.check import Secrets, Tables
from intercom.building.lines import Path
from intercom.building.recordings import Recordings
from intercom.building.tables import PanelTable, ResidentTable, TrunkTable
from intercom.building.ways import picture_of, profile_of, relay_of
from intercom.routing.directory import (
    Button,
    Carrier,
    Directory,
    Door,
    Doorbell,
    Encryption,
    Panel,
    Property,
    PropertyKind,
    Resident,
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
        _panel(table, ("panel", position), property_id, secrets)
        for position, table in tables.panels.items()
    ]
    doorbells = [
        Doorbell(
            doorbell_id=DoorbellId(table.id),
            property_id=property_id,
            name=table.name,
            residents=tuple(ResidentId(name) for name in table.residents),
            app_stage_s=table.app_stage_s,
            phone_stage_s=table.phone_stage_s,
        )
        for table in tables.doorbells.values()
    ]
    residents = [
        _resident(table, ("resident", position), region, secrets)
        for position, table in tables.residents.items()
    ]
    trunks = tuple(
        _trunk(table, secrets.get(("trunk", position))) for position, table in tables.trunks.items()
    )
    return Directory(
        properties={property_id: prop},
        doors={door.door_id: door for door in doors},
        panels={panel.panel_id: panel for panel in panels},
        doorbells={doorbell.doorbell_id: doorbell for doorbell in doorbells},
        residents={resident.resident_id: resident for resident in residents},
        trunks=trunks,
    )


def _property(tables: Tables, recordings: Recordings) -> Property:
    table = tables.property
    assert table is not None, "a file without [property] has been refused"
    return Property(
        property_id=PropertyId(table.id),
        name=table.name,
        kind=PropertyKind(table.kind),
        address=table.address,
        language=table.language,
        open_keys=frozenset(table.open_keys),
        recordings={
            str(path[-1]): pcm
            for path, pcm in recordings.items()
            if path[:2] == ("property", "prompts")
        },
    )


def _panel(table: PanelTable, path: Path, property_id: PropertyId, secrets: Secrets) -> Panel:
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


def _trunk(table: TrunkTable, password: str | None) -> Trunk:
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
        has_app=table.app,
        number=to_e164(table.number, region) if table.number else None,
        sip_phones=tuple(
            SipPhone(device_id=DeviceId(f"{table.username}/sip-phone-{position}"), uri=uri)
            for position, uri in enumerate(table.sip_phones, start=1)
        ),
        sip_accounts=tuple(
            SipAccount(
                username=account.username,
                password=secrets[*path, "sip_account", number] or "",
                encryption=Encryption(account.srtp),
            )
            for number, account in enumerate(table.sip_account)
        ),
    )
