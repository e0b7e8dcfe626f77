"""The rows of the store that a snapshot is made of: of each table only what calls and panels need."""

import sys
from datetime import date
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import Column

from intercom.routing.directory import PropertyKind, RingWay
from intercom.routing.hours import QuietMode
from intercom.store import models
from intercom.store.kinds import Layout, Role

Key = tuple[Any, ...]
"""A primary key."""


class PropertyRow(NamedTuple):
    id: str
    name: str
    kind: PropertyKind
    address: str
    language: str
    time_zone: str
    open_keys: str
    has_keys_in_app: bool
    prompts: dict[str, Any]


class UnitRow(NamedTuple):
    id: int
    property_id: str


class AccountRow(NamedTuple):
    id: int
    username: str
    name: str
    password_hash: str | None
    has_app: bool
    number: str | None
    number_verified_on: date | None
    ring_way: RingWay
    devices: dict[str, Any]


class GrantRow(NamedTuple):
    id: int
    account_id: int
    role: Role
    unit_id: int | None


class DoorRow(NamedTuple):
    id: str
    property_id: str
    name: str
    unit_id: int | None
    pulse_ms: int
    document: dict[str, Any]


class PanelRow(NamedTuple):
    id: str
    property_id: str
    door_id: str
    document: dict[str, Any]


class DoorbellRow(NamedTuple):
    id: str
    property_id: str
    unit_id: int | None
    name: str
    layout: Layout
    is_hidden: bool
    step_s: float
    app_stage_s: float
    phone_stage_s: float


class MemberRow(NamedTuple):
    doorbell_id: str
    account_id: int
    position: int
    is_hidden: bool


class ButtonRow(NamedTuple):
    panel_id: str
    name: str
    doorbell_id: str
    account_id: int | None


class QuietRow(NamedTuple):
    id: int
    property_id: str | None
    doorbell_id: str | None
    days: int
    start_minute: int
    end_minute: int
    mode: QuietMode


class RightRow(NamedTuple):
    id: int
    door_id: str
    account_id: int | None
    unit_id: int | None
    may_open: bool
    has_key: bool
    days: int
    start_minute: int
    end_minute: int


class TrunkRow(NamedTuple):
    id: str
    position: int
    document: dict[str, Any]


class LogRow(NamedTuple):
    id: str
    property_id: str


Shape = (
    PropertyRow
    | UnitRow
    | AccountRow
    | GrantRow
    | DoorRow
    | PanelRow
    | DoorbellRow
    | MemberRow
    | ButtonRow
    | QuietRow
    | RightRow
    | TrunkRow
    | LogRow
)
ShapeT = TypeVar("ShapeT", bound=tuple[Any, ...])
Table = type[Any]
"""One of the shapes, as the name of its table."""

MODELS: dict[Table, type[models.Base]] = {
    PropertyRow: models.Property,
    UnitRow: models.Unit,
    AccountRow: models.Account,
    DoorRow: models.Door,
    PanelRow: models.Panel,
    DoorbellRow: models.Doorbell,
    TrunkRow: models.Trunk,
    LogRow: models.CommercialLog,
    GrantRow: models.Grant,
    MemberRow: models.Member,
    ButtonRow: models.Button,
    QuietRow: models.QuietHours,
    RightRow: models.DoorRight,
}
"""Parents before what belongs to them."""

BY_TABLE: dict[str, Table] = {model.__tablename__: shape for shape, model in MODELS.items()}

READ_WITH: dict[Table, tuple[tuple[Table, str], ...]] = {
    PropertyRow: ((QuietRow, "property_id"), (LogRow, "property_id")),
    UnitRow: ((GrantRow, "unit_id"), (RightRow, "unit_id")),
    AccountRow: (
        (GrantRow, "account_id"),
        (RightRow, "account_id"),
        (MemberRow, "account_id"),
        (ButtonRow, "account_id"),
    ),
    PanelRow: ((ButtonRow, "panel_id"),),
    DoorbellRow: (
        (MemberRow, "doorbell_id"),
        (QuietRow, "doorbell_id"),
        (ButtonRow, "doorbell_id"),
    ),
}
"""What is read again together with a row: a statement over many rows may only name their parent."""


def columns_of(shape: Table) -> list[Column[Any]]:
    """Give the columns that a shape has, in its order."""
    columns = MODELS[shape].__table__.c
    return [cast("Column[Any]", columns[name]) for name in shape._fields]


def _key_columns(shape: Table) -> list[Column[Any]]:
    return [column for column in columns_of(shape) if column.primary_key]


def _parents(shape: Table) -> tuple[tuple[int, Table], ...]:
    """List the fields that name a parent with which a row goes."""
    found = []
    for place, column in enumerate(columns_of(shape)):
        for foreign in column.foreign_keys:
            parent = BY_TABLE.get(foreign.column.table.name)
            is_key = foreign.column.name == "id"
            if parent is not None and is_key and foreign.ondelete == "CASCADE":
                found.append((place, parent))
    return tuple(found)


KEY_COLUMNS = {shape: _key_columns(shape) for shape in MODELS}
PARENTS = {shape: _parents(shape) for shape in MODELS}
_KEY_LENGTHS = {shape: len(columns) for shape, columns in KEY_COLUMNS.items()}


def key_of(row: Shape) -> Key:
    """Give a row's primary key: its first fields."""
    return tuple(row[: _KEY_LENGTHS[type(row)]])


def row_of(shape: type[ShapeT], values: Any) -> ShapeT:  # noqa: ANN401 - as SQLAlchemy gives them
    """Make a row of what was read; the buttons of a property share their names in memory."""
    if issubclass(shape, ButtonRow):
        panel, name, doorbell, account = values
        values = (sys.intern(panel), sys.intern(name), sys.intern(doorbell), account)
    made: Any = shape
    return cast("ShapeT", made._make(values))
