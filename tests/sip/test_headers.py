"""Structured header values and URIs."""

import pytest

from intercom.errors import RemoteProtocolError
from intercom.sip import headers, uri
from intercom.sip.address import Address
from intercom.sip.headers import (
    parse_auth,
    parse_cseq,
    parse_name_address,
    parse_via,
    quoted,
    split_list,
    unquoted,
)
from intercom.sip.uri import next_hop, parse_uri

SOURCE = Address("203.0.113.5", 1234)


def test_a_display_name_may_hold_brackets_and_escaped_quotes():
    address = parse_name_address('"A \\"<b>\\" ;,c" <sip:a@b;lr>;tag=x;y')

    assert address.display == 'A "<b>" ;,c'
    assert address.uri == "sip:a@b;lr"
    assert address.params == {"tag": "x", "y": ""}


def test_without_brackets_parameters_belong_to_the_header():
    address = parse_name_address("sip:a@b;tag=88")

    assert (address.uri, address.tag) == ("sip:a@b", "88")


@pytest.mark.parametrize(
    "text", ["", '"open <sip:a@b>', "<sip:a@b", "sip:a@b?x=y", "<sip:a@b> junk", 'a"b"<sip:x>']
)
def test_broken_addresses_raise(text):
    with pytest.raises(RemoteProtocolError):
        parse_name_address(text)


def test_via_is_read_with_spaces_ipv6_and_flags():
    via = parse_via("SIP / 2.0 / udp [2001:db8::9:1]:5070 ; Branch=z9hG4bKx;rport")

    assert via.transport == "UDP"
    assert via.sent_by == "[2001:db8::9:1]:5070"
    assert via.params == {"branch": "z9hG4bKx", "rport": ""}


@pytest.mark.parametrize("text", ["", "SIP/2.0/UDP", "SIP/2/UDP h", "SIP/2.0/UDP h:99999999", "x"])
def test_broken_vias_raise(text):
    with pytest.raises(RemoteProtocolError):
        parse_via(text)


@pytest.mark.parametrize(
    "text", ["", "1", "x INVITE", "2147483648 INVITE", "-1 INVITE", "1 A B", "² X"]
)
def test_broken_cseqs_raise(text):
    with pytest.raises(RemoteProtocolError):
        parse_cseq(text)


def test_challenges_are_read_with_commas_in_quotes():
    scheme, params = parse_auth('Digest realm="a, b", qop="auth,auth-int",nonce=x , stale=FALSE')

    assert scheme == "digest"
    assert params == {"realm": "a, b", "qop": "auth,auth-int", "nonce": "x", "stale": "FALSE"}


def test_quoting_and_unquoting_are_inverse():
    assert unquoted(quoted('a"b\\c')) == 'a"b\\c'


def test_unbalanced_lists_raise():
    with pytest.raises(RemoteProtocolError):
        split_list('<sip:a>, "b <sip:c>')


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("sip:alice@atlanta.com", "alice", "atlanta.com", None),
        ("SIPS:Alice:secret@[2001:DB8::1]:5061;transport=tls", "Alice", "2001:db8::1", 5061),
        ("sip:+47%20123;x=y@h;user=phone?Subject=hi", "+47 123;x=y", "h", None),
        ("sip:h", "", "h", None),
        ("tel:+47-23(50)69.53", "+4723506953", "", None),
    ],
)
def test_uris_are_read(text, user, host, port):
    uri = parse_uri(text)

    assert (uri.user, uri.host, uri.port) == (user, host, port)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("sip:", 400),
        ("sip:a@", 400),
        ("sip:a@h:port", 400),
        ("sip:a@h:70000", 400),
        ("sip:a@2001:db8::1", 400),
        ("sip:a@[::zz]", 400),
        ("sip:a b@h", 400),
        ("<sip:a@h>", 400),
        ("no uri", 400),
        ("http://h/", 416),
        ("soap.beep://192.0.2.103:3002", 416),
    ],
)
def test_broken_uris_say_400_and_foreign_schemes_416(text, status):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_uri(text)

    assert caught.value.status_hint == status


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:a@203.0.113.5:5062", Address("203.0.113.5", 5062)),
        ("sip:a@8.8.8.8", Address("8.8.8.8", 5060)),
        ("sip:a@192.168.1.7:5060", SOURCE),
        ("sip:a@127.0.0.1:5060", SOURCE),
        ("sip:a@sip.example.com", SOURCE),
    ],
    ids=["own address", "public address", "private, so behind NAT", "loopback", "host name"],
)
def test_next_hop_is_where_the_peer_can_be_reached(uri, expected):
    assert next_hop(uri, SOURCE) == expected


def test_long_values_are_read_and_fill_no_memory():
    long = "x" * 1_000
    memories = (uri._remembered, headers._remembered_address, headers._remembered_sender)
    before = [memory.cache_info().currsize for memory in memories]

    assert parse_uri(f"sip:{long}@a.example").user == long
    assert parse_name_address(f"<sip:{long}@a.example>;tag=1").tag == "1"
    assert parse_via(f"SIP/2.0/UDP {long}:5060;branch=b").host == long

    assert [memory.cache_info().currsize for memory in memories] == before
    assert all(memory.cache_info().maxsize == 1_000 for memory in memories)


def test_a_broken_value_is_broken_each_time():
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            parse_uri("sip:")
        with pytest.raises(RemoteProtocolError):
            parse_name_address('"A <sip:a@b>')
        with pytest.raises(RemoteProtocolError):
            parse_via("SIP/2.0/UDP a b;branch=z9hG4bK1")
