"""Private names and versions of aiortc, aioice and pylibsrtp that the media layer stands on.

A new version that fails here must be read before it is taken: the names below promise nothing.
"""

import inspect
from importlib.metadata import version

import pylibsrtp
import pytest
from aioice import stun
from aiortc import rtcdtlstransport
from aiortc.rtcdtlstransport import RTCCertificate
from OpenSSL import SSL
from pylibsrtp._binding import ffi, lib


@pytest.mark.parametrize(
    ("package", "pinned"), [("aiortc", "1.16.0"), ("aioice", "0.13.0"), ("pylibsrtp", "1.0.0")]
)
def test_the_version_is_the_one_that_was_read(package: str, pinned: str):
    assert version(package) == pinned


def test_a_certificate_makes_a_dtls_context_for_given_srtp_profiles():
    context = RTCCertificate.generateCertificate()._create_ssl_context(
        srtp_profiles=rtcdtlstransport.SRTP_PROFILES
    )

    assert isinstance(context, SSL.Context)


def test_srtp_profiles_have_names_lengths_and_a_key_splitter():
    profile = rtcdtlstransport.SRTP_AES128_CM_SHA1_80

    assert profile in rtcdtlstransport.SRTP_PROFILES
    assert (profile.key_length, profile.salt_length) == (16, 14)
    assert profile.openssl_profile == b"SRTP_AES128_CM_SHA1_80"
    # RFC 5764 §4.2: client key, server key, client salt, server salt
    material = b"c" * 16 + b"s" * 16 + b"C" * 14 + b"S" * 14
    assert profile.get_key_and_salt(material, 1) == b"s" * 16 + b"S" * 14


def test_known_digests_have_their_sdp_names():
    assert set(rtcdtlstransport.X509_DIGEST_ALGORITHMS) == {"sha-256", "sha-384", "sha-512"}


def test_dtls_1_2_is_what_its_number_says():
    context = RTCCertificate.generateCertificate()._create_ssl_context(
        rtcdtlstransport.SRTP_PROFILES
    )
    context.set_max_proto_version(0xFEFD)
    connection = SSL.Connection(context)
    connection.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()

    assert connection.bio_read(2048)[:3] == b"\x16\xfe\xff"  # RFC 6347 §4.2.1: the first says 1.0


def test_libsrtp_functions_take_session_buffer_and_length():
    session = pylibsrtp.Session(
        pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    )

    for name in ("protect", "protect_rtcp", "unprotect", "unprotect_rtcp"):
        assert str(ffi.typeof(getattr(lib, f"srtp_{name}"))).endswith(
            "(*)(struct srtp_ctx_t_ *, void *, int *)'>"
        )
    assert ffi.typeof(session._srtp).cname.endswith("* *")
    assert lib.srtp_err_status_ok == 0


def test_the_stun_codec_checks_integrity_and_fingerprint_itself():
    assert list(inspect.signature(stun.parse_message).parameters) == ["data"]
    for name in ("check_message_integrity", "add_message_integrity", "add_fingerprint"):
        assert callable(getattr(stun.Message, name))
    assert stun.padding_length(5) == 3
    assert (stun.COOKIE, stun.HEADER_LENGTH) == (0x2112A442, 20)
