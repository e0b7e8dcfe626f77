"""Places and people."""

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
            sa.Enum(
                "app-then-phone",
                "together",
                "phone-then-app",
                "app-only",
                "phone-only",
                name="ringway_word",
                native_enum=False,
                create_constraint=True,
                length=32,
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
            sa.Enum(
                "residential",
                "commercial",
                name="propertykind_word",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
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
        sa.ForeignKeyConstraint(
            ["property_id"], ["property.id"], name=op.f("fk_unit_property_id"), ondelete="CASCADE"
        ),
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
        sa.ForeignKeyConstraint(
            ["property_id"], ["property.id"], name=op.f("fk_door_property_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["unit.id"], name=op.f("fk_door_unit_id"), ondelete="CASCADE"
        ),
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
            sa.Enum(
                "individual",
                "parallel",
                "sequential",
                "grouped",
                name="layout_word",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("is_hidden", sa.Boolean(), nullable=False),
        sa.Column("step_s", sa.Double(), nullable=False),
        sa.Column("app_stage_s", sa.Double(), nullable=False),
        sa.Column("phone_stage_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["property_id"],
            ["property.id"],
            name=op.f("fk_doorbell_property_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["unit.id"], name=op.f("fk_doorbell_unit_id"), ondelete="CASCADE"
        ),
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
            sa.Enum(
                "operator",
                "administrator",
                "installer",
                "owner",
                "resident",
                "station",
                name="role_word",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("property_id", sa.String(length=64), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(role = 'operator' AND property_id IS NULL AND unit_id IS NULL) OR (role IN ('administrator', 'installer') AND property_id IS NOT NULL AND unit_id IS NULL) OR (role IN ('owner', 'resident', 'station') AND property_id IS NULL AND unit_id IS NOT NULL)",
            name=op.f("ck_grant_place"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_grant_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["property_id"], ["property.id"], name=op.f("fk_grant_property_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["unit.id"], name=op.f("fk_grant_unit_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grant")),
        sa.UniqueConstraint(
            "account_id",
            "role",
            "property_id",
            "unit_id",
            name=op.f("uq_grant_account_id_role_property_id_unit_id"),
        ),
    )
    op.create_index("ix_grant_property_id", "grant", ["property_id"], unique=False)
    op.create_index("ix_grant_unit_id", "grant", ["unit_id"], unique=False)

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
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_door_right_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["door_id"], ["door.id"], name=op.f("fk_door_right_door_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["unit.id"], name=op.f("fk_door_right_unit_id"), ondelete="CASCADE"
        ),
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
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_member_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["doorbell_id"], ["doorbell.id"], name=op.f("fk_member_doorbell_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("doorbell_id", "account_id", name=op.f("pk_member")),
    )
    op.create_index("ix_member_account_id", "member", ["account_id"], unique=False)

    op.create_table(
        "panel",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("property_id", sa.String(length=64), nullable=False),
        sa.Column("door_id", sa.String(length=64), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["door_id"], ["door.id"], name=op.f("fk_panel_door_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["property_id"], ["property.id"], name=op.f("fk_panel_property_id"), ondelete="CASCADE"
        ),
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
            sa.Enum(
                "say-so",
                "phone-only",
                name="quietmode_word",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "(property_id IS NULL) <> (doorbell_id IS NULL)", name=op.f("ck_quiet_hours_one_place")
        ),
        sa.ForeignKeyConstraint(
            ["doorbell_id"],
            ["doorbell.id"],
            name=op.f("fk_quiet_hours_doorbell_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["property_id"],
            ["property.id"],
            name=op.f("fk_quiet_hours_property_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quiet_hours")),
    )
    op.create_table(
        "button",
        sa.Column("panel_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("doorbell_id", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_button_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["doorbell_id"], ["doorbell.id"], name=op.f("fk_button_doorbell_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["panel_id"], ["panel.id"], name=op.f("fk_button_panel_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("panel_id", "name", name=op.f("pk_button")),
    )
    op.create_index("ix_button_account_id", "button", ["account_id"], unique=False)
    op.create_index("ix_button_doorbell_id", "button", ["doorbell_id"], unique=False)
    op.execute("INSERT INTO revision (id, number) VALUES (1, 0)")
