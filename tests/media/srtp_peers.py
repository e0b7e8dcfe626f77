"""A peer of SRTP with keys from SDP: what it says is encrypted as a phone would, by sessions of its own."""

from dataclasses import replace

from pylibsrtp import Policy, Session

from intercom.media import rtp
from intercom.sip.crypto import Crypto, SrtpKey, Suite, key_of
from tests.media.peers import HOST, Peer

PROFILES = {
    Suite.AES_CM_128_HMAC_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    Suite.AES_CM_128_HMAC_SHA1_32: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    Suite.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    Suite.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
AUDIO, VIDEO = 0, 1


def session(key: SrtpKey, ssrc_type: int) -> Session:
    return Session(Policy(key.key, ssrc_type, srtp_profile=PROFILES[key.suite]))


class SecurePeer(Peer):
    """Its keys are `first` and its followers, a byte repeated: one for sound, the next for picture."""

    def __init__(self, leg_id, *, suite=Suite.AES_CM_128_HMAC_SHA1_80, first=1, **shape):
        self.suite = suite
        self.choose_keys(first)
        self._is_started = False
        super().__init__(leg_id, **shape)
        self.leg.draw_keys()
        ours = self.leg.keys.audio, self.leg.keys.video
        self.hearing = [session(key_of(keys, suite), Policy.SSRC_ANY_INBOUND) for keys in ours]
        self._is_started = True
        self.leg.update(self.negotiated())

    def choose_keys(self, first):
        """Take new keys, which count once `leg.update(negotiated())` was said."""
        self.keys = [
            SrtpKey(self.suite, bytes([first + n]) * self.suite.key_bytes) for n in (AUDIO, VIDEO)
        ]
        self.talking = [session(key, Policy.SSRC_ANY_OUTBOUND) for key in self.keys]

    def negotiated(self, **changes):
        agreed = super().negotiated(**changes)
        if not self._is_started:
            return agreed
        audio = replace(agreed.audio, crypto=Crypto(1, self.keys[AUDIO]))
        video = agreed.video and replace(agreed.video, crypto=Crypto(1, self.keys[VIDEO]))
        return replace(agreed, audio=audio, video=video)

    def encrypted(self, payload, *, payload_type=None, timestamp=None):
        """Encrypt the next packet of sound."""
        self.sequence += 1
        number = self.codec.value if payload_type is None else payload_type
        timestamp = 160 * self.sequence if timestamp is None else timestamp
        head = rtp.build_header(number, self.sequence, timestamp, self.ssrc)
        return self.talking[AUDIO].protect(bytes(head + payload))

    def say(self, payload, **settings):
        self.sockets[0].sendto(self.encrypted(payload, **settings), (HOST, self.leg.audio_port))
