"""Who logs in by SIP: residents' phones and panels share one name space, and no password is short."""

from collections.abc import Collection, Mapping

from intercom.building.faults import Faults
from intercom.building.lines import Path
from intercom.building.tables import ResidentTable

SHORTEST_PASSWORD = 8
"""Of a panel or SIP phone: it guards SIP and the door's relay."""


def check_accounts(
    residents: Mapping[int, ResidentTable],
    panels: Collection[str],
    secrets: Mapping[Path, str | None],
    faults: Faults,
) -> None:
    """Note what is wrong with residents' SIP accounts."""
    taken = dict.fromkeys(panels, "a panel")
    for position, resident in residents.items():
        for number, account in enumerate(resident.sip_account):
            path: Path = ("resident", position, "sip_account", number)
            if account.username in taken:
                whose = taken[account.username]
                faults.add(path, f"{whose} has this name too: give another username")
            taken.setdefault(account.username, "another SIP account")
            if path not in secrets:
                faults.add(path, "has no password: give password_env or password_file")
            check_password(path, secrets.get(path), faults)


def check_password(path: Path, password: str | None, faults: Faults) -> None:
    """Note a password that could be guessed."""
    if password is not None and len(password) < SHORTEST_PASSWORD:
        faults.add(path, f"its password is shorter than {SHORTEST_PASSWORD} characters")
