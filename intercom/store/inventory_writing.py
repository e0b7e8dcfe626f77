"""Writes what an inventory wants and the store lacks, in one session: all of it or nothing."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from intercom.building import BuildingChange
from intercom.errors import ConfigError
from intercom.routing.directory import PropertyKind
from intercom.routing.hours import QuietMode
from intercom.store.inventory import Inventory
from intercom.store.inventory_reading import (
    ACCOUNT_FIELDS,
    DOORBELL_FIELDS,
    HOURS_FIELDS,
    PLACES,
    PROPERTY_FIELDS,
    read_right_rows,
)
from intercom.store.models import (
    Account,
    Base,
    Button,
    CommercialLog,
    Door,
    Doorbell,
    DoorRight,
    Grant,
    Member,
    Panel,
    Property,
    QuietHours,
    Trunk,
    Unit,
)
from intercom.store.new_log import new_log

_AT_ONCE: Final = 500
"""Names in one question; SQLite takes 32,766 parameters at most."""


class InventoryWriter:
    """Writes changes of one property; what is refused raises ConfigError before anything is written."""

    def __init__(
        self, session: AsyncSession, stored: Inventory, wanted: Inventory, today: date
    ) -> None:
        self._session = session
        self._stored = stored
        self._wanted = wanted
        self._today = today
        self._property_id = next(iter(wanted["property"]))
        self._units: dict[str, Unit] = {}
        self._accounts: dict[str, Account] = {}

    async def write(self, change: BuildingChange) -> None:
        """Write a change; parents come before what belongs to them."""
        await self.check(change)
        await self._write_property(change)
        await self._write_homes(change)
        await self._write_technics(change)
        await self._write_doorbells(change)
        await self._session.flush()
        await self._write_buttons(change)
        await self._write_rights(change)
        await self._remove(change)

    async def check(self, change: BuildingChange) -> None:
        """Raise ConfigError that says all that is against a change."""
        await self._find()
        await self._refuse(change)

    # -- before --------------------------------------------------------------------------------

    async def _find(self) -> None:
        units = select(Unit).where(Unit.property_id == self._property_id)
        self._units = {each.label: each for each in (await self._session.scalars(units)).all()}
        names = list({**self._wanted["resident"], **self._stored["resident"]})
        for some in _parts(names):
            found = await self._session.scalars(select(Account).where(Account.username.in_(some)))
            self._accounts.update({each.username: each for each in found.all()})

    async def _refuse(self, change: BuildingChange) -> None:
        faults = [*self._faults_of_people(change), *self._faults_of_kind()]
        for kind, table in (("door", Door), ("panel", Panel), ("doorbell", Doorbell)):
            for some in _parts(change.added.get(kind, ())):
                taken = await self._session.execute(
                    select(table.id, table.property_id).where(table.id.in_(some))
                )
                faults += [
                    f'{kind} "{key}" is one of property "{place}" already: give this one another id'
                    for key, place in taken.all()
                ]
        if faults:
            raise ConfigError("\n".join(faults))

    def _faults_of_people(self, change: BuildingChange) -> Iterator[str]:
        for username in change.added.get("resident", ()):
            account = self._accounts.get(username)
            name = self._wanted["resident"][username]["name"]
            if account is not None and account.name != name:
                yield (
                    f'resident "{username}" ({name}) is the username of somebody else, who is'
                    " in the database already: give this person another username"
                )

    def _faults_of_kind(self) -> Iterator[str]:
        wanted = self._wanted["property"][self._property_id]["kind"]
        stored = self._stored["property"].get(self._property_id, {}).get("kind", wanted)
        if stored is not wanted and stored is not None:
            yield (
                f'property "{self._property_id}" is {stored.value} and would become'
                f" {wanted.value}: change that in Webadmin, as it makes or deletes an event log"
            )

    # -- places and people ---------------------------------------------------------------------

    async def _write_property(self, change: BuildingChange) -> None:
        if not _is_named(change, "property", self._property_id):
            return
        fields = self._wanted["property"][self._property_id]
        prop = await self._session.get(Property, self._property_id)
        if prop is None:
            prop = Property(id=self._property_id, created_on=self._today)
            self._session.add(prop)
        _set(prop, fields, PROPERTY_FIELDS)
        await self._session.flush()
        await self._write_log(fields)
        await self._write_quiet(fields["quiet"], property_id=self._property_id)

    async def _write_log(self, fields: Mapping[str, Any]) -> None:
        if fields["kind"] is not PropertyKind.COMMERCIAL:
            return
        log = await self._session.scalar(
            select(CommercialLog).where(CommercialLog.property_id == self._property_id)
        )
        if log is None:
            log = new_log(self._property_id)
            self._session.add(log)
        if "log_days" in fields:
            log.retention_days = fields["log_days"]

    async def _write_quiet(self, rows: Iterable[tuple[int, int, int, str]], **place: str) -> None:
        before = select(QuietHours).filter_by(**place).order_by(QuietHours.id)
        for each in (await self._session.scalars(before)).all():
            await self._session.delete(each)
        await self._session.flush()
        for *hours, mode in rows:
            fields = dict(zip(HOURS_FIELDS, hours, strict=True))
            self._session.add(QuietHours(**place, **fields, mode=QuietMode(mode)))
            await self._session.flush()  # their order is that of their ids

    async def _write_homes(self, change: BuildingChange) -> None:
        units = list(_named(change, "unit"))
        for label in units:
            if label not in self._units:
                unit = Unit(property_id=self._property_id, label=label)
                self._units[label] = unit
                self._session.add(unit)
            self._units[label].activated_on = self._wanted["unit"][label]["activated_on"]
        language = self._wanted["property"][self._property_id]["language"]
        for username in _named(change, "resident"):
            if username not in self._accounts:
                account = Account(username=username, language=language, created_on=self._today)
                self._accounts[username] = account
                self._session.add(account)
            account = self._accounts[username]
            fields = self._wanted["resident"][username]
            keeps = {"password_hash"} if account.password_hash is not None else set()
            _set(account, fields, [name for name in ACCOUNT_FIELDS if name not in keeps])
        await self._session.flush()
        await self._write_grants(units)

    async def _write_grants(self, labels: Iterable[str]) -> None:
        changed = {self._units[label].id: label for label in labels}
        rows = select(Grant).join(Unit).where(Unit.property_id == self._property_id)
        before = {
            (each.unit_id, each.role, each.account_id): each
            for each in (await self._session.scalars(rows)).all()
            if each.unit_id in changed
        }
        wanted = {
            (unit_id, role, self._accounts[username].id)
            for unit_id, label in changed.items()
            for role, place in PLACES.items()
            for username in self._wanted["unit"][label][place]
        }
        for key, grant in before.items():
            if key not in wanted:
                await self._session.delete(grant)
        for unit_id, role, account_id in sorted(
            wanted - before.keys(), key=lambda each: (each[0] or 0, each[1].value, each[2])
        ):
            self._session.add(Grant(unit_id=unit_id, role=role, account_id=account_id))
        await self._session.flush()

    # -- doors, panels, trunks -----------------------------------------------------------------

    async def _write_technics(self, change: BuildingChange) -> None:
        for key in _named(change, "trunk"):
            trunk = await self._session.get(Trunk, key) or self._new(Trunk(id=key))
            _set(trunk, self._wanted["trunk"][key], ("position", "document"))
        for key in _named(change, "door"):
            fields = self._wanted["door"][key]
            door = await self._session.get(Door, key) or self._new(
                Door(id=key, property_id=self._property_id)
            )
            _set(door, fields, ("name", "pulse_ms", "document"))
            door.unit_id = self._unit_id(fields["unit"])
        await self._session.flush()
        for key in _named(change, "panel"):
            panel = await self._session.get(Panel, key) or self._new(
                Panel(id=key, property_id=self._property_id)
            )
            panel.door_id = self._wanted["panel"][key]["door"]
            panel.document = self._wanted["panel"][key]["document"]

    def _new(self, row: Any) -> Any:  # noqa: ANN401 - a row of any table
        self._session.add(row)
        return row

    def _unit_id(self, label: str | None) -> int | None:
        return None if label is None else self._units[label].id

    # -- doorbells, their buttons, rights ------------------------------------------------------

    async def _write_doorbells(self, change: BuildingChange) -> None:
        for key in _named(change, "doorbell"):
            fields = self._wanted["doorbell"][key]
            bell = await self._doorbell(key)
            _set(bell, fields, DOORBELL_FIELDS)
            bell.unit_id = self._unit_id(fields["unit"])
            self._write_members(bell, fields["members"])
            if fields["quiet"] or key in self._stored["doorbell"]:
                await self._session.flush()
                await self._write_quiet(fields["quiet"], doorbell_id=key)

    async def _doorbell(self, key: str) -> Doorbell:
        if key in self._stored["doorbell"]:
            options = [selectinload(Doorbell.members)]
            return await self._session.get_one(Doorbell, key, options=options)
        bell = Doorbell(id=key, property_id=self._property_id, members=[])
        self._session.add(bell)
        return bell

    def _write_members(self, bell: Doorbell, wanted: Iterable[tuple[str, bool]]) -> None:
        before = {each.account_id: each for each in bell.members}
        kept: list[Member] = []
        for position, (username, is_hidden) in enumerate(wanted):
            account_id = self._accounts[username].id
            member = before.get(account_id) or Member(account_id=account_id)
            member.position, member.is_hidden = position, is_hidden
            kept.append(member)
        bell.members = kept

    async def _write_buttons(self, change: BuildingChange) -> None:
        for panel_id in _named(change, "panel"):
            wanted = self._wanted["panel"][panel_id]["buttons"]
            rows = select(Button).where(Button.panel_id == panel_id)
            before = {each.name: each for each in (await self._session.scalars(rows)).all()}
            for name, button in before.items():
                if name not in wanted:
                    await self._session.delete(button)
            for name, target in wanted.items():
                doorbell_id, _, username = target.partition("/")
                button = before.get(name) or self._new(Button(panel_id=panel_id, name=name))
                button.doorbell_id = doorbell_id
                button.account_id = self._accounts[username].id if username else None
        await self._session.flush()

    async def _write_rights(self, change: BuildingChange) -> None:
        before = await read_right_rows(self._session, self._property_id)
        for key in _named(change, "right"):
            fields = self._wanted["right"][key]
            right = before.get(key) or self._new(DoorRight())
            _set(right, fields, ("may_open", "has_key"))
            _set(right, dict(zip(HOURS_FIELDS, fields["hours"], strict=True)), HOURS_FIELDS)
            right.door_id = fields["door"]
            right.unit_id = self._unit_id(fields["unit"])
            username = fields["resident"]
            right.account_id = self._accounts[username].id if username is not None else None
            await self._session.flush()  # their order is that of their ids
        for key in change.removed.get("right", ()):
            await self._session.delete(before[key])

    # -- what the file lacks -------------------------------------------------------------------

    async def _remove(self, change: BuildingChange) -> None:
        await self._session.flush()
        for kind, table in (("doorbell", Doorbell), ("panel", Panel), ("door", Door)):
            for key in change.removed.get(kind, ()):
                await self._delete(table, key)
            await self._session.flush()
        for label in change.removed.get("unit", ()):
            await self._session.delete(self._units[label])
        await self._session.flush()
        for username in change.removed.get("resident", ()):
            account = self._accounts[username]
            has_more = await self._session.scalar(
                select(Grant.id).where(Grant.account_id == account.id).limit(1)
            )
            if has_more is None:
                await self._session.delete(account)

    async def _delete(self, table: type[Base], key: str) -> None:
        row = await self._session.get(table, key)
        if row is not None:
            await self._session.delete(row)


def _named(change: BuildingChange, kind: str) -> list[str]:
    return [*change.added.get(kind, ()), *change.changed.get(kind, {})]


def _is_named(change: BuildingChange, kind: str, key: str) -> bool:
    return key in _named(change, kind)


def _set(row: object, fields: Mapping[str, Any], names: Iterable[str]) -> None:
    """Set what is given and differs."""
    for name in names:
        if name in fields and getattr(row, name) != fields[name]:
            setattr(row, name, fields[name])


def _parts(names: Iterable[str]) -> Iterator[list[str]]:
    every = list(names)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
