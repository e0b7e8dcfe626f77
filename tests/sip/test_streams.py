"""Calls over TCP, TLS and IPv6: who is named, and which way everything goes back (RFC 3261 §18)."""

import pytest

from intercom.sip.address import Address, Transport
from intercom.sip.events import (
    BindingChanged,
    DialogEnded,
    InviteAnswered,
    InviteCancelled,
    InviteFailed,
    InviteReceived,
)
from intercom.sip.uri import next_hop
from tests.sip.wire import (
    OFFER,
    OUR_ADDRESS,
    PEER_ADDRESS,
    answered,
    bench,
    header,
    request,
    response,
    ringing,
    tag_of,
)

TCP, TLS = Transport.TCP, Transport.TLS
OURS = (
    Address("192.0.2.1", 5060, TCP),
    Address("192.0.2.1", 5061, TLS),
    Address("2001:db8::1", 5060),
    Address("2001:db8::1", 5061, TLS),
)
PEER_TCP = Address("192.0.2.9", 41234, TCP)
"""A connection that the peer opened."""
TRUNK = Address("192.0.2.9", 5061, TLS, "sip.carrier.example")
"""One that we open."""
PEER_V6 = Address("2001:db8::9", 5070)


def streams(**settings):
    """Make an endpoint with addresses of all kinds."""
    return bench(also_local=OURS, **settings)


def call_in(rig, source=PEER_TCP, via="SIP/2.0/TCP 192.0.2.9:5060;branch=z9hG4bKpeer1;rport"):
    """Let the peer call over a stream, and answer."""
    rig.take(request("INVITE", body=OFFER, via=via), source)
    event = rig.events[-1]
    assert isinstance(event, InviteReceived)
    rig.endpoint.respond(event.dialog, rig.now, 200, body=OFFER)
    rig.collect()
    tag = tag_of(header(rig.last, "To"))
    rig.take(request("ACK", branch="z9hG4bKack", to_tag=tag), source)
    return event.dialog, tag


@pytest.mark.parametrize(
    ("destination", "via", "contact"),
    [
        (PEER_ADDRESS, "UDP 192.0.2.1:5060", "192.0.2.1:5060"),
        (PEER_TCP, "TCP 192.0.2.1:5060", "192.0.2.1:5060;transport=tcp"),
        (TRUNK, "TLS 192.0.2.1:5061", "192.0.2.1:5061;transport=tls"),
        (PEER_V6, "UDP [2001:db8::1]:5060", "[2001:db8::1]:5060"),
        (
            PEER_V6._replace(transport=TLS),
            "TLS [2001:db8::1]:5061",
            "[2001:db8::1]:5061;transport=tls",
        ),
        (
            PEER_V6._replace(transport=TCP),
            "TCP [2001:db8::1]:5060",
            "[2001:db8::1]:5060;transport=tcp",
        ),
    ],
)
def test_via_and_contact_name_our_address_of_the_destinations_transport_and_family(
    destination, via, contact
):
    rig = streams()

    rig.call(destination=destination)

    assert header(rig.last, "Via").startswith(f"SIP/2.0/{via};branch=z9hG4bK")
    assert header(rig.last, "Contact") == f"<sip:router@{contact}>"
    assert rig.destinations[-1] == destination


def test_a_sips_target_gets_a_sips_contact():
    rig = streams()

    rig.call(destination=TRUNK, target="sips:door@carrier.example")

    assert header(rig.last, "Contact") == "<sips:router@192.0.2.1:5061;transport=tls>"


def test_local_for_falls_back_to_the_host_of_that_family():
    core = streams().endpoint._core

    assert core.local_for(PEER_ADDRESS) == OUR_ADDRESS
    assert core.local_for(PEER_V6._replace(transport=TCP)) == Address("2001:db8::1", 5060, TCP)
    assert not core.has_stream(PEER_V6._replace(transport=TCP))


