"""The tables, as SQLAlchemy's models; `migrations/` brings a database to this shape.

What a residential property's calls and openings could be written to is not here: an `Event` belongs to a
`CommercialLog`, and the database itself lets one exist for a commercial property alone (requirement A12).
Times are aware and in UTC; where a day is enough, only the day is kept.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from intercom.routing.directory import PropertyKind, RingWay
from intercom.routing.hours import QuietMode
from intercom.store.columns import (
    Base as Base,  # noqa: PLC0414 - everybody takes it from here
)
from intercom.store.columns import folded_label, folded_name, label_in_order, unique_if
from intercom.store.folding import folded, in_order
from intercom.store.kinds import Layout, MailState, Role, TokenPurpose

_CASCADE = "CASCADE"


class Revision(Base):
    """One row: the number of the last change, by which other processes notice it."""

    __tablename__ = "revision"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int]


class Property(Base):
    __tablename__ = "property"
    __table_args__ = (UniqueConstraint("id", "kind"),)  # what CommercialLog refers to
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[PropertyKind]
    address: Mapped[str] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(String(8), default="nb")
    time_zone: Mapped[str] = mapped_column(String(64), default="Europe/Oslo")
    """An IANA name."""
    open_keys: Mapped[str] = mapped_column(String(12), default="5")
    """The telephone keys that open a door."""
    has_keys_in_app: Mapped[bool] = mapped_column(default=False)
    """Whether residents may open without a call, each where a DoorRight says so (A16)."""
    contact_email: Mapped[str | None] = mapped_column(String(254))
    """Whom residents ask for help."""
    prompts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Paths of the property's own recordings, by the words' names (building.tables.PromptsTable)."""
    created_on: Mapped[date]


