"""Reading the fields of a message that a stranger may have written."""

import base64
import binascii
import json

from intercom.errors import RemoteProtocolError

MAX_MESSAGE_BYTES = 65_536
MAX_TEXT_CHARACTERS = 1_024
MAX_INTEGER = 2**53 - 1  # what every JSON implementation keeps exact, RFC 8259 §6
SIGNATURE_BYTES = 64  # Ed25519, RFC 8032 §5.1.6

JsonObject = dict[str, object]


def parse(text: str) -> JsonObject:
    """Read a JSON object; raises nothing but RemoteProtocolError."""
    if len(text) > MAX_MESSAGE_BYTES:
        raise RemoteProtocolError("the message is too long")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError("the message is not JSON") from error
    if not isinstance(fields, dict):
        raise RemoteProtocolError("the message is not a JSON object")
    return fields


def integer(fields: JsonObject, name: str) -> int:
    """Read a whole number that every JSON implementation keeps exact."""
    value = fields.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_INTEGER:
        raise broken(name, "is not a whole number from 0 to 2^53-1")
    return value


def boolean(fields: JsonObject, name: str) -> bool:
    """Read true or false."""
    value = fields.get(name)
    if not isinstance(value, bool):
        raise broken(name, "is neither true nor false")
    return value


def text_in(fields: JsonObject, name: str) -> str:
    """Read a short text."""
    return checked_text(fields.get(name), name)


def optional_text(fields: JsonObject, name: str) -> str | None:
    """Read a short text, or null."""
    return None if fields.get(name) is None else text_in(fields, name)


def checked_text(value: object, name: str, *, most_bytes: int | None = None) -> str:
    """Take a value for a text, which is short unless `most_bytes` says otherwise."""
    if not isinstance(value, str) or len(value) > (most_bytes or MAX_TEXT_CHARACTERS):
        raise broken(name, "is not a short text")
    try:
        encoded = value.encode()
    except UnicodeEncodeError as error:  # a lone surrogate, which JSON lets through
        raise broken(name, "is not Unicode") from error
    if most_bytes is not None and len(encoded) > most_bytes:
        raise broken(name, "is too long")
    return value


def broken(name: str, what: str) -> RemoteProtocolError:
    """Make the error about a field."""
    return RemoteProtocolError(f"{name} {what}")


def signature(fields: JsonObject) -> bytes:
    """Read an Ed25519 signature, which is base64."""
    try:
        sig = base64.b64decode(text_in(fields, "sig"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RemoteProtocolError("sig is not base64") from error
    if len(sig) != SIGNATURE_BYTES:
        raise RemoteProtocolError("sig is not 64 bytes long")
    return sig
