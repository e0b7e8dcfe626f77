"""The messages of the panel link: JSON text frames, one object each, told apart by "type".

panel -> router   hello, hb, relay.ack, relay.state, cfg.get, cfg.ack
router -> panel   welcome, hb, relay.open, call.state, call.answer, cfg.put, cfg.part
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from intercom.errors import RemoteProtocolError
from intercom.link.fields import (
    JsonObject,
    boolean,
    checked_text,
    integer,
    optional_text,
    parse,
    signature,
    text_in,
)
from intercom.link.screen import MAX_PART_BYTES, ScreenManifest

MAX_CAPABILITIES = 64
MAX_WANTED = 8
"""Parts of a screen that are asked for at once."""
HAS_SCREEN = "screen"
"""The capability of a panel that takes `cfg.put`."""
COMMAND_VERSION = 1


@dataclass(frozen=True, slots=True)
class Hello:
    """The panel's first message."""

    fw: str
    """Version of the firmware."""
    ctr: int
    """The highest command counter that the panel has stored."""
    caps: tuple[str, ...]
    """What it can do, such as "relay:1" and "coil_ma"."""
    boot_id: str
    """Another one after every restart of the firmware."""
    cfg_rev: int = 0
    """Of the screen that it shows; 0: none was ever sent."""
    cfg: str = ""
    """That screen's digest."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The router's answer to a hello."""

    chal: str
    """The session's challenge: a command of any other session is refused."""
    time: str
    """Wall time in ISO 8601, for the panel's clock; nothing is judged by it."""
    cfg_rev: int
    """The panel's own, as it was understood."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sent by the panel every second; the router sends it back as it came."""

    mono_ms: int
    """The panel's own monotonic clock."""


@dataclass(frozen=True, slots=True)
class RelayCommand:
    """The part of `relay.open` that is signed."""

    v: int
    panel: str
    relay: int
    ms: int
    """Length of the pulse."""
    cmd_id: str
    ctr: int
    chal: str
    exp: int
    """Expiry in milliseconds of the panel's own monotonic clock."""
    call_id: str | None
    """None: opened without a call."""


@dataclass(frozen=True, slots=True)
class RelayOpen:
    cmd: RelayCommand
    sig: bytes
    """Ed25519 over the command's canonical bytes; base64 on the wire."""


@dataclass(frozen=True, slots=True)
class RelayAck:
    cmd_id: str
    accepted: bool
    cause: str
    """Why not, in words for a person; empty when accepted."""


class Phase(Enum):
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class RelayState:
    """What a relay was measured to do."""

    relay: int
    cmd_id: str
    phase: Phase
    coil_ma: int | None
    """Measured coil current while it was on; None: not measured."""
    contact: bool | None
    """Whether the feedback contact closed; None: there is none."""
    on_ms: int
    """Measured length of the pulse so far, or in whole when off."""


@dataclass(frozen=True, slots=True)
class CallState:
    """What the panel's screen and lamp shall say."""

    call_id: str
    state: str
    reason: str | None
    text: str


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """A resident's ready answer, to be shown besides the call's state."""

    call_id: str
    answer: str
    text: str


@dataclass(frozen=True, slots=True)
class ScreenPut:
    """What shall stand on the screen: `cfg.put`."""

    cfg: ScreenManifest
    sig: bytes
    """Ed25519 over the manifest's canonical bytes; base64 on the wire."""


@dataclass(frozen=True, slots=True)
class ScreenGet:
    """The parts that the panel lacks, at most MAX_WANTED: `cfg.get`."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScreenPart:
    """One part, whose digest says which: `cfg.part`."""

    text: str


@dataclass(frozen=True, slots=True)
class ScreenAck:
    """The panel shows this screen now, or says why it cannot: `cfg.ack`."""

    rev: int
    cause: str
    """In words for a person; empty: it is shown, and stored over a restart."""


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message of a newer version; to be passed over."""

    type: str


Message = (
    Hello
    | Welcome
    | Heartbeat
    | RelayOpen
    | RelayAck
    | RelayState
    | CallState
    | CallAnswer
    | ScreenPut
    | ScreenGet
    | ScreenPart
    | ScreenAck
    | UnknownMessage
)


def decode(text: str) -> Message:
    """Read one message; raises nothing but RemoteProtocolError."""
    fields = parse(text)
    kind = text_in(fields, "type")
    read = _READERS.get(kind)
    return UnknownMessage(kind) if read is None else read(fields)


def encode(message: Message) -> str:
    """Write one message as JSON."""
    match message:
        case UnknownMessage(kind):
            fields: JsonObject = {}
        case RelayOpen(cmd, sig):
            kind = "relay.open"
            fields = {"cmd": fields_of(cmd), "sig": base64.b64encode(sig).decode("ascii")}
        case ScreenPut(cfg, sig):
            kind = "cfg.put"
            fields = {"cfg": fields_of(cfg), "sig": base64.b64encode(sig).decode("ascii")}
        case RelayState():
            kind = "relay.state"
            fields = {**fields_of(message), "phase": message.phase.value}
        case _:
            kind = _NAMES[type(message)]
            fields = fields_of(message)
    return json.dumps({"type": kind, **fields}, ensure_ascii=False, separators=(",", ":"))


def fields_of(message: Message | RelayCommand | ScreenManifest) -> dict[str, object]:
    """List the fields of a message, whose names are those on the wire.

    Unlike `dataclasses.asdict` it copies no value, and takes a sixth of the time.
    """
    return {name: getattr(message, name) for name in message.__slots__}


