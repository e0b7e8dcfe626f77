"""How a door opens, how a panel behaves and where its picture is: its make, and what is written."""

from typing import TypeVar

from intercom.building.check import Secrets, Tables
from intercom.building.lines import Path
from intercom.building.makes import MAKES
from intercom.building.tables import (
    DoorTable,
    HttpTable,
    MakeRelayTable,
    PanelCodeTable,
    PanelLinkTable,
    PanelTable,
)
from intercom.routing.directory import (
    CodeWay,
    EarlyMedia,
    Encryption,
    HttpRelay,
    PanelCodeRelay,
    PanelLinkRelay,
    PanelProfile,
    PictureSource,
    Relay,
)
from intercom.routing.ids import PanelId

_Value = TypeVar("_Value")


def relay_of(door: DoorTable, path: Path, tables: Tables, secrets: Secrets) -> Relay:
    """Give a door's relay; `path` is the place of its table."""
    table = door.relay
    password, code = secrets.get(path) or "", secrets.get((*path, "code")) or ""
    match table:
        case PanelLinkTable():
            return PanelLinkRelay(panel_id=PanelId(table.panel), relay=table.relay)
        case HttpTable():
            return HttpRelay(
                method=table.method,
                url=table.url,
                authentication=table.authentication,
                username=table.username,
                password=password,
                expected_status=table.expected_status,
                expected_text=table.expected_text,
            )
        case MakeRelayTable():
            return _make_relay(table, password, code)
        case PanelCodeTable():
            profiles = (profile_of(p) for p in tables.panels.values() if p.id == table.panel)
            way = next(profiles).code_way if table.way is None else CodeWay(table.way)
            return PanelCodeRelay(PanelId(table.panel), code, way)


def profile_of(table: PanelTable) -> PanelProfile:
    """Give the profile of a panel's make, with what is written otherwise for this one."""
    usual, own = MAKES[table.make].profile, table.profile
    return PanelProfile(
        early=usual.early if own.early is None else EarlyMedia(own.early),
        ring_limit_s=_either(own.ring_limit_s, usual.ring_limit_s),
        codecs=usual.codecs if own.codecs is None else tuple(own.codecs),
        code_way=usual.code_way if own.code_way is None else CodeWay(own.code_way),
        srtp=usual.srtp if own.srtp is None else Encryption(own.srtp),
        registers=_either(own.registers, usual.registers),
    )


def picture_of(table: PanelTable, path: Path, secrets: Secrets) -> PictureSource | None:
    """Give where a panel's picture is got; `path` is the place of its table."""
    snapshot, usual = table.snapshot, MAKES[table.make].picture
    if snapshot is None:
        return None
    authentication = "none" if usual is None else usual.authentication
    way = "" if usual is None else usual.path
    return PictureSource(
        url=snapshot.url or f"{snapshot.scheme}://{snapshot.host}{way}",
        authentication=snapshot.authentication or authentication,
        username=snapshot.username,
        password=secrets.get((*path, "snapshot")) or "",
    )


def _make_relay(table: MakeRelayTable, password: str, code: str) -> HttpRelay:
    way = MAKES[table.driver].opens
    assert way is not None, "a driver is a make that opens by HTTP"
    authentication = table.authentication or way.authentication
    path = way.other_paths.get(authentication, way.path).replace("{relay}", str(table.relay))
    return HttpRelay(
        method="GET",
        url=f"{table.scheme}://{table.host}{path}",
        authentication=authentication,
        username=table.username,
        password=password,
        answer=way.answer,
        code=code or way.default_code or "",
    )


def _either(own: _Value | None, usual: _Value) -> _Value:
    return usual if own is None else own
