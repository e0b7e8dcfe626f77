"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to the new shape."""
    op.create_table(
        "account",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("folded_name", sa.String(length=128), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=True),
        sa.Column("has_app", sa.Boolean(), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=True),
        sa.Column("number_verified_on", sa.Date(), nullable=True),
        sa.Column(
            "ring_way",
            _word(
                "ringway_word",
                "app-then-phone",
                "together",
                "phone-then-app",
                "app-only",
                "phone-only",
            ),
            nullable=False,
        ),
        sa.Column("devices", sa.JSON(), nullable=False),
        sa.Column("created_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("username", name=op.f("uq_account_username")),
    )
    op.create_index("ix_account_email", "account", ["email"], unique=False)

    op.create_table(
        "property",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            _word("propertykind_word", "residential", "commercial"),
            nullable=False,
        ),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("open_keys", sa.String(length=12), nullable=False),
        sa.Column("has_keys_in_app", sa.Boolean(), nullable=False),
        sa.Column("contact_email", sa.String(length=254), nullable=True),
        sa.Column("prompts", sa.JSON(), nullable=False),
        sa.Column("created_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_property")),
        sa.UniqueConstraint("id", "kind", name=op.f("uq_property_id_kind")),
    )
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
    )
    op.create_table(
        "trunk",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trunk")),
    )
    op.create_table(
        "unit",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=False),
        sa.Column("label", sa.String(length=64), nullable=False),
        sa.Column("folded_label", sa.String(length=128), nullable=False),
        sa.Column("ordered_label", sa.String(length=128), nullable=False),
        sa.Column("activated_on", sa.Date(), nullable=True),
        _reference("unit", "property_id", "property"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unit")),
        sa.UniqueConstraint("property_id", "label", name=op.f("uq_unit_property_id_label")),
    )
    op.create_index(
        "ix_unit_property_id_ordered_label", "unit", ["property_id", "ordered_label"], unique=False
    )

    op.create_table(
        "door",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("pulse_ms", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        _reference("door", "property_id", "property"),
        _reference("door", "unit_id", "unit"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_door")),
    )
    op.create_index("ix_door_property_id", "door", ["property_id"], unique=False)

    op.create_table(
        "doorbell",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("folded_name", sa.String(length=128), nullable=False),
        sa.Column(
            "layout",
            _word("layout_word", "individual", "parallel", "sequential", "grouped"),
            nullable=False,
        ),
        sa.Column("is_hidden", sa.Boolean(), nullable=False),
        sa.Column("step_s", sa.Double(), nullable=False),
        sa.Column("app_stage_s", sa.Double(), nullable=False),
        sa.Column("phone_stage_s", sa.Double(), nullable=False),
        _reference("doorbell", "property_id", "property"),
        _reference("doorbell", "unit_id", "unit"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_doorbell")),
    )
    op.create_index("ix_doorbell_property_id", "doorbell", ["property_id"], unique=False)
    op.create_index("ix_doorbell_unit_id", "doorbell", ["unit_id"], unique=False)

    op.create_table(
        "grant",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column(
            "role",
            _word(
                "role_word",
                "operator",
                "administrator",
                "installer",
                "owner",
                "resident",
                "station",
            ),
            nullable=False,
        ),
        sa.Column("property_id", sa.String(length=64), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(role = 'operator' AND property_id IS NULL AND unit_id IS NULL) OR (role IN ('administrator', 'installer') AND property_id IS NOT NULL AND unit_id IS NULL) OR (role IN ('owner', 'resident', 'station') AND property_id IS NULL AND unit_id IS NOT NULL)",
            name=op.f("ck_grant_place"),
        ),
        _reference("grant", "account_id", "account"),
        _reference("grant", "property_id", "property"),
        _reference("grant", "unit_id", "unit"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant")),
    )
    op.create_index("ix_grant_property_id", "grant", ["property_id"], unique=False)
    op.create_index("ix_grant_unit_id", "grant", ["unit_id"], unique=False)
    for name, columns, where in (
        ("uq_grant_service", ["account_id", "role"], "property_id IS NULL AND unit_id IS NULL"),
        ("uq_grant_place", ["account_id", "role", "property_id"], "property_id IS NOT NULL"),
        ("uq_grant_unit", ["account_id", "role", "unit_id"], "unit_id IS NOT NULL"),
    ):
        there = sa.text(where)
        op.create_index(
            name, "grant", columns, unique=True, sqlite_where=there, postgresql_where=there
        )

    op.create_table(
        "door_right",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("door_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("may_open", sa.Boolean(), nullable=False),
        sa.Column("has_key", sa.Boolean(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=False),
        sa.Column("end_minute", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(account_id IS NULL) <> (unit_id IS NULL)", name=op.f("ck_door_right_one_who")
        ),
        _reference("door_right", "account_id", "account"),
        _reference("door_right", "door_id", "door"),
        _reference("door_right", "unit_id", "unit"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_door_right")),
    )
    op.create_index("ix_door_right_account_id", "door_right", ["account_id"], unique=False)
    op.create_index("ix_door_right_door_id", "door_right", ["door_id"], unique=False)
    op.create_index("ix_door_right_unit_id", "door_right", ["unit_id"], unique=False)

    op.create_table(
        "member",
        sa.Column("doorbell_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("is_hidden", sa.Boolean(), nullable=False),
        _reference("member", "account_id", "account"),
        _reference("member", "doorbell_id", "doorbell"),
        sa.PrimaryKeyConstraint("doorbell_id", "account_id", name=op.f("pk_member")),
    )
    op.create_index("ix_member_account_id", "member", ["account_id"], unique=False)

    op.create_table(
        "panel",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=False),
        sa.Column("door_id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        _reference("panel", "door_id", "door", ondelete="RESTRICT"),
        _reference("panel", "property_id", "property"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_panel")),
    )
    op.create_index("ix_panel_property_id", "panel", ["property_id"], unique=False)

    op.create_table(
        "quiet_hours",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=True),
        sa.Column("doorbell_id", sa.String(length=64), nullable=True),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=False),
        sa.Column("end_minute", sa.Integer(), nullable=False),
        sa.Column(
            "mode",
            _word("quietmode_word", "say-so", "phone-only"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(property_id IS NULL) <> (doorbell_id IS NULL)", name=op.f("ck_quiet_hours_one_place")
        ),
        _reference("quiet_hours", "doorbell_id", "doorbell"),
        _reference("quiet_hours", "property_id", "property"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quiet_hours")),
    )
    op.create_table(
        "button",
        sa.Column("panel_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("doorbell_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        _reference("button", "account_id", "account"),
        _reference("button", "doorbell_id", "doorbell"),
        _reference("button", "panel_id", "panel"),
        sa.PrimaryKeyConstraint("panel_id", "name", name=op.f("pk_button")),
    )
    op.create_index("ix_button_account_id", "button", ["account_id"], unique=False)
    op.create_index("ix_button_doorbell_id", "button", ["doorbell_id"], unique=False)
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        _reference("alert", "property_id", "property"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index("ix_alert_property_id", "alert", ["property_id"], unique=False)

    op.create_table(
        "commercial_log",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            _word("propertykind_word", "residential", "commercial"),
            nullable=False,
        ),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind = 'commercial'", name=op.f("ck_commercial_log_commercial")),
        sa.ForeignKeyConstraint(
            ["property_id", "kind"],
            ["property.id", "property.kind"],
            name=op.f("fk_commercial_log_property_id_kind"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commercial_log")),
        sa.UniqueConstraint("property_id", name=op.f("uq_commercial_log_property_id")),
    )
    op.create_table(
        "mail",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column(
            "state",
            _word("mailstate_word", "waiting", "sent", "failed"),
            nullable=False,
        ),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("cause", sa.String(length=200), nullable=True),
        _reference("mail", "account_id", "account"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        sa.UniqueConstraint("account_id", "kind", name=op.f("uq_mail_account_id_kind")),
    )
    op.create_table(
        "undo",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        _reference("undo", "property_id", "property"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_undo")),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("log_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call", sa.String(length=32), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("doorbell", sa.String(length=64), nullable=False),
        sa.Column("door", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("means", sa.String(length=32), nullable=False),
        _reference("event", "log_id", "commercial_log"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_log_id_at", "event", ["log_id", "at"], unique=False)

    op.create_table(
        "transfer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("new_owner_id", sa.Integer(), nullable=False),
        sa.Column("asked_on", sa.Date(), nullable=False),
        _reference("transfer", "new_owner_id", "account"),
        _reference("transfer", "unit_id", "unit"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer")),
        sa.UniqueConstraint("unit_id", name=op.f("uq_transfer_unit_id")),
    )
    op.create_table(
        "mail_token",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column(
            "purpose",
            _word("tokenpurpose_word", "set-password", "confirm-transfer", "confirm-activation"),
            nullable=False,
        ),
        sa.Column("transfer_id", sa.Integer(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _reference("mail_token", "account_id", "account"),
        _reference("mail_token", "transfer_id", "transfer"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_mail_token")),
    )
    op.create_index("ix_mail_token_account_id", "mail_token", ["account_id"], unique=False)

    op.execute("INSERT INTO revision (id, number) VALUES (1, 0)")


def _word(name: str, *words: str) -> sa.Enum:
    """Make the type of one of some words: text with a check."""
    return sa.Enum(*words, name=name, native_enum=False, create_constraint=True, length=32)


def _reference(
    table: str, column: str, to: str, *, ondelete: str = "CASCADE"
) -> sa.ForeignKeyConstraint:
    """Let a column refer to another table's id."""
    name = op.f(f"fk_{table}_{column}")
    return sa.ForeignKeyConstraint([column], [f"{to}.id"], name=name, ondelete=ondelete)
