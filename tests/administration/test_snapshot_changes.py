"""Whatever is changed in whatever order: following it gives the same as reading everything again."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from intercom.routing.change import change_between
from intercom.routing.directory import Directory, PropertyKind, RingWay
from intercom.store import models
from intercom.store.kinds import Layout, Role
from intercom.store.models import (
    Account,
    Button,
    Door,
    Doorbell,
    DoorRight,
    Grant,
    Member,
    Panel,
    QuietHours,
    Trunk,
    Unit,
)
from tests.administration.house import HASH, TODAY, Followed, build_house, snapshot_of

CHANGES = 60


class Changer:
    """Makes one change after the other, sensible or not."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 1000

    async def change(self, session) -> None:
        steps = (
            self.add_unit,
            self.add_person,
            self.change_person,
            self.change_bell,
            self.change_member,
            self.add_right,
            self.add_quiet,
            self.change_property,
            self.change_panel,
            self.change_door,
            self.change_trunk,
            self.add_button,
            self.delete,
        )
        await self.random.choice(steps)(session)

    async def any(self, session, model):
        found = (await session.scalars(select(model))).all()
        return self.random.choice(found) if found else None

    def next(self) -> int:
        self.count += 1
        return self.count

    async def add_unit(self, session) -> None:
        number = self.next()
        session.add(Unit(id=number, property_id="house", label=f"H{number}"))
        await session.flush()
        session.add(
            Doorbell(
                id=f"bell-{number}",
                property_id="house",
                unit_id=number,
                name=f"Bell {number}",
                layout=self.random.choice(list(Layout)),
            )
        )

    async def add_person(self, session) -> None:
        number = self.next()
        bell, unit = await self.any(session, Doorbell), await self.any(session, Unit)
        session.add(
            Account(
                id=number,
                username=f"p{number}",
                name=f"Person {number}",
                password_hash=HASH,
                number=f"+4790{number:06}",
                number_verified_on=TODAY - timedelta(days=self.random.choice([0, 400])),
                created_on=TODAY,
            )
        )
        await session.flush()
        if bell is not None:
            session.add(Member(doorbell_id=bell.id, account_id=number, position=number))
        if unit is not None:
            session.add(Grant(account_id=number, role=Role.RESIDENT, unit_id=unit.id))

    async def change_person(self, session) -> None:
        person = await self.any(session, Account)
        if person is not None:
            person.name = f"Other {self.next()}"
            person.has_app = self.random.random() < 0.5
            person.ring_way = self.random.choice(list(RingWay))
            account = {"username": f"phone-{self.random.randrange(3)}", "password": "long enough"}
            person.devices = {"sip_account": [account]} if self.random.random() < 0.3 else {}

    async def change_bell(self, session) -> None:
        bell, unit = await self.any(session, Doorbell), await self.any(session, Unit)
        if bell is not None:
            bell.layout = self.random.choice(list(Layout))
            bell.is_hidden = self.random.random() < 0.3
            bell.unit_id = unit.id if unit is not None else None

    async def change_member(self, session) -> None:
        member = await self.any(session, Member)
        if member is not None:
            member.position = self.random.randrange(9)
            member.is_hidden = self.random.random() < 0.3

    async def add_right(self, session) -> None:
        door, unit = await self.any(session, Door), await self.any(session, Unit)
        person = await self.any(session, Account)
        if door is not None and unit is not None and person is not None:
            is_own = self.random.random() < 0.5
            session.add(
                DoorRight(
                    door_id=door.id,
                    account_id=person.id if is_own else None,
                    unit_id=None if is_own else unit.id,
                    start_minute=self.random.choice([0, 60, 5000]),
                )
            )

    async def add_quiet(self, session) -> None:
        bell = await self.any(session, Doorbell)
        is_bells = bell is not None and self.random.random() < 0.7
        session.add(
            QuietHours(
                property_id=None if is_bells else "house",
                doorbell_id=bell.id if is_bells else None,
                days=self.random.randrange(128),
                start_minute=60,
                end_minute=self.random.choice([120, 1440, -3]),
            )
        )

    async def change_property(self, session) -> None:
        house = await session.get_one(models.Property, "house")
        house.language = self.random.choice(["nb", "en", "no such"])
        house.kind = self.random.choice(list(PropertyKind))

    async def change_panel(self, session) -> None:
        panel = await self.any(session, Panel)
        panel.document = {"password": self.random.choice(["panel's own", "another one", "short"])}

    async def change_door(self, session) -> None:
        door = await self.any(session, Door)
        relay = self.random.choice(
            [
                {"driver": "panel-link", "panel": "main", "relay": 1},
                {"driver": "panel-code", "panel": "main", "code": "12#"},
                {"driver": "panel-code", "panel": "nobody", "code": "12#"},
            ]
        )
        door.document = {"relay": relay}

    async def change_trunk(self, session) -> None:
        number = self.next()
        document = {"address": f"192.0.2.{number % 250}", "caller_ids": ["+4723506953"]}
        if self.random.random() < 0.3:
            document = {}
        session.add(Trunk(id=f"t{number}", position=self.random.randrange(5), document=document))

    async def add_button(self, session) -> None:
        bell, person = await self.any(session, Doorbell), await self.any(session, Account)
        if bell is not None:
            is_own = person is not None and self.random.random() < 0.5
            session.add(
                Button(
                    panel_id="main",
                    name=str(self.next()),
                    doorbell_id=bell.id,
                    account_id=person.id if is_own else None,
                )
            )

    async def delete(self, session) -> None:
        models_ = (Unit, Account, Doorbell, Member, DoorRight, QuietHours, Button, Grant, Trunk)
        row = await self.any(session, self.random.choice(models_))
        if row is not None:
            await session.delete(row)


def comparable(directory: Directory) -> Directory:
    """Let buttons be in any order: a screen sorts them by what stands on them."""
    panels = {
        key: replace(panel, buttons=tuple(sorted(panel.buttons, key=lambda each: each.name)))
        for key, panel in directory.panels.items()
    }
    return replace(directory, panels=panels)


def without_accounts(directory: Directory) -> Directory:
    """Leave SIP log-ins out: of two people who have the same one, the first to come keeps it."""
    return replace(
        directory,
        residents={
            key: replace(each, sip_accounts=()) for key, each in directory.residents.items()
        },
    )


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", range(5))
async def test_following_changes_gives_what_reading_everything_gives(sqlite_database, seed):
    await build_house(sqlite_database)
    changer = Changer(seed)
    followed = Followed(sqlite_database)
    await followed.snapshot.load()

    for number in range(CHANGES):
        async with sqlite_database.writing() as session:
            for _ in range(changer.random.choice([1, 1, 3])):
                await changer.change(session)
                await session.flush()
        before = followed.directory
        change = await followed.catch_up()
        assert change == change_between(before, followed.directory)
        if number % 5 == 0 or number == CHANGES - 1:
            fresh = snapshot_of(sqlite_database)
            await fresh.load()
            assert comparable(without_accounts(followed.directory)) == comparable(
                without_accounts(fresh.directory)
            )
            assert refers_only_to_what_is_there(followed.directory)


def refers_only_to_what_is_there(directory: Directory) -> bool:
    return (
        all(door.property_id in directory.properties for door in directory.doors.values())
        and all(
            panel.property_id in directory.properties
            and panel.door_id in directory.doors
            and all(button.doorbell_id in directory.doorbells for button in panel.buttons)
            for panel in directory.panels.values()
        )
        and all(
            bell.property_id in directory.properties
            and all(each in directory.residents for each in bell.residents)
            for bell in directory.doorbells.values()
        )
    )
