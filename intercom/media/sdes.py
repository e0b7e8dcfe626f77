"""SRTP with keys from SDP (RFC 4568): our fresh keys, and one stream's state through re-negotiations."""

import secrets

from pylibsrtp import Policy

from intercom.media.srtp import SrtpReceiver, SrtpSender
from intercom.sip.crypto import Crypto, LocalKeys, SrtpKey, Suite, key_of

_PROFILES: dict[Suite, int] = {
    Suite.AES_CM_128_HMAC_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    Suite.AES_CM_128_HMAC_SHA1_32: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    Suite.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    Suite.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}

MAX_PEER_KEYS = 8
"""Of one call: more new keys than that, and the oldest is forgotten."""


def fresh_keys() -> LocalKeys:
    """Draw a key for each suite and medium; never used for another leg."""
    return LocalKeys(_draw(), _draw())


def _draw() -> tuple[SrtpKey, ...]:
    return tuple(SrtpKey(suite, secrets.token_bytes(suite.key_bytes)) for suite in Suite)


class SdesStream:
    """One medium's two ways.

    A key that stays, or comes back, keeps its state: nothing can be replayed, and no number is used twice.
    """

    def __init__(self) -> None:
        self.receiver: SrtpReceiver | None = None
        """By the peer's key; None while the stream is in clear."""
        self.sender: SrtpSender | None = None
        """By ours."""
        self._receivers: dict[SrtpKey, SrtpReceiver] = {}
        self._senders: dict[SrtpKey, SrtpSender] = {}

    def agree(self, crypto: Crypto | None, keys: tuple[SrtpKey, ...]) -> None:
        """Take over what was negotiated: the peer's key, and ours of the same suite."""
        if crypto is None:
            self.receiver = self.sender = None
            return
        own = key_of(keys, crypto.suite)
        assert own is not None, "the description named a key that the leg does not have"
        profile = _PROFILES[crypto.suite]
        if crypto.key not in self._receivers:
            if len(self._receivers) >= MAX_PEER_KEYS:
                del self._receivers[next(iter(self._receivers))]
            self._receivers[crypto.key] = SrtpReceiver(profile, crypto.key.key)
        if own not in self._senders:
            self._senders[own] = SrtpSender(profile, own.key)
        self.receiver, self.sender = self._receivers[crypto.key], self._senders[own]
