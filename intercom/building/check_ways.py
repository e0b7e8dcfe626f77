"""What a door's relay and a panel's picture need, each by its kind: users, passwords, codes, panels."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from intercom.building.faults import Faults
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

_SECRET_IN_CLEAR = frozenset({"basic", "query"})
_KEYS = re.compile(r"[0-9*#A-D]{1,16}")  # RFC 4733 §3.2; longer takes more than a door's 8 s
_OWN_WAYS = {"query": "akuvox", "challenge": "grandstream"}
"""Authentications that only one make has."""

Secrets = Mapping[Path, str | None]


class _Login(NamedTuple):
    authentication: str
    scheme: str
    username: str


def check_relay(
    door: DoorTable,
    path: Path,
    panels: Mapping[int, PanelTable],
    secrets: Secrets,
    faults: Faults,
) -> None:
    """Check what a relay of its kind needs; `path` is the place of its table."""
    match door.relay:
        case HttpTable() as relay:
            scheme = relay.url.partition(":")[0]
            login = _Login(relay.authentication, scheme, relay.username)
            _check_login(path, login, secrets, faults)
        case MakeRelayTable() as relay:
            _check_make_relay(relay, path, secrets, faults)
        case PanelCodeTable() as relay:
            _check_code(path, secrets, faults)
            for panel in panels.values():
                if panel.door == door.id and panel.id != relay.panel:
                    words = f'opens only in a call of its own panel, never in one of "{panel.id}"'
                    faults.warn(path, words)
        case PanelLinkTable():  # its panel is checked with the references
            pass


def check_snapshot(panel: PanelTable, path: Path, secrets: Secrets, faults: Faults) -> None:
    """Check where a panel's picture is got."""
    make, snapshot = MAKES[panel.make], panel.snapshot
    if snapshot is None:
        if (panel.profile.early or make.profile.early.value) == "snapshot":
            faults.add(path, 'early = "snapshot" needs snapshot = { host = "…" } or { url = "…" }')
        return
    path, usual = (*path, "snapshot"), make.picture
    if (snapshot.host is None) == (snapshot.url is None):
        faults.add(path, "give one of host and url")
    elif snapshot.host is not None and usual is None:
        faults.add(path, f'where make "{panel.make}" has its picture is not known: give url')
    authentication = snapshot.authentication or ("none" if usual is None else usual.authentication)
    scheme = snapshot.scheme if snapshot.url is None else snapshot.url.partition(":")[0]
    _check_login(path, _Login(authentication, scheme, snapshot.username), secrets, faults)


def _check_make_relay(relay: MakeRelayTable, path: Path, secrets: Secrets, faults: Faults) -> None:
    make = MAKES[relay.driver]
    assert make.opens is not None, "a driver is a make that opens by HTTP"
    authentication = relay.authentication or make.opens.authentication
    owner = _OWN_WAYS.get(authentication, relay.driver)
    if owner != relay.driver:
        faults.add((*path, "authentication"), f'"{authentication}" is the way of {owner} alone')
    _check_login(path, _Login(authentication, relay.scheme, relay.username), secrets, faults)
    if relay.relay > 1 and "{relay}" not in make.opens.path:
        faults.add((*path, "relay"), f"{relay.driver} opens one door by HTTP: leave relay out")
    has_code = (*path, "code") in secrets
    if make.needs_code and not has_code:
        faults.add(path, "needs the door code of its web page (remote PIN): give code_env")
    if has_code and make.opens.default_code is None and not make.needs_code:
        faults.add(path, f"{relay.driver} takes no door code by HTTP: leave code out")


def _check_code(path: Path, secrets: Secrets, faults: Faults) -> None:
    code_path = (*path, "code")
    code = secrets.get(code_path)
    if code_path not in secrets:
        faults.add(path, "needs the panel's door code: give code_env")
    elif code and not _KEYS.fullmatch(code):
        faults.add(path, "its code is wrong: give up to 16 of the keys 0-9, *, # and A-D")


def _check_login(path: Path, login: _Login, secrets: Secrets, faults: Faults) -> None:
    if login.authentication == "none":
        if secrets.get(path) or login.username:
            faults.add(path, 'has a user and no use for it: give authentication = "digest"')
        return
    if not login.username or path not in secrets:
        faults.add(path, f"{login.authentication} needs username and password_env")
    if login.scheme == "http" and login.authentication in _SECRET_IN_CLEAR:
        faults.warn(path, "sends its password in the clear: use https or digest")
