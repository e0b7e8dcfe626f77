"""Ed25519 signatures (RFC 8032) over the canonical bytes of a relay command or a screen's manifest.

Their fields differ, so neither can be taken for the other.
"""

import json

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

from intercom.link.messages import RelayCommand, fields_of
from intercom.link.screen import ScreenManifest

Signed = RelayCommand | ScreenManifest


def canonical(signed: Signed) -> bytes:
    """Write it in the one form that is signed: JSON, keys sorted, no spaces, UTF-8."""
    fields = fields_of(signed)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(signed: Signed, key: SigningKey) -> bytes:
    """Sign: 64 bytes."""
    return key.sign(canonical(signed)).signature


def verify(signed: Signed, signature: bytes, key: VerifyKey) -> bool:
    """Say whether the holder of `key` signed exactly this."""
    try:
        key.verify(canonical(signed), signature)
    except CryptoError:
        return False
    return True
