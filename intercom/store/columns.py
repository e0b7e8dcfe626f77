"""What the tables' columns are made of: times, closed sets of words, names as search compares them."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import JSON, DateTime, Index, MetaData, TypeDecorator, text
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import DeclarativeBase
from typing_extensions import override

from intercom.routing.directory import PropertyKind, RingWay
from intercom.routing.hours import QuietMode
from intercom.store.folding import folded, in_order
from intercom.store.kinds import Layout, MailState, Role, TokenPurpose


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC, also where the database knows no zones (SQLite)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value  # type: ignore[no-any-return]  # the driver's
        return value.replace(tzinfo=UTC)  # type: ignore[no-any-return]  # the driver's


def _words(kind: type[Enum]) -> SqlEnum:
    """Write an enum's value, as text with a check."""
    return SqlEnum(
        kind,
        native_enum=False,
        length=32,
        create_constraint=True,
        name=f"{kind.__name__.lower()}_word",
        values_callable=lambda members: [each.value for each in members],
    )


def _given(context: DefaultExecutionContext, column: str) -> str:
    return str(context.get_current_parameters()[column])  # type: ignore[no-untyped-call]  # SQLAlchemy's


def folded_name(context: DefaultExecutionContext) -> str:
    """Give a new row's name as search compares it."""
    return folded(_given(context, "name"))


def folded_label(context: DefaultExecutionContext) -> str:
    """Give a new row's label as search compares it."""
    return folded(_given(context, "label"))


def label_in_order(context: DefaultExecutionContext) -> str:
    """Give a new row's label as lists are put in order by it."""
    return in_order(_given(context, "label"))


def unique_if(name: str, where: str, *columns: str) -> Index:
    """Let no two rows have the same values where a condition holds: a UNIQUE takes NULLs for different."""
    there = text(where)
    return Index(name, *columns, unique=True, sqlite_where=there, postgresql_where=there)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own name, read once
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[Any]: JSON,
        PropertyKind: _words(PropertyKind),
        RingWay: _words(RingWay),
        Role: _words(Role),
        Layout: _words(Layout),
        TokenPurpose: _words(TokenPurpose),
        MailState: _words(MailState),
        QuietMode: _words(QuietMode),
    }
