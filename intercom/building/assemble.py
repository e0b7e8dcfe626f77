"""Make the directory of tables that have been checked."""

from intercom.building.check import Secrets, Tables
from intercom.building.tables import DoorTable, HttpTable, PanelTable, ResidentTable
from intercom.routing.directory import (
    Button,
    Directory,
    Door,
    Doorbell,
    EarlyMedia,
    HttpRelay,
    Panel,
    PanelLinkRelay,
    PanelProfile,
    Property,
    PropertyKind,
    Relay,
    Resident,
    SipPhone,
    Trunk,
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


def assemble(tables: Tables, secrets: Secrets) -> Directory:
    """Make the directory; every reference is known to hold."""
    prop = _property(tables)
    property_id = prop.property_id
    doors = [
        Door(
            door_id=DoorId(table.id),
            property_id=property_id,
            name=table.name,
            relay=_relay(table, secrets.get(("door", position, "relay"))),
            pulse_ms=table.pulse_ms,
        )
        for position, table in tables.doors.items()
    ]
    panels = [
        _panel(table, property_id, secrets.get(("panel", position)))
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
    residents = [_resident(table) for table in tables.residents.values()]
    trunks = tuple(
        Trunk(
            trunk_id=TrunkId(table.id),
            address=table.address,
            username=table.username,
            password=secrets.get(("trunk", position)),
            caller_ids=frozenset(table.caller_ids),
        )
        for position, table in tables.trunks.items()
    )
    return Directory(
        properties={property_id: prop},
        doors={door.door_id: door for door in doors},
        panels={panel.panel_id: panel for panel in panels},
        doorbells={doorbell.doorbell_id: doorbell for doorbell in doorbells},
        residents={resident.resident_id: resident for resident in residents},
        trunks=trunks,
    )


def _property(tables: Tables) -> Property:
    table = tables.property
    assert table is not None, "a file without [property] has been refused"
    return Property(
        property_id=PropertyId(table.id),
        name=table.name,
        kind=PropertyKind(table.kind),
        address=table.address,
        language=table.language,
        open_keys=frozenset(table.open_keys),
    )


def _relay(door: DoorTable, password: str | None) -> Relay:
    table = door.relay
    if not isinstance(table, HttpTable):
        return PanelLinkRelay(panel_id=PanelId(table.panel), relay=table.relay)
    return HttpRelay(
        method=table.method,
        url=table.url,
        authentication=table.authentication,
        username=table.username,
        password=password or "",
        expected_status=table.expected_status,
    )


def _panel(table: PanelTable, property_id: PropertyId, password: str | None) -> Panel:
    return Panel(
        panel_id=PanelId(table.id),
        property_id=property_id,
        door_id=DoorId(table.door),
        buttons=tuple(
            Button(name=button, doorbell_id=DoorbellId(doorbell))
            for button, doorbell in table.buttons.items()
        ),
        password=password,
        allowed_addresses=frozenset(table.allowed_addresses),
        profile=PanelProfile(
            early=EarlyMedia(table.profile.early), ring_limit_s=table.profile.ring_limit_s
        ),
    )


def _resident(table: ResidentTable) -> Resident:
    return Resident(
        resident_id=ResidentId(table.username),
        name=table.name,
        password_hash=table.password_hash or "",
        has_app=table.app,
        number=table.number,
        sip_phones=tuple(
            SipPhone(device_id=DeviceId(f"{table.username}/sip-phone-{position}"), uri=uri)
            for position, uri in enumerate(table.sip_phones, start=1)
        ),
    )
