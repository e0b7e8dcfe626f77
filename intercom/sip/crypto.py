"""SDP security descriptions (RFC 4568): the keys of SRTP, said in `a=crypto` lines."""

import binascii
import re
from dataclasses import dataclass, field
from enum import Enum

from intercom.sip.sdp import MediaDescription, is_number

MIN_LIFETIME_PACKETS = 1 << 16
"""A key must last for the longest call: 3 min at 300 packets of picture a second are 54,000."""
MAX_CRYPTO_LINES = 16
_TAG_DIGITS = 9  # RFC 4568 §9.1
_LINE = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s*(.*)")
_INLINE = "inline:"  # RFC 4568 §6.1: the only method there is


class Suite(Enum):
    """A crypto suite by its name in SDP (RFC 4568 §6.2, RFC 7714 §14.2), in our order of preference."""

    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    AEAD_AES_256_GCM = "AEAD_AES_256_GCM"
    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"
    """Last: a forged packet passes its tag of four bytes once in 2^32 tries."""

    @property
    def key_bytes(self) -> int:
        """Length of master key and master salt together."""
        return _KEY_BYTES[self]


_KEY_BYTES = {
    Suite.AES_CM_128_HMAC_SHA1_80: 16 + 14,
    Suite.AES_CM_128_HMAC_SHA1_32: 16 + 14,
    Suite.AEAD_AES_128_GCM: 16 + 12,
    Suite.AEAD_AES_256_GCM: 32 + 12,
}
_SUITES = {suite.value: suite for suite in Suite}


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """One suite's master key with its salt, for one medium and one direction."""

    suite: Suite
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Crypto:
    """One `a=crypto` line that can be used."""

    tag: int
    key: SrtpKey

    @property
    def suite(self) -> Suite:
        return self.key.suite


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """Our master keys, one for each suite, of each m-line its own (RFC 4568 §6.1: never the same twice)."""

    audio: tuple[SrtpKey, ...] = ()
    video: tuple[SrtpKey, ...] = ()


def key_of(keys: tuple[SrtpKey, ...], suite: Suite) -> SrtpKey | None:
    """Find the key for a suite."""
    return next((key for key in keys if key.suite is suite), None)


def cryptos_of(media: MediaDescription) -> list[Crypto]:
    """List the lines that can be used, in the order given; the others count for nothing.

    Passed over: unknown suites, keys with an MKI or several keys, keys that do not last a call, and
    parameters that would leave something unencrypted or unauthenticated.
    """
    found = [_parse(value) for value in media.values("crypto")[:MAX_CRYPTO_LINES]]
    return [crypto for crypto in found if crypto is not None]


def choose(offered: list[Crypto]) -> Crypto | None:
    """Choose as the answerer: the offer's order counts (RFC 4568 §5.1.2), a short tag comes last."""
    short = Suite.AES_CM_128_HMAC_SHA1_32
    return min(offered, key=lambda crypto: crypto.suite is short, default=None)


def crypto_line(tag: int, key: SrtpKey) -> tuple[str, str]:
    """Write the attribute."""
    text = binascii.b2a_base64(key.key, newline=False).decode()
    return "crypto", f"{tag} {key.suite.value} {_INLINE}{text}"


def crypto_lines(keys: tuple[SrtpKey, ...]) -> list[tuple[str, str]]:
    """Write an offer's attributes, the preferred suite first."""
    return [crypto_line(tag, key) for tag, key in enumerate(keys, 1)]


def _parse(value: str) -> Crypto | None:
    match = _LINE.fullmatch(value)
    if match is None or not is_number(match[1], _TAG_DIGITS):
        return None
    suite = _SUITES.get(match[2].upper())
    if suite is None or not all(map(_is_harmless, match[4].split())):
        return None
    key = _inline_key(match[3], suite)
    return None if key is None else Crypto(int(match[1]), SrtpKey(suite, key))


def _inline_key(text: str, suite: Suite) -> bytes | None:
    if text[: len(_INLINE)].lower() != _INLINE or ";" in text:
        return None
    encoded, *rest = text[len(_INLINE) :].split("|")
    if len(rest) > 1 or not all(map(_is_long_enough, rest)):  # an MKI has a colon, no lifetime has
        return None
    try:
        key = binascii.a2b_base64(encoded + "=" * (-len(encoded) % 4), strict_mode=True)
    except ValueError:
        return None
    return key if len(key) == suite.key_bytes else None


def _is_long_enough(lifetime: str) -> bool:
    """Read `2^n` or a plain number of packets (RFC 4568 §6.1)."""
    if lifetime.startswith("2^"):
        return is_number(lifetime[2:], 2) and 1 << int(lifetime[2:]) >= MIN_LIFETIME_PACKETS
    return is_number(lifetime, 15) and int(lifetime) >= MIN_LIFETIME_PACKETS


def _is_harmless(parameter: str) -> bool:
    """Tell whether a session parameter may be ignored (RFC 4568 §6.3).

    WSH is a hint, one that begins with "-" is optional, KDR=0 is the default. All others change what is
    encrypted, authenticated or derived, which we do not.
    """
    upper = parameter.upper()
    return upper.startswith(("-", "WSH=")) or upper == "KDR=0"
