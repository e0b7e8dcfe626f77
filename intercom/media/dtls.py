"""DTLS-SRTP (RFC 5764) as the server: a machine without sockets around OpenSSL.

aiortc supplies the certificate, the context and the table of SRTP profiles; its RTCDtlsTransport
is not used, as it owns a task for each peer and reads packets through a coroutine each.
DTLS 1.2 only: its records can be told apart in OpenSSL's output stream, and every browser has it.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from aiortc.rtcdtlstransport import (
    SRTP_AES128_CM_SHA1_80,
    SRTP_PROFILES,
    X509_DIGEST_ALGORITHMS,
    RTCCertificate,
    SRTPProtectionProfile,
    certificate_digest,
)
from OpenSSL import SSL

DTLS_1_2 = 0xFEFD  # RFC 6347 §4.1; pyOpenSSL has no name for it
MAX_DATAGRAM_BYTES = 1200  # fits every path with IPv6 and a tunnel (RFC 8831 §5 says as much)
RECORD_HEADER_BYTES = 13  # RFC 6347 §4.1: type, version, epoch, sequence number, length
MAX_RECORDS = 16  # of application data in one datagram, which no app of ours sends
LABEL = b"EXTRACTOR-dtls_srtp"  # RFC 5764 §4.2

# AES-GCM where libsrtp has it (3.1 against 4.2 µs for a packet of picture), else what RFC 8827 §6.5
# makes everyone have.
_PROFILES = sorted(
    (p for p in SRTP_PROFILES if p.key_length == 16), key=lambda p: p is SRTP_AES128_CM_SHA1_80
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """An `a=fingerprint` (RFC 8122 §5): a digest over a self-signed certificate."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What the handshake yields: the profile, and master key with salt for each way."""

    profile: SRTPProtectionProfile
    inbound: bytes
    outbound: bytes


class DtlsState(Enum):
    HANDSHAKE = "handshake"
    CONNECTED = "connected"
    CLOSED = "closed"
    """The peer said close_notify."""
    FAILED = "failed"


class DtlsIdentity:
    """The process's one certificate (ECDSA P-256) and OpenSSL context, shared by all legs."""

    def __init__(self, certificate: RTCCertificate) -> None:
        self.fingerprint = next(
            Fingerprint(f.algorithm, f.value)
            for f in certificate.getFingerprints()
            if f.algorithm == "sha-256"
        )
        self._context = certificate._create_ssl_context(_PROFILES)  # noqa: SLF001 - pinned
        self._context.set_min_proto_version(DTLS_1_2)
        self._context.set_max_proto_version(DTLS_1_2)
        self._context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_QUERY_MTU)
        self._context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 13 KiB a leg that would lie idle

    @classmethod
    def generate(cls) -> "DtlsIdentity":
        """Make a new certificate; takes about a millisecond."""
        return cls(RTCCertificate.generateCertificate())

    def connection(self) -> SSL.Connection:
        """Return a server connection with in-memory BIOs."""
        connection = SSL.Connection(self._context)
        connection.set_ciphertext_mtu(MAX_DATAGRAM_BYTES)
        connection.set_accept_state()
        return connection


class DtlsServer:
    """One handshake, and then the ear for its end."""

    def __init__(self, identity: DtlsIdentity) -> None:
        self.state = DtlsState.HANDSHAKE
        self.has_started = False
        self._ssl = identity.connection()

    def receive(self, datagram: bytes) -> None:
        """Take one datagram; whatever it holds, only `state` tells of it."""
        if self.state in (DtlsState.CLOSED, DtlsState.FAILED):
            return
        self.has_started = True
        try:
            self._ssl.bio_write(datagram)
            if self.state is DtlsState.HANDSHAKE:
                self._ssl.do_handshake()
                self.state = DtlsState.CONNECTED
            # Retransmissions of the peer's last flight are answered in here, too.
            for _ in range(MAX_RECORDS):
                self._ssl.recv(MAX_DATAGRAM_BYTES)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.state = DtlsState.CLOSED
        except SSL.Error:
            if self.state is DtlsState.HANDSHAKE:
                self.state = DtlsState.FAILED

    def datagrams_to_send(self) -> list[bytes]:
        """Drain what OpenSSL wrote, cut between records into datagrams that fit the path."""
        written = b""
        with suppress(SSL.Error):
            written = self._ssl.bio_read(65536)
        datagrams: list[bytes] = []
        start = position = 0
        while position + RECORD_HEADER_BYTES <= len(written):
            length = int.from_bytes(written[position + 11 : position + 13])
            end = position + RECORD_HEADER_BYTES + length
            if end - start > MAX_DATAGRAM_BYTES and position > start:
                datagrams.append(written[start:position])
                start = position
            position = end
        if position > start:
            datagrams.append(written[start:position])
        return datagrams

    def timeout_s(self) -> float | None:
        """Return how long until `handle_timeout` is due, None when nothing waits for an answer."""
        return self._ssl.DTLSv1_get_timeout() if self.state is DtlsState.HANDSHAKE else None

    def handle_timeout(self) -> None:
        """Retransmit the last flight if it is due."""
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error:
            self.state = DtlsState.FAILED

    def close(self) -> None:
        """Queue a close_notify."""
        with suppress(SSL.Error):
            self._ssl.shutdown()
        self.state = DtlsState.CLOSED

    def is_peer(self, fingerprints: tuple[Fingerprint, ...]) -> bool:
        """Tell whether the peer's certificate is the one in its SDP (RFC 8122 §5.1).

        Every digest of a known kind must fit, and there must be one.
        """
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        known = [f for f in fingerprints if f.algorithm in X509_DIGEST_ALGORITHMS]
        return (
            certificate is not None
            and bool(known)
            and all(certificate_digest(certificate, f.algorithm) == f.value for f in known)
        )

    def srtp_keys(self) -> SrtpKeys | None:
        """Export the SRTP keys, None where no SRTP profile was agreed on."""
        selected = self._ssl.get_selected_srtp_profile()
        profile = next((p for p in _PROFILES if p.openssl_profile == selected), None)
        if profile is None:
            return None
        material = self._ssl.export_keying_material(
            LABEL, 2 * (profile.key_length + profile.salt_length)
        )
        return SrtpKeys(
            profile,
            inbound=profile.get_key_and_salt(material, 0),
            outbound=profile.get_key_and_salt(material, 1),
        )
