"""The router's Ed25519 key, which the panels have pinned: a seed in a file of its own."""

import base64
import binascii
import os
import stat
from pathlib import Path

from nacl.signing import SigningKey

from intercom.errors import ConfigError

SEED_BYTES = 32  # RFC 8032 §5.1.5
PRIVATE_MODE = 0o600


def load_or_create_key(path: Path) -> SigningKey:
    """Read the key, or make one where there is no file; raises ConfigError for an unsafe file."""
    try:
        return _load(path)
    except FileNotFoundError:
        return _create(path)
    except OSError as error:
        raise _fault(path, f"cannot be read: {error.strerror}") from error


def public_key_text(key: SigningKey) -> str:
    """Write the public key as base64, the form in which a panel pins it."""
    return base64.b64encode(bytes(key.verify_key)).decode("ascii")


def _load(path: Path) -> SigningKey:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & ~PRIVATE_MODE:
            raise _fault(path, f"may be read by others (mode {mode:04o}); chmod 600 it")
        text = file.read()
    try:
        return SigningKey(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError) as error:
        remedy = "restore it from a backup, or remove it and pair every panel again"
        raise _fault(path, f"is damaged; {remedy}") from error


def _create(path: Path) -> SigningKey:
    key = SigningKey.generate()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(bytes(key)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _fault(path, f"cannot be written: {error.strerror}") from error
    return key


def _fault(path: Path, what: str) -> ConfigError:
    return ConfigError(f"The panel key {path} {what}.")
