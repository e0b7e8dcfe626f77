"""The DTLS server against OpenSSL as the client, datagram by datagram and without a network."""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_256_GCM,
    SRTP_AES128_CM_SHA1_80,
    SRTP_PROFILES,
    RTCCertificate,
    certificate_digest,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from intercom.media.dtls import (
    MAX_DATAGRAM_BYTES,
    DtlsIdentity,
    DtlsServer,
    DtlsState,
    Fingerprint,
)

IDENTITY = DtlsIdentity.generate()
CERTIFICATE = RTCCertificate.generateCertificate()
FINGERPRINTS = tuple(Fingerprint(f.algorithm, f.value) for f in CERTIFICATE.getFingerprints())


class Client:
    """A browser's side of the handshake."""

    def __init__(self, profiles: list = SRTP_PROFILES) -> None:
        self.ssl = SSL.Connection(CERTIFICATE._create_ssl_context(profiles))
        self.ssl.set_connect_state()

    def step(self, *datagrams: bytes) -> bytes:
        """Take datagrams, return the next flight."""
        for datagram in datagrams:
            self.ssl.bio_write(datagram)
        with suppress(SSL.WantReadError):
            self.ssl.do_handshake()
        with suppress(SSL.WantReadError):
            return self.ssl.bio_read(65536)
        return b""


def shaken(client: Client) -> DtlsServer:
    server = DtlsServer(IDENTITY)
    server.receive(client.step())
    server.receive(client.step(*server.datagrams_to_send()))
    client.step(*server.datagrams_to_send())
    return server


def test_both_ends_have_the_same_keys_after_the_handshake():
    client = Client()

    server = shaken(client)

    keys = server.srtp_keys()
    size = keys.profile.key_length
    material = client.ssl.export_keying_material(
        b"EXTRACTOR-dtls_srtp", 2 * (size + keys.profile.salt_length)
    )
    assert server.state is DtlsState.CONNECTED
    assert keys.inbound[:size] == material[:size]
    assert keys.outbound[:size] == material[size : 2 * size]


def test_a_client_without_aes_gcm_gets_what_rfc_8827_requires():
    server = shaken(Client([SRTP_AES128_CM_SHA1_80]))

    assert server.srtp_keys().profile is SRTP_AES128_CM_SHA1_80


def test_a_client_without_a_common_srtp_profile_has_no_keys():
    assert shaken(Client([SRTP_AEAD_AES_256_GCM])).srtp_keys() is None


def test_the_announced_fingerprint_is_that_of_the_certificate_shown():
    client = Client()
    shaken(client)

    shown = client.ssl.get_peer_certificate(as_cryptography=True)

    assert IDENTITY.fingerprint == Fingerprint("sha-256", certificate_digest(shown, "sha-256"))


def test_the_peer_is_the_one_whose_every_known_fingerprint_fits():
    server = shaken(Client())
    unknown = Fingerprint("md5", "00")
    wrong = Fingerprint("sha-256", ":".join(["00"] * 32))

    assert server.is_peer(FINGERPRINTS)
    assert server.is_peer((*FINGERPRINTS, unknown))
    assert not server.is_peer((*FINGERPRINTS, wrong))
    assert not server.is_peer((unknown,))
    assert not server.is_peer(())


def test_nobody_is_the_peer_before_the_handshake():
    assert not DtlsServer(IDENTITY).is_peer(FINGERPRINTS)


def test_a_lost_flight_is_sent_again_when_its_timer_is_due():
    server, client = DtlsServer(IDENTITY), Client()
    server.receive(client.step())
    lost = server.datagrams_to_send()

    waits_s = server.timeout_s()
    server.handle_timeout()  # not due yet: OpenSSL sends nothing

    assert lost
    assert 0 < waits_s <= 1
    assert not server.datagrams_to_send()


def test_the_last_flight_is_sent_again_when_the_client_repeats_its_own():
    server, client = DtlsServer(IDENTITY), Client()
    server.receive(client.step())
    flight = client.step(*server.datagrams_to_send())
    server.receive(flight)
    lost = server.datagrams_to_send()

    time.sleep(client.ssl.DTLSv1_get_timeout())  # OpenSSL has its own clock
    client.ssl.DTLSv1_handle_timeout()
    server.receive(client.step())
    client.step(*server.datagrams_to_send())

    assert lost
    client.ssl.do_handshake()  # raises unless it is complete


def test_close_notify_is_seen_both_ways():
    client, other = Client(), Client()
    server, leaver = shaken(client), shaken(other)

    client.ssl.shutdown()
    server.receive(client.ssl.bio_read(2048))
    leaver.close()
    other.ssl.bio_write(leaver.datagrams_to_send()[0])

    assert server.state is DtlsState.CLOSED
    with pytest.raises(SSL.ZeroReturnError):
        other.ssl.recv(1)


def fat_certificate() -> RTCCertificate:
    """Return one whose server flight takes several datagrams."""
    names = [x509.DNSName(f"door-{number}.example.org") for number in range(100)]
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fat")])
    now = datetime.now(tz=UTC)
    builder = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=1,
        not_valid_before=now,
        not_valid_after=now + timedelta(days=1),
    )
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return RTCCertificate(key, builder.sign(key, hashes.SHA256()))


def test_a_long_flight_is_cut_between_records_into_datagrams_that_fit():
    server, client = DtlsServer(DtlsIdentity(fat_certificate())), Client()

    server.receive(client.step())
    datagrams = server.datagrams_to_send()
    server.receive(client.step(*datagrams))

    assert len(datagrams) > 1
    assert all(len(datagram) <= MAX_DATAGRAM_BYTES for datagram in datagrams)
    assert server.state is DtlsState.CONNECTED


@settings(max_examples=200, deadline=None)
@given(datagrams=st.lists(st.binary(min_size=1, max_size=200), max_size=10))
def test_garbage_never_raises(datagrams: list[bytes]):
    server = DtlsServer(IDENTITY)

    for datagram in datagrams:
        server.receive(b"\x16\xfe\xfd" + datagram)
        server.datagrams_to_send()
        server.timeout_s()

    server.close()


@settings(max_examples=100, deadline=None)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_in_the_handshake_never_raises(position: int, value: int):
    server, client = DtlsServer(IDENTITY), Client()
    hello = bytearray(client.step())
    hello[position % len(hello)] = value

    server.receive(bytes(hello))

    server.datagrams_to_send()
    assert server.state in (DtlsState.HANDSHAKE, DtlsState.FAILED)
