"""Flows (RFC 5626): a registered phone is reached by the way that it came, as long as that lasts."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom.sip.address import Address, Transport
from intercom.sip.events import BindingChanged
from tests.sip.wire import answered, bench, header, headers, request, start

FLOW = Address("198.51.100.7", 40_001, Transport.TLS)
OTHER = Address("198.51.100.7", 40_002, Transport.TLS)
UDP = Address("198.51.100.7", 40_003)
INSTANCE = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"'


def register(port=1, *, params="", supported="outbound", cseq=1, call_id="r", via="", expires=600):
    """Write a REGISTER of a phone behind a NAT."""
    data = request(
        "REGISTER",
        uri="sip:192.0.2.1",
        branch=f"z9hG4bK{call_id}{cseq}{port}",
        call_id=call_id,
        cseq=cseq,
        via=via,
        extra=f"Supported: {supported}\r\nExpires: {expires}\r\n",
    )
    contact = f"Contact: <sip:p@10.0.0.5:{port};transport=tls>{params}\r\n"
    return data.replace(b"Contact: <sip:panel@192.0.2.9:5060>\r\n", contact.encode())


def flows(rig):
    return [binding.source for binding in rig.endpoint.bindings("ring", rig.now)]


def changes(rig):
    return [event.is_registered for event in rig.events if isinstance(event, BindingChanged)]


def test_a_contact_is_bound_to_its_connection_and_unbound_when_that_closes():
    rig = bench()
    rig.take(register(), FLOW)
    assert flows(rig) == [FLOW]

    rig.endpoint.connection_closed(FLOW, rig.now)
    rig.collect()

    assert flows(rig) == []
    assert changes(rig) == [True, False]
    assert rig.endpoint.get_timer() is None


def test_only_the_contacts_of_that_connection_are_unbound():
    rig = bench()
    rig.take(register(1), FLOW)
    rig.take(register(2, cseq=2), UDP)

    rig.endpoint.connection_closed(FLOW, rig.now)
    rig.endpoint.connection_closed(FLOW, rig.now)
    rig.collect()

    assert flows(rig) == [UDP]
    assert changes(rig) == [True, True, True]


def test_a_contact_that_moved_to_another_connection_survives_the_end_of_the_first():
    rig = bench()
    rig.take(register(), FLOW)
    rig.take(register(cseq=2), OTHER)

    rig.endpoint.connection_closed(FLOW, rig.now)

    assert flows(rig) == [OTHER]


@pytest.mark.parametrize("call_id", ["r", "after-a-restart"])
def test_the_same_instance_and_reg_id_replaces_the_old_binding(call_id):
    rig = bench()
    flow = f";{INSTANCE};reg-id=1"
    rig.take(register(1, params=flow), FLOW)

    rig.take(register(2, params=flow, cseq=2, call_id=call_id), OTHER)

    (binding,) = rig.endpoint.bindings("ring", rig.now)
    assert binding.source == OTHER
    assert binding.contact_uri == "sip:p@10.0.0.5:2;transport=tls"
    assert headers(rig.last, "Contact") == [f"<{binding.contact_uri}>;expires=600{flow}"]


def test_outbound_is_confirmed_with_how_often_to_keep_the_flow_alive():
    rig = bench()

    rig.take(register(params=f";{INSTANCE};reg-id=1"), FLOW)
    assert header(rig.last, "Require") == "outbound"
    assert header(rig.last, "Flow-Timer") == "120"
    rig.take(register(params=f";{INSTANCE};reg-id=1", cseq=2), UDP)

    assert header(rig.last, "Flow-Timer") == "29"


def test_a_phone_with_two_flows_is_listed_once_by_its_newer():
    rig = bench()
    rig.take(register(1, params=f";{INSTANCE};reg-id=1"), FLOW)
    rig.take(register(1, params=f";{INSTANCE};reg-id=2", cseq=2), OTHER)
    assert flows(rig) == [OTHER]

    rig.endpoint.connection_closed(OTHER, rig.now)

    assert flows(rig) == [FLOW]


@pytest.mark.parametrize(
    "change",
    [
        {"supported": "path"},
        {"params": f";{INSTANCE}"},
        {"params": ";reg-id=1"},
        {"params": f";{INSTANCE};reg-id=0"},
        {"params": f";{INSTANCE};reg-id=9999999999"},
        {"params": f";{INSTANCE};reg-id=\u00b2"},
        {"via": "SIP/2.0/UDP a;branch=z9hG4bKa,SIP/2.0/UDP b;branch=z9hG4bKb"},
    ],
)
def test_without_outbound_a_contact_is_known_by_its_uri(change):
    rig = bench()

    assert rig.take(register(**({"params": f";{INSTANCE};reg-id=1"} | change)), FLOW) == ["200"]

    (binding,) = rig.endpoint.bindings("ring", rig.now)
    assert binding.key == binding.contact_uri
    assert headers(rig.last, "Flow-Timer") == []


def test_an_old_register_of_the_same_call_does_not_replace_the_newer():
    rig = bench()
    flow = f";{INSTANCE};reg-id=1"
    rig.take(register(1, params=flow, cseq=2), FLOW)

    assert rig.take(register(2, params=flow, cseq=1), OTHER) == ["500"]
    assert flows(rig) == [FLOW]


def test_unregistering_a_flow_ends_it():
    rig = bench()
    flow = f";{INSTANCE};reg-id=1"
    rig.take(register(1, params=flow), FLOW)

    rig.take(register(1, params=flow, cseq=2, expires=0), FLOW)

    assert flows(rig) == []
    assert headers(rig.last, "Flow-Timer") == []


def test_outbound_may_be_required():
    rig = bench()
    data = register().replace(b"Supported: outbound", b"Require: outbound")

    assert rig.take(data, FLOW) == ["200"]
    assert rig.take(data.replace(b"outbound", b"outbound, path").replace(b"K", b"k"), FLOW) == [
        "420"
    ]
    assert header(rig.last, "Unsupported") == "path"


def test_a_panel_that_restarts_again_and_again_does_not_lock_itself_out_by_dead_connections():
    rig = bench(max_contacts=2)

    for port in range(1, 5):
        source = FLOW._replace(port=40_000 + port)
        assert rig.take(register(port, call_id=f"r{port}"), source) == ["200"]

    assert [flow.port for flow in flows(rig)] == [40_003, 40_004]


# Keep-alive


def test_a_ping_on_a_stream_gets_its_pong_and_crlf_by_udp_is_swallowed():
    rig = bench()

    rig.endpoint.receive_datagram(b"\r\n\r\n", FLOW, rig.now)
    assert rig.endpoint.datagrams_to_send() == [(b"\r\n", FLOW)]
    rig.endpoint.receive_datagram(b"\r\n", FLOW, rig.now)
    rig.endpoint.receive_datagram(b"\r\n\r\n", UDP, rig.now)
    rig.endpoint.receive_datagram(b"", UDP, rig.now)

    assert rig.endpoint.datagrams_to_send() == []


def binding_request(attributes=b""):
    """Write a STUN Binding request with transaction id 00…0b."""
    return struct.pack("!HHI", 1, len(attributes), 0x2112A442) + bytes(range(12)) + attributes


@pytest.mark.parametrize(
    ("host", "value"),
    [
        ("192.0.2.1", bytes.fromhex("0001a147 e112a643")),
        (
            "2001:db8:1234:5678:11:2233:4455:6677",
            bytes.fromhex("0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9"),
        ),
    ],
    ids=["IPv4", "IPv6"],
)
def test_a_stun_binding_request_on_the_sip_port_is_answered(host, value):
    """The addresses and values are those of RFC 5769 §2.2 and §2.3."""
    rig = bench()
    transaction = bytes.fromhex("b7e7a701bc34d686fa87dfae")
    data = struct.pack("!HHI", 1, 8, 0x2112A442) + transaction + b"\x80\x22\x00\x04test"
    source = Address(host, 32_853)

    rig.endpoint.receive_datagram(data, source, rig.now)

    (sent,) = rig.endpoint.datagrams_to_send()
    assert sent.destination == source
    assert sent.data[:20] == struct.pack("!HHI", 0x0101, len(value) + 4, 0x2112A442) + transaction
    assert sent.data[20:] == struct.pack("!HH", 0x20, len(value)) + value


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=24), st.sampled_from([UDP, FLOW, Address("fe80::1%eth0", 5060)]))
def test_no_stun_whatever_follows_its_cookie_raises(tail, source):
    rig = bench()
    for head in (b"\0\1\0", b"\0\1\0\x08\x21\x12\xa4\x42" + bytes(12), b"\r\n\r"):
        rig.endpoint.receive_datagram(head + tail, source, rig.now)

    assert all(len(sent.data) <= 44 for sent in rig.endpoint.datagrams_to_send())


@pytest.mark.parametrize(
    "data",
    [
        binding_request()[:-1],
        binding_request(b"\x00\x06\x00\x04user"),
        binding_request(b"\x80\x22\x00\x08user"),
        binding_request(b"\x80\x22\x00\x04user" * 40),
        b"\x01" + binding_request()[1:],
        b"\x00\x01\x00\x00\x21\x12\xa4\x43" + bytes(12),
        b"\x00\x01",
    ],
    ids=["cut off", "mandatory", "attribute", "too long", "response", "cookie", "too short"],
)
def test_other_stun_gets_no_answer(data):
    rig = bench()

    rig.endpoint.receive_datagram(data, UDP, rig.now)

    assert rig.endpoint.datagrams_to_send() == []


@pytest.mark.parametrize("is_flow", [True, False])
def test_a_dialog_by_a_flow_stays_on_it_whatever_port_the_contact_says(is_flow):
    rig = bench()
    contact = f"Contact: <sip:p@{UDP.host}:5060>\r\n"
    dialog = answered(rig, extra=contact, destination=UDP, is_flow=is_flow)
    rig.collect()
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert [start(data) for data in rig.sent] == ["INVITE", "ACK", "BYE"]
    assert rig.newest("BYE").startswith(f"BYE sip:p@{UDP.host}:5060 ".encode())
    expected = UDP if is_flow else UDP._replace(port=5060)
    assert rig.destinations == [UDP, expected, expected]


def test_a_proxy_that_records_its_route_is_followed_from_a_flow_too():
    rig = bench()
    route = "Record-Route: <sip:8.8.8.8;lr>\r\nContact: <sip:p@10.0.0.5:5060>\r\n"
    answered(rig, extra=route, destination=UDP, is_flow=True)
    rig.collect()

    assert rig.destinations[-1] == Address("8.8.8.8", 5060)


def test_a_dialog_by_a_flow_that_is_lost_goes_where_its_contact_says():
    rig = bench()
    contact = "Contact: <sip:p@8.8.8.8:5070;transport=tcp>\r\n"
    flow = UDP._replace(transport=Transport.TCP)
    dialog = answered(rig, extra=contact, destination=flow, is_flow=True)
    rig.collect()
    rig.endpoint.connection_closed(rig.destinations[0], rig.now)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.collect()

    assert rig.destinations[-1] == Address("8.8.8.8", 5070, Transport.TCP)
