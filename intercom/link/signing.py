"""Ed25519 signatures (RFC 8032) over a relay command's canonical bytes."""

import json

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from intercom.link.messages import RelayCommand, fields_of


def canonical(command: RelayCommand) -> bytes:
    """Write a command in the one form that is signed: JSON, keys sorted, no spaces, UTF-8."""
    fields = fields_of(command)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(command: RelayCommand, key: SigningKey) -> bytes:
    """Sign a command: 64 bytes."""
    return key.sign(canonical(command)).signature


def verify(command: RelayCommand, signature: bytes, key: VerifyKey) -> bool:
    """Say whether the holder of `key` signed exactly this command."""
    try:
        key.verify(canonical(command), signature)
    except CryptoError:
        return False
    return True