def test_a_host_name_of_ours_stands_for_both_families_where_none_has_an_address_of_its_own():
    ours = tuple(Address("sip.example", port, kind) for port, kind in [(5060, TCP), (5061, TLS)])
    rig = bench(local=Address("sip.example", 5060), also_local=ours)
    own_v6 = Address("2001:db8::1", 5071, TLS)

    rig.call(destination=PEER_V6._replace(transport=TLS))

    assert header(rig.last, "Via").startswith("SIP/2.0/TLS sip.example:5061;")
    assert header(rig.last, "Contact") == "<sip:router@sip.example:5061;transport=tls>"
    assert rig.endpoint._core.has_stream(PEER_V6._replace(transport=TCP))
    mixed = bench(local=Address("sip.example", 5060), also_local=(*ours, own_v6)).endpoint
    assert mixed.local_for(PEER_V6._replace(transport=TLS)) == own_v6


def test_a_response_goes_back_on_its_connection_whatever_the_via_says():
    rig = streams()
    via = "SIP/2.0/TCP 192.0.2.77:5999;branch=z9hG4bKx;maddr=192.0.2.66"

    rig.take(request("INVITE", body=OFFER, via=via), PEER_TCP)

    assert rig.destinations == [PEER_TCP]
    assert header(rig.last, "Via").endswith(";received=192.0.2.9")


def test_a_request_by_udp_whose_via_says_tcp_is_answered_by_udp():
    rig = streams()
    via = "SIP/2.0/TCP 192.0.2.9:5062;branch=z9hG4bKx"

    rig.take(request("OPTIONS", via=via), PEER_ADDRESS._replace(port=5999))

    assert rig.destinations == [PEER_ADDRESS._replace(port=5062)]


@pytest.mark.parametrize(
    ("via", "port", "marks"),
    [
        ("[2001:db8::9]:5070;branch=z9hG4bKx;rport", 5070, ";rport=5070;received=2001:db8::9"),
        ("[2001:db8::9]:5080;branch=z9hG4bKx", 5080, ";branch=z9hG4bKx"),
        ("[2001:DB8::9];branch=z9hG4bKx", 5060, ";branch=z9hG4bKx"),
        ("phone.local;branch=z9hG4bKx", 5060, ";received=2001:db8::9"),
    ],
)
def test_ipv6_replies_go_by_rport_else_by_the_via_port(via, port, marks):
    rig = streams()

    rig.take(request("OPTIONS", via=f"SIP/2.0/UDP {via}"), PEER_V6)

    assert rig.destinations == [PEER_V6._replace(port=port)]
    assert header(rig.last, "Via").endswith(marks)


def test_our_contact_in_a_dialog_is_the_one_of_its_connection():
    rig = streams()

    call_in(rig)

    assert "<sip:ring@192.0.2.1:5060;transport=tcp>" in [
        header(data, "Contact") for data in rig.sent if data.startswith(b"SIP/2.0 200")
    ]


def test_the_2xx_is_repeated_over_a_stream_until_its_ack():
    rig = streams()
    rig.take(request("INVITE", body=OFFER), PEER_TCP)
    rig.endpoint.respond(rig.events[-1].dialog, rig.now, 200, body=OFFER)

    assert rig.wait(4.0) == ["200", "200", "200", "200"]
    rig.take(request("ACK", branch="z9hG4bKack", to_tag=tag_of(header(rig.last, "To"))), PEER_TCP)
    assert rig.wait(10.0) == []


def test_a_refusal_over_a_stream_is_sent_once():
    rig = streams()
    rig.take(request("INVITE", body=OFFER), PEER_TCP)
    rig.endpoint.respond(rig.events[-1].dialog, rig.now, 486)

    assert rig.wait(31.0) == ["486"]


def test_bye_goes_back_on_the_connection_of_the_invite_whatever_contact_and_route_say():
    rig = streams()
    via = "SIP/2.0/TLS 192.0.2.9:5061;branch=z9hG4bKpeer1"
    source = Address("192.0.2.9", 40_000, TLS)
    route = "Record-Route: <sips:edge.example:5061;lr>,<sip:8.8.8.8;transport=TLS;lr>\r\n"
    rig.take(request("INVITE", body=OFFER, via=via, extra=route), source)
    dialog = rig.events[-1].dialog
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    rig.collect()
    tag = tag_of(header(rig.last, "To"))
    rig.take(request("ACK", branch="z9hG4bKack", to_tag=tag), source)

    rig.endpoint.hang_up(dialog, rig.now)

    assert rig.collect() == ["BYE"]
    assert rig.destinations[-1] == source
    assert header(rig.last, "Route") == "<sips:edge.example:5061;lr>"
    assert header(rig.last, "Via").startswith("SIP/2.0/TLS 192.0.2.1:5061;")
    assert rig.wait(31.0) == []