def _read_hello(fields: JsonObject) -> Hello:
    caps = fields.get("caps")
    if not isinstance(caps, list) or len(caps) > MAX_CAPABILITIES:
        raise RemoteProtocolError("caps is not a short list")
    return Hello(
        fw=text_in(fields, "fw"),
        ctr=integer(fields, "ctr"),
        caps=tuple(checked_text(cap, "caps") for cap in caps),
        boot_id=text_in(fields, "boot_id"),
        cfg_rev=integer(fields, "cfg_rev") if "cfg_rev" in fields else 0,
        cfg=text_in(fields, "cfg") if "cfg" in fields else "",
    )


def _read_welcome(fields: JsonObject) -> Welcome:
    return Welcome(
        chal=text_in(fields, "chal"),
        time=text_in(fields, "time"),
        cfg_rev=integer(fields, "cfg_rev"),
    )


def _read_heartbeat(fields: JsonObject) -> Heartbeat:
    return Heartbeat(integer(fields, "mono_ms"))


def _read_relay_open(fields: JsonObject) -> RelayOpen:
    cmd = fields.get("cmd")
    # A field that we do not know would be lost from what the signature is checked over.
    if not isinstance(cmd, dict) or cmd.keys() != _COMMAND_FIELDS:
        raise RemoteProtocolError("cmd has not exactly the fields of a command")
    command = RelayCommand(
        v=integer(cmd, "v"),
        panel=text_in(cmd, "panel"),
        relay=integer(cmd, "relay"),
        ms=integer(cmd, "ms"),
        cmd_id=text_in(cmd, "cmd_id"),
        ctr=integer(cmd, "ctr"),
        chal=text_in(cmd, "chal"),
        exp=integer(cmd, "exp"),
        call_id=optional_text(cmd, "call_id"),
    )
    return RelayOpen(command, signature(fields))


def _read_relay_ack(fields: JsonObject) -> RelayAck:
    return RelayAck(
        cmd_id=text_in(fields, "cmd_id"),
        accepted=boolean(fields, "accepted"),
        cause=text_in(fields, "cause"),
    )


def _read_relay_state(fields: JsonObject) -> RelayState:
    try:
        phase = Phase(fields.get("phase"))
    except ValueError as error:
        raise RemoteProtocolError("phase is neither on nor off") from error
    return RelayState(
        relay=integer(fields, "relay"),
        cmd_id=text_in(fields, "cmd_id"),
        phase=phase,
        coil_ma=None if fields.get("coil_ma") is None else integer(fields, "coil_ma"),
        contact=None if fields.get("contact") is None else boolean(fields, "contact"),
        on_ms=integer(fields, "on_ms"),
    )


def _read_call_state(fields: JsonObject) -> CallState:
    return CallState(
        call_id=text_in(fields, "call_id"),
        state=text_in(fields, "state"),
        reason=optional_text(fields, "reason"),
        text=text_in(fields, "text"),
    )


def _read_call_answer(fields: JsonObject) -> CallAnswer:
    return CallAnswer(
        call_id=text_in(fields, "call_id"),
        answer=text_in(fields, "answer"),
        text=text_in(fields, "text"),
    )


def _read_screen_put(fields: JsonObject) -> ScreenPut:
    cfg = fields.get("cfg")
    if not isinstance(cfg, dict) or cfg.keys() != _MANIFEST_FIELDS:
        raise RemoteProtocolError("cfg has not exactly the fields of a manifest")
    manifest = ScreenManifest(
        v=integer(cfg, "v"),
        panel=text_in(cfg, "panel"),
        rev=integer(cfg, "rev"),
        parts=_parts(cfg),
    )
    return ScreenPut(manifest, signature(fields))


def _read_screen_get(fields: JsonObject) -> ScreenGet:
    parts = _parts(fields)
    if len(parts) > MAX_WANTED:
        raise RemoteProtocolError("too many parts are asked for at once")
    return ScreenGet(parts)


def _read_screen_part(fields: JsonObject) -> ScreenPart:
    return ScreenPart(checked_text(fields.get("text"), "text", most_bytes=MAX_PART_BYTES))


def _read_screen_ack(fields: JsonObject) -> ScreenAck:
    return ScreenAck(integer(fields, "rev"), text_in(fields, "cause"))


def _parts(fields: JsonObject) -> tuple[str, ...]:
    parts = fields.get("parts")
    if not isinstance(parts, list):
        raise RemoteProtocolError("parts is not a list")
    return tuple(checked_text(part, "parts") for part in parts)


_COMMAND_FIELDS = frozenset(RelayCommand.__dataclass_fields__)
_MANIFEST_FIELDS = frozenset(ScreenManifest.__dataclass_fields__)
_READERS: dict[str, Callable[[JsonObject], Message]] = {
    "hello": _read_hello,
    "welcome": _read_welcome,
    "hb": _read_heartbeat,
    "relay.open": _read_relay_open,
    "relay.ack": _read_relay_ack,
    "relay.state": _read_relay_state,
    "call.state": _read_call_state,
    "call.answer": _read_call_answer,
    "cfg.put": _read_screen_put,
    "cfg.get": _read_screen_get,
    "cfg.part": _read_screen_part,
    "cfg.ack": _read_screen_ack,
}
_NAMES: dict[type[Message], str] = {
    Hello: "hello",
    Welcome: "welcome",
    Heartbeat: "hb",
    RelayAck: "relay.ack",
    CallState: "call.state",
    CallAnswer: "call.answer",
    ScreenGet: "cfg.get",
    ScreenPart: "cfg.part",
    ScreenAck: "cfg.ack",
}