class Unit(Base):
    """An apartment or office."""

    __tablename__ = "unit"
    __table_args__ = (
        UniqueConstraint("property_id", "label"),
        Index("ix_unit_property_id_ordered_label", "property_id", "ordered_label"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    property_id: Mapped[str] = mapped_column(ForeignKey("property.id", ondelete=_CASCADE))
    label: Mapped[str] = mapped_column(String(64))
    """Such as "H0301" or "3. etasje"; never shown to visitors."""
    folded_label: Mapped[str] = mapped_column(String(128), default=folded_label)
    """The label as search compares it; kept by itself."""
    ordered_label: Mapped[str] = mapped_column(String(128), default=label_in_order)
    """The label as lists are put in order by it; kept by itself."""
    activated_on: Mapped[date | None]
    """When its owner confirmed; None: not yet (D6)."""

    @validates("label")
    def _keep_search(self, _: str, label: str) -> str:
        self.folded_label, self.ordered_label = folded(label), in_order(label)
        return label


class Account(Base):
    """A person, or a station on a wall, that may log in or be rung."""

    __tablename__ = "account"
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    """Also routing's ResidentId; it never changes. Compared without case."""
    name: Mapped[str] = mapped_column(String(64))
    folded_name: Mapped[str] = mapped_column(String(128), default=folded_name)
    """The name as search compares it; kept by itself."""
    email: Mapped[str | None] = mapped_column(String(254), index=True)
    language: Mapped[str] = mapped_column(String(8), default="nb")
    """Of mails and of Webadmin."""
    password_hash: Mapped[str | None] = mapped_column(String(256))
    """argon2id in PHC format; None: not set yet."""
    has_app: Mapped[bool] = mapped_column(default=True)
    number: Mapped[str | None] = mapped_column(String(16))
    """E.164 with +. Dialled only while verified (B11)."""
    number_verified_on: Mapped[date | None]
    """When a check call was confirmed; it holds for a year."""
    ring_way: Mapped[RingWay] = mapped_column(default=RingWay.APP_THEN_PHONE)
    devices: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """SIP phones: {"sip_phones": [...], "sip_account": [...]} as in building.tables.ResidentTable."""
    created_on: Mapped[date]
    grants: Mapped[list["Grant"]] = relationship(
        back_populates="account", cascade="all, delete-orphan", passive_deletes=True
    )

    @validates("name")
    def _keep_search(self, _: str, name: str) -> str:
        self.folded_name = folded(name)
        return name


class Grant(Base):
    """What an account is, and where: exactly one place, or none for an operator."""

    __tablename__ = "grant"
    __table_args__ = (
        unique_if(
            "uq_grant_service", "property_id IS NULL AND unit_id IS NULL", "account_id", "role"
        ),
        unique_if("uq_grant_place", "property_id IS NOT NULL", "account_id", "role", "property_id"),
        unique_if("uq_grant_unit", "unit_id IS NOT NULL", "account_id", "role", "unit_id"),
        CheckConstraint(
            "(role = 'operator' AND property_id IS NULL AND unit_id IS NULL)"
            " OR (role IN ('administrator', 'installer')"
            " AND property_id IS NOT NULL AND unit_id IS NULL)"
            " OR (role IN ('owner', 'resident', 'station')"
            " AND property_id IS NULL AND unit_id IS NOT NULL)",
            name="place",
        ),
        Index("ix_grant_unit_id", "unit_id"),
        Index("ix_grant_property_id", "property_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete=_CASCADE))
    role: Mapped[Role]
    property_id: Mapped[str | None] = mapped_column(ForeignKey("property.id", ondelete=_CASCADE))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id", ondelete=_CASCADE))
    account: Mapped[Account] = relationship(back_populates="grants")


class Door(Base):
    __tablename__ = "door"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    property_id: Mapped[str] = mapped_column(
        ForeignKey("property.id", ondelete=_CASCADE), index=True
    )
    name: Mapped[str] = mapped_column(String(64))
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id", ondelete=_CASCADE))
    """The apartment whose own door it is; None: everybody's."""
    pulse_ms: Mapped[int] = mapped_column(default=3000)
    document: Mapped[dict[str, Any]] = mapped_column()
    """The rest of building.tables.DoorTable: relay, recording."""


class Panel(Base):
    __tablename__ = "panel"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    property_id: Mapped[str] = mapped_column(
        ForeignKey("property.id", ondelete=_CASCADE), index=True
    )
    door_id: Mapped[str] = mapped_column(ForeignKey("door.id", ondelete="RESTRICT"))
    document: Mapped[dict[str, Any]] = mapped_column()
    """The rest of building.tables.PanelTable: make, password or where it stands, profile, snapshot."""


class Doorbell(Base):
    """A unit's, and how it stands on the panels of its property."""

    __tablename__ = "doorbell"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    property_id: Mapped[str] = mapped_column(
        ForeignKey("property.id", ondelete=_CASCADE), index=True
    )
    unit_id: Mapped[int | None] = mapped_column(
        ForeignKey("unit.id", ondelete=_CASCADE), index=True
    )
    name: Mapped[str] = mapped_column(String(64))
    """What stands on the panel, but for INDIVIDUAL: there each person's name does."""
    folded_name: Mapped[str] = mapped_column(String(128), default=folded_name)
    """The name as search compares it; kept by itself."""
    layout: Mapped[Layout] = mapped_column(default=Layout.PARALLEL)
    is_hidden: Mapped[bool] = mapped_column(default=False)
    step_s: Mapped[float] = mapped_column(default=25.0)
    """SEQUENTIAL: seconds between the persons, 20 to 30."""
    app_stage_s: Mapped[float] = mapped_column(default=20.0)
    phone_stage_s: Mapped[float] = mapped_column(default=30.0)
    members: Mapped[list["Member"]] = relationship(
        order_by="Member.position",
        cascade="all, delete-orphan",
        passive_deletes=True,
        back_populates="doorbell",
    )

    @validates("name")
    def _keep_search(self, _: str, name: str) -> str:
        self.folded_name = folded(name)
        return name


class Member(Base):
    """A person that a doorbell rings."""

    __tablename__ = "member"
    doorbell_id: Mapped[str] = mapped_column(
        ForeignKey("doorbell.id", ondelete=_CASCADE), primary_key=True
    )
    account_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete=_CASCADE), primary_key=True, index=True
    )
    position: Mapped[int]
    is_hidden: Mapped[bool] = mapped_column(default=False)
    """INDIVIDUAL and GROUPED: this person's own button is not shown, and not called."""
    doorbell: Mapped[Doorbell] = relationship(back_populates="members")
    account: Mapped[Account] = relationship()


class Button(Base):
    """What a panel calls for a doorbell; where persons have their own, for one of them."""

    __tablename__ = "button"
    panel_id: Mapped[str] = mapped_column(
        ForeignKey("panel.id", ondelete=_CASCADE), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The user part of the Request-URI."""
    doorbell_id: Mapped[str] = mapped_column(
        ForeignKey("doorbell.id", ondelete=_CASCADE), index=True
    )
    account_id: Mapped[int | None] = mapped_column(
        ForeignKey("account.id", ondelete=_CASCADE), index=True
    )


class QuietHours(Base):
    """When a property or a doorbell is not to be disturbed, in the property's zone."""

    __tablename__ = "quiet_hours"
    __table_args__ = (
        CheckConstraint("(property_id IS NULL) <> (doorbell_id IS NULL)", name="one_place"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    property_id: Mapped[str | None] = mapped_column(ForeignKey("property.id", ondelete=_CASCADE))
    doorbell_id: Mapped[str | None] = mapped_column(ForeignKey("doorbell.id", ondelete=_CASCADE))
    days: Mapped[int]
    """A bit a day, Monday 1 to Sunday 64; the day on which it begins."""
    start_minute: Mapped[int]
    """Of the day, 0 to 1439."""
    end_minute: Mapped[int]
    """Up to it; not later than `start_minute`: on the next day."""
    mode: Mapped[QuietMode] = mapped_column(default=QuietMode.SAY_SO)


class DoorRight(Base):
    """What a person, or all of a unit, may do with a door beyond or below what a doorbell gives.

    Without any, whoever is rung from a panel may open the door beside it, in the call.
    """

    __tablename__ = "door_right"
    __table_args__ = (CheckConstraint("(account_id IS NULL) <> (unit_id IS NULL)", name="one_who"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    door_id: Mapped[str] = mapped_column(ForeignKey("door.id", ondelete=_CASCADE), index=True)
    account_id: Mapped[int | None] = mapped_column(
        ForeignKey("account.id", ondelete=_CASCADE), index=True
    )
    unit_id: Mapped[int | None] = mapped_column(
        ForeignKey("unit.id", ondelete=_CASCADE), index=True
    )
    may_open: Mapped[bool] = mapped_column(default=True)
    """In a call, and by key where `has_key`; False takes the right of the doorbell away."""
    has_key: Mapped[bool] = mapped_column(default=False)
    """Whether without a call, too, if the property has keys in the app."""
    days: Mapped[int] = mapped_column(default=127)
    """As in QuietHours."""
    start_minute: Mapped[int] = mapped_column(default=0)
    end_minute: Mapped[int] = mapped_column(default=0)
    """Equal to `start_minute`: the whole day."""


class Trunk(Base):
    __tablename__ = "trunk"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[int]
    """They are tried in this order."""
    document: Mapped[dict[str, Any]] = mapped_column()
    """The rest of building.tables.TrunkTable."""


class MailToken(Base):
    """A link that was sent by mail; used once."""

    __tablename__ = "mail_token"
    digest: Mapped[bytes] = mapped_column(primary_key=True)
    """SHA-256 of the token, which stands in the mail alone."""
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete=_CASCADE), index=True)
    purpose: Mapped[TokenPurpose]
    transfer_id: Mapped[int | None] = mapped_column(ForeignKey("transfer.id", ondelete=_CASCADE))
    expires_at: Mapped[datetime]


class Mail(Base):
    """A mail that is on its way, or the last one of its kind to an account, and what became of it."""

    __tablename__ = "mail"
    __table_args__ = (UniqueConstraint("account_id", "kind"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete=_CASCADE))
    kind: Mapped[str] = mapped_column(String(32))
    """invitation, password, transfer, activation, alert."""
    state: Mapped[MailState] = mapped_column(default=MailState.WAITING)
    asked_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    cause: Mapped[str | None] = mapped_column(String(200))
    """What the mail server said, when it failed."""


class Transfer(Base):
    """A unit on its way to a new owner; in force only when the new owner has confirmed (D7)."""

    __tablename__ = "transfer"
    id: Mapped[int] = mapped_column(primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id", ondelete=_CASCADE), unique=True)
    new_owner_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete=_CASCADE))
    asked_on: Mapped[date]


class CommercialLog(Base):
    """The event log of a commercial property; for a residential one the database refuses it."""

    __tablename__ = "commercial_log"
    __table_args__ = (
        CheckConstraint("kind = 'commercial'", name="commercial"),
        ForeignKeyConstraint(
            ["property_id", "kind"], ["property.id", "property.kind"], ondelete=_CASCADE
        ),
    )
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    """A UUID; never used a second time, so that what comes late for a deleted log is in none."""
    property_id: Mapped[str] = mapped_column(String(64), unique=True)
    kind: Mapped[PropertyKind] = mapped_column(default=PropertyKind.COMMERCIAL)
    retention_days: Mapped[int] = mapped_column(default=90)


class Event(Base):
    """A line of a commercial property's log."""

    __tablename__ = "event"
    __table_args__ = (Index("ix_event_log_id_at", "log_id", "at"),)
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    """A UUIDv7: writing it twice is writing it once."""
    log_id: Mapped[str] = mapped_column(ForeignKey("commercial_log.id", ondelete=_CASCADE))
    at: Mapped[datetime]
    call: Mapped[str] = mapped_column(String(32))
    """What belongs together; empty: no call."""
    what: Mapped[str] = mapped_column(String(32))
    """A `routing.log_line.What`."""
    doorbell: Mapped[str] = mapped_column(String(64), default="")
    door: Mapped[str] = mapped_column(String(64), default="")
    person: Mapped[str] = mapped_column(String(64), default="")
    """The username of an account that there was when the line was written; empty: nobody's."""
    means: Mapped[str] = mapped_column(String(32), default="")
    """A `routing.log_line.Means`."""


class Alert(Base):
    """Something of a property's technics that somebody must look at; never about a person."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_property_id", "property_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    property_id: Mapped[str | None] = mapped_column(ForeignKey("property.id", ondelete=_CASCADE))
    """None: the whole service's, for its operators."""
    kind: Mapped[str] = mapped_column(String(32))
    """panel-offline, trunk-down, mail-failed …"""
    subject: Mapped[str] = mapped_column(String(64))
    """The panel's or trunk's id."""
    raised_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]


class Undo(Base):
    """How the last imports into a property are taken back; kept for 30 days."""

    __tablename__ = "undo"
    id: Mapped[int] = mapped_column(primary_key=True)
    property_id: Mapped[str] = mapped_column(ForeignKey("property.id", ondelete=_CASCADE))
    made_at: Mapped[datetime]
    summary: Mapped[dict[str, Any]] = mapped_column()
    """Counts: {"units": 3, "people": 7}."""
    steps: Mapped[list[Any]] = mapped_column()