def test_ack_bye_and_cancel_of_our_own_call_use_its_connection():
    rig = streams()
    dialog = answered(rig, destination=TRUNK, target="sip:+47@carrier.example;transport=tls")
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()
    cancelled = rig.call(destination=TRUNK)
    rig.take(response(rig.last, 180), TRUNK)
    rig.endpoint.cancel(cancelled, rig.now)
    rig.collect()

    starts = [data.split(b" ", 1)[0] for data in rig.sent]
    assert starts == [b"INVITE", b"ACK", b"BYE", b"INVITE", b"CANCEL"]
    assert set(rig.destinations) == {TRUNK}
    assert header(rig.last, "Via") == header(rig.newest("INVITE"), "Via")


def test_a_lost_connection_fails_what_waits_with_503():
    rig = streams()
    trying, ringing_ = rig.call(destination=TRUNK), rig.call(destination=TRUNK)
    rig.take(response(rig.last, 180), TRUNK)
    other = rig.call(destination=PEER_TCP)

    rig.endpoint.connection_closed(TRUNK, rig.now)
    rig.collect()

    failed = [event for event in rig.events if isinstance(event, InviteFailed)]
    assert {(event.dialog, event.status) for event in failed} == {(trying, 503), (ringing_, 503)}
    assert other not in {event.dialog for event in failed}


def test_an_unanswered_call_ends_with_its_connection():
    rig = streams()
    rig.take(request("INVITE", body=OFFER), PEER_TCP)
    dialog = rig.events[-1].dialog
    rig.endpoint.respond(dialog, rig.now, 180)
    rig.collect()

    rig.endpoint.connection_closed(PEER_TCP, rig.now)
    rig.collect()
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    assert rig.events[-1] == InviteCancelled(dialog)
    assert rig.wait(200.0) == []
    assert rig.endpoint._core.layer.size == 0
    assert rig.endpoint._core.usages_by_tag == {}


def test_a_call_over_udp_outlives_a_send_that_failed():
    rig = streams()
    dialog, _ = ringing(rig)

    rig.endpoint.transport_failed(PEER_ADDRESS, rig.now)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)

    assert rig.collect() == ["200"]


def test_a_dialog_stays_when_its_connection_goes_until_its_next_request_fails():
    rig = streams()
    dialog, _ = call_in(rig)

    rig.endpoint.connection_closed(PEER_TCP, rig.now)
    rig.collect()
    assert not any(isinstance(event, DialogEnded) for event in rig.events)
    rig.endpoint.send_info(dialog, rig.now, "text/plain", b"x")
    rig.collect()
    assert rig.destinations[-1] == PEER_ADDRESS  # as its Contact says
    rig.endpoint.transport_failed(PEER_ADDRESS, rig.now)
    rig.collect()

    assert [event.dialog for event in rig.events if isinstance(event, DialogEnded)] == [dialog]


def test_a_dialog_moves_to_the_connection_that_its_peer_opens_after_a_loss():
    rig = streams()
    dialog, tag = call_in(rig)
    again = PEER_TCP._replace(port=41_999)
    info = request("INFO", to_tag=tag, cseq=2, branch="z9hG4bKinfo")

    rig.endpoint.connection_closed(PEER_TCP, rig.now)
    rig.take(info, again)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.destinations[-2:] == [again, again]


def test_a_request_over_another_connection_moves_no_dialog_whose_own_one_stands():
    rig = streams()
    dialog, tag = call_in(rig)
    info = request("INFO", to_tag=tag, cseq=2, branch="z9hG4bKinfo")

    rig.take(info, PEER_TCP._replace(port=41_999))
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.destinations[-1] == PEER_TCP


