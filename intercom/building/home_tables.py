"""The shape of the tables that say who lives where, when it is quiet, and who may open what."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from intercom.building.table import Id, Name, Table, row

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_Clock = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]


class HoursTable(Table):
    days: list[_Day] = row(
        'the days on which it begins, such as ["mon", "tue"]; all of them without it',
        list(DAYS),
        min_length=1,
        max_length=7,
    )
    from_: _Clock = row('the time of day when it begins, such as "22:00"', "00:00", alias="from")
    to: _Clock = row(
        'the time of day when it ends, such as "07:00"; on the next day where that is earlier',
        "00:00",
    )


class QuietTable(HoursTable):
    mode: Literal["say-so", "phone-only"] = row(
        '"say-so" (nobody is rung, the panel says why) or "phone-only" (the apps stay silent)',
        "say-so",
    )


class UnitTable(Table):
    """An apartment or office; a file without any has one for each doorbell."""

    name: Name = row('what it is called among those who run the house, such as "H0301"')
    owners: list[Id] = row("the usernames of who owns it", [])
    residents: list[Id] = row("the usernames of who lives or works there", [])
    stations: list[Id] = row("the usernames of tablets on its wall", [])
    activated_on: date | None = row("the day on which its owner has confirmed: 2026-11-22", None)


class RightTable(HoursTable):
    """What somebody may do with a door otherwise than being rung from there gives."""

    door: Id = row("the id of the door")
    resident: Id | None = row("the username of whose right it is; or give unit", None)
    unit: Name | None = row("the name of the unit whose every resident has it", None)
    may_open: bool = row("false takes away what being rung gives", default=True)
    key: bool = row("true where the app may open it without a call", default=False)
