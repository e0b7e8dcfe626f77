"""The app's frames: JSON text with a `type`, parsed strictly at the edge."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from intercom.routing.commands import ReadyAnswer

MAX_FRAME_BYTES = 32 * 1024
MAX_SDP_CHARACTERS = 16 * 1024
MAX_TOKEN_CHARACTERS = 128


class About(Enum):
    """What a frame may be about; whoever sends it is an app with a log-in of its own."""

    CONNECTION = "connection"
    """Nothing but the connection that it comes over."""
    CALL = "call"
    """A leg that rings or rang this very log-in, named by an unguessable token; it must live.

    Whether its person may open then is asked of `routing.rights` each time.
    """
    DOOR = "door"
    """A door without a call: the property has keys in the app, and the person one to it, at this hour."""


@dataclass(frozen=True, slots=True)
class FrameRule:
    """What a type of frame may be about, and its fields."""

    about: About
    limits: Mapping[str, int] = field(default_factory=dict)
    """The fields, all of them needed, all strings, and how long they may be."""
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Fields that must be one of these."""


_TOKEN = MAX_TOKEN_CHARACTERS
RULES: Mapping[str, FrameRule] = MappingProxyType(
    {
        "answer_sdp": FrameRule(About.CALL, {"call": _TOKEN, "sdp": MAX_SDP_CHARACTERS}),
        "accept": FrameRule(About.CALL, {"call": _TOKEN}),
        "decline": FrameRule(About.CALL, {"call": _TOKEN}),
        "open": FrameRule(About.CALL, {"call": _TOKEN, "id": _TOKEN}),
        "ready_answer": FrameRule(
            About.CALL,
            {"call": _TOKEN, "answer": _TOKEN},
            {"answer": frozenset(answer.value for answer in ReadyAnswer)},
        ),
        "hang_up": FrameRule(About.CALL, {"call": _TOKEN}),
        "key": FrameRule(About.DOOR, {"door": _TOKEN, "id": _TOKEN}),
        "ping": FrameRule(About.CONNECTION),
    }
)
"""Every type of frame that an app may send; there are no others."""


class FrameError(ValueError):
    """A frame from an app that cannot be used; `code` goes back to the app."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def parse(text: str) -> dict[str, str]:
    """Parse one frame; the result holds its type and that type's fields, nothing else."""
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError("malformed", "This is not JSON") from error
    if not isinstance(frame, dict):
        raise FrameError("malformed", "A frame is a JSON object")
    frame_type = frame.get("type")
    rule = RULES.get(frame_type) if isinstance(frame_type, str) else None
    if rule is None:
        raise FrameError("unknown_type", "There is no such frame")
    fields = {"type": str(frame_type)}
    for name, limit in rule.limits.items():
        fields[name] = _field(frame, name, limit)
    for name, choices in rule.choices.items():
        if fields[name] not in choices:
            raise FrameError("unknown_choice", f"The field {name} cannot say that")
    return fields


def _field(frame: Mapping[str, object], name: str, limit: int) -> str:
    value = frame.get(name)
    if not isinstance(value, str) or not value:
        raise FrameError("missing_field", f"The field {name} is missing")
    if len(value) > limit:
        raise FrameError("too_large", f"The field {name} is too long")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise FrameError("malformed", "A lone surrogate cannot be sent back")  # RFC 8259 §8.2
    return value