def test_a_dialog_on_a_connection_that_we_opened_by_name_has_it_opened_again():
    rig = streams()
    dialog = answered(rig, destination=TRUNK)

    rig.endpoint.connection_closed(TRUNK, rig.now)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.destinations[-1] == TRUNK


def test_a_dialog_over_tls_is_never_carried_on_in_the_clear():
    rig = streams()
    source = PEER_TCP._replace(transport=TLS)
    dialog, _ = call_in(rig, source)

    rig.endpoint.connection_closed(source, rig.now)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.destinations[-1] == Address("192.0.2.9", 5060, TLS, "192.0.2.9")


def test_a_reply_over_a_stream_may_be_long_for_it_cannot_be_forged_upon_others():
    short = (
        b"OPTIONS sip:a SIP/2.0\r\nv:SIP/2.0/TCP h;branch=z9hG4bKa\r\nf:<sip:a@h>;tag=1\r\n"
        b"t:<sip:a@h>\r\ni:1\r\nCSeq:1 OPTIONS\r\nl:0\r\n\r\n"
    )

    rig = streams()
    assert rig.take(short, PEER_TCP) == ["200"]
    assert b"Allow: " in rig.sent[-1]
    assert rig.take(short.replace(b"i:1", b"i:2"), PEER_ADDRESS) == ["200"]
    assert b"Allow: " not in rig.sent[-1]


def test_a_missing_content_length_is_400_over_a_stream_alone():
    data = request("INVITE").replace(b"Content-Length: 0\r\n", b"")

    rig = streams()
    assert rig.take(data, PEER_TCP) == ["400"]
    assert rig.take(data, PEER_ADDRESS) == ["100"]


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:a@192.0.2.9;transport=tcp", Address("192.0.2.9", 5060, TCP)),
        ("sip:a@192.0.2.9:5080;Transport=TCP;lr", Address("192.0.2.9", 5080, TCP)),
        ("sip:a@192.0.2.9;transport=tls", Address("192.0.2.9", 5061, TLS, "192.0.2.9")),
        ("sips:a@192.0.2.9", Address("192.0.2.9", 5061, TLS, "192.0.2.9")),
        ("sips:a@192.0.2.9;transport=tcp", Address("192.0.2.9", 5061, TLS, "192.0.2.9")),
        ("sip:a@192.0.2.9;transport=UDP", Address("192.0.2.9", 5060)),
        ("sip:a@192.0.2.9;transport=sctp", Address("192.0.2.9", 5060)),
        ("sip:a@10.0.0.1;transport=tcp", PEER_ADDRESS),
        ("sip:a@carrier.example;transport=tls", PEER_ADDRESS),
        ("sip:[2606:4700:0:0::1111]", Address("2606:4700::1111", 5060)),
        (
            "sip:[2606:4700::1111];transport=tls",
            Address("2606:4700::1111", 5061, TLS, "2606:4700::1111"),
        ),
    ],
)
def test_the_next_hop_of_a_uri_when_its_peer_came_by_udp(uri, hop):
    assert next_hop(uri, PEER_ADDRESS) == hop


@pytest.mark.parametrize(
    "uri", ["sip:a@8.8.8.8", "sips:a@192.0.2.9", "sip:a@[2606:4700::1111]:5070"]
)
def test_whoever_came_over_a_stream_is_reached_on_that_connection(uri):
    assert next_hop(uri, PEER_TCP) is PEER_TCP


def test_a_registered_contact_is_called_on_its_connection():
    rig = streams()
    rig.take(request("REGISTER", uri="sip:192.0.2.1"), PEER_TCP)
    (binding,) = rig.endpoint.bindings("ring", rig.now)
    assert rig.events == [BindingChanged("ring", None, is_registered=True)]

    rig.call(target=binding.contact_uri, destination=binding.source)
    rig.take(response(rig.last, 200, body=OFFER), PEER_TCP)

    assert isinstance(rig.events[-1], InviteAnswered)
    assert rig.destinations[-2:] == [PEER_TCP, PEER_TCP]
