"""The closed sets of words that stand in the store; their values are written to the database."""

from enum import Enum


class Role(Enum):
    """What an account may be, each for a place: nothing, a property or a unit."""

    OPERATOR = "operator"
    """Runs the service; every property."""
    ADMINISTRATOR = "administrator"
    """Of one property: its people, units, doorbells, doors, log."""
    INSTALLER = "installer"
    """Of one property: its doors and panels, no people."""
    OWNER = "owner"
    """Of one unit: its doorbell, its residents."""
    RESIDENT = "resident"
    """Of one unit: is rung there."""
    STATION = "station"
    """A tablet on a unit's wall."""


class Layout(Enum):
    """How a unit's doorbell stands on the panels and rings (requirement A7)."""

    INDIVIDUAL = "individual"
    """One button a person."""
    PARALLEL = "parallel"
    """One name, all ring at once."""
    SEQUENTIAL = "sequential"
    """One name, persons in their order, 20 to 30 s between them."""
    GROUPED = "grouped"
    """One name that opens to the persons."""


class TokenPurpose(Enum):
    """What a link in a mail is for."""

    SET_PASSWORD = "set-password"  # noqa: S105 - a word, no secret
    CONFIRM_TRANSFER = "confirm-transfer"
    CONFIRM_ACTIVATION = "confirm-activation"


class MailState(Enum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
