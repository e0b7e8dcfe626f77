"""The app's frames: JSON text with a `type`, parsed strictly at the edge."""

import json
from collections.abc import Mapping
from types import MappingProxyType

MAX_FRAME_BYTES = 32 * 1024
MAX_SDP_CHARACTERS = 16 * 1024
MAX_TOKEN_CHARACTERS = 128

_LIMITS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "answer_sdp": {"call": MAX_TOKEN_CHARACTERS, "sdp": MAX_SDP_CHARACTERS},
        "accept": {"call": MAX_TOKEN_CHARACTERS},
        "decline": {"call": MAX_TOKEN_CHARACTERS},
        "open": {"call": MAX_TOKEN_CHARACTERS, "id": MAX_TOKEN_CHARACTERS},
        "hang_up": {"call": MAX_TOKEN_CHARACTERS},
        "ping": {},
    }
)
"""Each type's fields, all of them needed, all strings, and how long they may be."""


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
    limits = _LIMITS.get(frame_type) if isinstance(frame_type, str) else None
    if limits is None:
        raise FrameError("unknown_type", "There is no such frame")
    fields = {"type": str(frame_type)}
    for name, limit in limits.items():
        fields[name] = _field(frame, name, limit)
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
