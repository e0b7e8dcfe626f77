"""A house in a database: two people behind one doorbell, one door, one panel, one carrier."""

from datetime import date
from pathlib import Path

from intercom.administration.snapshot import Snapshot
from intercom.routing.directory import PropertyKind
from intercom.store.database import Database, Touched
from intercom.store.kinds import Layout, Role
from intercom.store.models import (
    Account,
    Button,
    CommercialLog,
    Door,
    Doorbell,
    Grant,
    Member,
    Panel,
    Property,
    Trunk,
    Unit,
)
from intercom.web.passwords import hash_password

TODAY = date(2026, 6, 1)
ANNA_NUMBER, CALLER_ID = "+4790000001", "+4723506953"
PASSWORD = "panel's own"
HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"


async def build_house(
    database: Database,
    *,
    kind: PropertyKind = PropertyKind.RESIDENTIAL,
    carrier: str = "192.0.2.1:5060",
    app_password: str = "",
    layout: Layout = Layout.PARALLEL,
    today: date = TODAY,
) -> None:
    """Anna has a verified number and no app unless there is a password; Bo has neither."""
    async with database.writing() as session:
        session.add(
            Property(id="house", name="House", kind=kind, address="Storgata 14", created_on=today)
        )
        session.add(Trunk(id="carrier", position=1, document=trunk_document(carrier)))
        await session.flush()
        if kind is PropertyKind.COMMERCIAL:
            session.add(CommercialLog(id="log-1", property_id="house"))
        relay = {"driver": "panel-link", "panel": "main", "relay": 1}
        session.add(
            Door(id="main", property_id="house", name="Main entrance", document={"relay": relay})
        )
        session.add(Unit(id=1, property_id="house", label="H0101"))
        await session.flush()
        session.add(
            Panel(id="main", property_id="house", door_id="main", document={"password": PASSWORD})
        )
        anna = Account(
            id=1,
            username="anna",
            name="Anna Hansen",
            has_app=bool(app_password),
            password_hash=hash_password(app_password) if app_password else None,
            number=ANNA_NUMBER,
            number_verified_on=today,
            created_on=today,
        )
        bo = Account(id=2, username="bo", name="Bo Hansen", password_hash=HASH, created_on=today)
        session.add_all([anna, bo])
        bell = Doorbell(id="hansen", property_id="house", unit_id=1, name="Hansen", layout=layout)
        session.add(bell)
        await session.flush()
        session.add(Grant(account_id=1, role=Role.OWNER, unit_id=1))
        session.add(Grant(account_id=2, role=Role.RESIDENT, unit_id=1))
        session.add(Member(doorbell_id="hansen", account_id=1, position=0))
        session.add(Member(doorbell_id="hansen", account_id=2, position=1))
        session.add(Button(panel_id="main", name="101", doorbell_id="hansen"))
        session.add(Button(panel_id="main", name="102", doorbell_id="hansen", account_id=1))
        session.add(Button(panel_id="main", name="103", doorbell_id="hansen", account_id=2))


def trunk_document(address: str) -> dict[str, object]:
    return {"address": address, "caller_ids": [CALLER_ID]}


def snapshot_of(database: Database, *, today: date = TODAY, folder: Path = Path()) -> Snapshot:
    return Snapshot(database, today=lambda: today, folder=folder, environment={})


class Followed:
    """A snapshot that hears of each change, as the service's does."""

    def __init__(self, database: Database) -> None:
        self.snapshot = snapshot_of(database)
        self.touched: set[object] = set()
        database.on_change.append(self._note)

    def _note(self, touched: Touched) -> None:
        self.touched |= touched

    async def catch_up(self):
        touched = frozenset(self.touched)
        self.touched.clear()
        return await self.snapshot.apply(touched)  # type: ignore[arg-type]  # they are rows

    @property
    def directory(self):
        return self.snapshot.directory
