"""What the service stores, line by line, for the page that says so.

Every column of every table stands in exactly one line; a test compares with the models, so that nothing can be
stored of which the page does not tell. The words are privacy.stored.{line}.*.
"""

from dataclasses import dataclass
from typing import Final

from intercom.routing.directory import PropertyKind


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line of the page."""

    name: str
    columns: dict[str, tuple[str, ...]]
    """Tables and their columns; none: it is a file beside the database."""
    is_about_people: bool = False
    only: PropertyKind | None = None
    """A commercial property's event log does not exist for a residential one."""


STORED: Final = (
    StoredLine(
        "building",
        {
            "property": (
                *("id", "name", "kind", "address", "language", "time_zone", "open_keys"),
                *("has_keys_in_app", "contact_email", "prompts", "created_on"),
            ),
            "door": ("id", "property_id", "name", "pulse_ms", "document"),
            "panel": ("id", "property_id", "door_id", "document"),
            "trunk": ("id", "position", "document"),
            "revision": ("id", "number"),
        },
    ),
    StoredLine(
        "unit",
        {
            "unit": (
                *("id", "property_id", "label", "folded_label", "ordered_label"),
                "activated_on",
            ),
            "door": ("unit_id",),
        },
    ),
    StoredLine(
        "person",
        {
            "account": (
                *("id", "username", "name", "folded_name", "email", "language"),
                *("has_app", "ring_way", "created_on"),
            )
        },
        is_about_people=True,
    ),
    StoredLine("password", {"account": ("password_hash",)}, is_about_people=True),
    StoredLine("number", {"account": ("number", "number_verified_on")}, is_about_people=True),
    StoredLine("devices", {"account": ("devices",)}, is_about_people=True),
    StoredLine(
        "role",
        {"grant": ("id", "account_id", "role", "property_id", "unit_id")},
        is_about_people=True,
    ),
    StoredLine(
        "doorbell",
        {
            "doorbell": (
                *("id", "property_id", "unit_id", "name", "folded_name", "layout", "is_hidden"),
                *("step_s", "app_stage_s", "phone_stage_s"),
            ),
            "member": ("doorbell_id", "account_id", "position", "is_hidden"),
            "button": ("panel_id", "name", "doorbell_id", "account_id"),
        },
        is_about_people=True,
    ),
    StoredLine(
        "quiet",
        {
            "quiet_hours": (
                *("id", "property_id", "doorbell_id", "days"),
                *("start_minute", "end_minute", "mode"),
            )
        },
        is_about_people=True,
    ),
    StoredLine(
        "right",
        {
            "door_right": (
                *("id", "door_id", "account_id", "unit_id", "may_open", "has_key"),
                *("days", "start_minute", "end_minute"),
            )
        },
        is_about_people=True,
    ),
    StoredLine(
        "mail",
        {
            "mail": ("id", "account_id", "kind", "state", "asked_at", "sent_at", "tries", "cause"),
            "mail_token": ("digest", "account_id", "purpose", "transfer_id", "expires_at"),
        },
        is_about_people=True,
    ),
    StoredLine(
        "transfer",
        {"transfer": ("id", "unit_id", "new_owner_id", "asked_on")},
        is_about_people=True,
    ),
    StoredLine(
        "undo",
        {"undo": ("id", "property_id", "made_at", "summary", "steps")},
        is_about_people=True,
    ),
    StoredLine(
        "alert", {"alert": ("id", "property_id", "kind", "subject", "raised_at", "cleared_at")}
    ),
    StoredLine(
        "event",
        {
            "commercial_log": ("id", "property_id", "kind", "retention_days"),
            "event": (
                *("id", "log_id", "at", "call", "what"),
                *("doorbell", "door", "person", "means"),
            ),
        },
        is_about_people=True,
        only=PropertyKind.COMMERCIAL,
    ),
    StoredLine("logins", {}, is_about_people=True),
    StoredLine("service_log", {}),
    StoredLine("backup", {}, is_about_people=True),
)


def stored_for(kind: PropertyKind) -> tuple[StoredLine, ...]:
    """List what is stored of a property of this kind."""
    return tuple(each for each in STORED if each.only in (None, kind))
