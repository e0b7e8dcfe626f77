"""The message parser and the responses that are built on what it read."""

import pytest

from intercom.errors import LocalProtocolError, RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.message import ReplyTemplate, Request, Response, check_fields, parse
from tests.sip import wire


def parsed(data: bytes) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def test_compact_header_names_mean_the_long_ones():
    request = parsed(
        b"INVITE sip:a@b SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bK1\r\nf:<sip:f@h>;tag=1\r\n"
        b"t:<sip:t@h>\r\ni:abc\r\nCSeq:1 INVITE\r\nl:0\r\nm:<sip:c@h>\r\n\r\n"
    )

    assert request.via.branch == "z9hG4bK1"
    assert request.from_.tag == "1"
    assert request.sip_call_id == "abc"
    assert request.contact is not None
    assert request.contact.uri == "sip:c@h"


def test_header_names_are_read_in_any_case_and_with_a_space_before_the_colon():
    request = parsed(b"OPTIONS sip:a@b SIP/2.0\r\nCALL-id : x\r\ncseq:  7   OPTIONS \r\n\r\n")

    assert request.sip_call_id == "x"
    assert request.cseq == (7, "OPTIONS")


def test_folded_headers_are_joined():
    request = parsed(b"OPTIONS sip:a@b SIP/2.0\r\nSubject: one\r\n  two\r\n\tthree\r\n\r\n")

    assert request.first("subject") == "one two three"


def test_bare_line_feeds_are_taken_for_line_ends():
    request = parsed(b"OPTIONS sip:a@b SIP/2.0\nCall-ID: x\n\nbody")

    assert request.sip_call_id == "x"
    assert request.body == b"body"


def test_what_follows_content_length_is_not_ours():
    request = parsed(b"INFO sip:a@b SIP/2.0\r\nContent-Length: 3\r\n\r\nabcINVITE sip:x@y SIP/2.0")

    assert request.body == b"abc"


def test_lists_and_repeated_lines_are_the_same():
    request = parsed(
        b"OPTIONS sip:a@b SIP/2.0\r\nRoute: <sip:1;lr>, <sip:2,3;lr>\r\nRoute: <sip:4>\r\n\r\n"
    )

    assert request.listed("route") == ["<sip:1;lr>", "<sip:2,3;lr>", "<sip:4>"]


def test_names_in_latin_1_are_read():
    request = parsed(b'OPTIONS sip:a@b SIP/2.0\r\nFrom: "D\xf8r" <sip:a@b>;tag=1\r\n\r\n')

    assert request.from_.display == "Dør"


def test_a_status_line_may_lack_its_reason():
    message = parse(b"SIP/2.0 100 \r\n\r\n")

    assert isinstance(message, Response)
    assert (message.status, message.reason) == (100, "")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 40,
        b"hello",
        b"INVITE sip:a@b\r\n\r\n",
        b"SIP/2.0 4294967301 better\r\n\r\n",
        b"SIP/2.0 099 no\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nno colon here\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nbad name: x\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\nX: " + b"y" * 65_536 + b"\r\n\r\n",
    ],
)
def test_what_is_no_message_raises_remote_protocol_error(data):
    with pytest.raises(RemoteProtocolError):
        parse(data)


def test_a_lone_carriage_return_does_not_come_back_in_our_answer():
    request = parsed(wire.request("OPTIONS", extra="").replace(b"call-1", b"call\rVia: evil"))

    data = ReplyTemplate(request, wire.PEER_ADDRESS).build(200, "tag")

    assert wire.headers(data, "Via") == [
        "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKpeer1;rport=5060;received=192.0.2.9"
    ]


def test_rport_is_filled_in_and_answered_to():
    request = parsed(wire.request("OPTIONS"))

    template = ReplyTemplate(request, Address("203.0.113.5", 1234))

    assert template.destination == Address("203.0.113.5", 1234)
    assert "rport=1234;received=203.0.113.5" in wire.header(template.build(200, "t"), "Via")


def test_without_rport_the_answer_goes_to_the_port_in_via():
    request = parsed(wire.request("OPTIONS", via="SIP/2.0/UDP 10.1.1.1:7777;branch=z9hG4bK1"))

    template = ReplyTemplate(request, Address("203.0.113.5", 1234))

    assert template.destination == Address("203.0.113.5", 7777)
    assert wire.header(template.build(200, "t"), "Via").endswith(";received=203.0.113.5")


def test_maddr_never_moves_an_answer_to_another_host():
    request = parsed(
        wire.request("OPTIONS", via="SIP/2.0/UDP h:5060;branch=z9hG4bK1;maddr=198.51.100.1")
    )

    assert ReplyTemplate(request, wire.PEER_ADDRESS).destination.host == "192.0.2.9"


def test_all_vias_come_back_in_order():
    request = parsed(
        wire.request("OPTIONS", extra="Via: SIP/2.0/TCP second, SIP/2.0/TLS third\r\n")
    )

    vias = wire.headers(ReplyTemplate(request, wire.PEER_ADDRESS).build(200, "t"), "Via")

    assert vias[1:] == ["SIP/2.0/TCP second, SIP/2.0/TLS third"]


def test_a_tag_in_to_is_kept_and_100_gets_none():
    with_tag = parsed(wire.request("BYE", to_tag="ours"))
    without = parsed(wire.request("INVITE"))

    assert wire.header(ReplyTemplate(with_tag, wire.PEER_ADDRESS).build(200, "new"), "To").endswith(
        "tag=ours"
    )
    assert "tag" not in wire.header(ReplyTemplate(without, wire.PEER_ADDRESS).build(100, "n"), "To")


@pytest.mark.parametrize("field", [("X", "a\r\nVia: b"), ("X", "a\nb"), ("X\r\nY", "a"), ("", "a")])
def test_a_header_of_ours_cannot_break_the_message_apart(field):
    with pytest.raises(LocalProtocolError):
        check_fields([field])
