"""Bytes from outside: parsers raise only RemoteProtocolError, the endpoint never anything."""

import contextlib
from functools import cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intercom.errors import RemoteProtocolError
from intercom.sip import headers, message, sdp, uri
from intercom.sip.events import InviteReceived
from intercom.sip.framing import PING, StreamFramer
from intercom.sip.offer_answer import LocalMedia, make_answer, make_offer, read_answer
from tests.fuzz.sdp_target import SdpTarget
from tests.fuzz.sip_target import SipTarget
from tests.sip import wire
from tests.sip.wire import OFFER, bench, request, response

MANY = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    database=None,
)
FEW = settings(MANY, max_examples=60)
SEEDS = [
    request("INVITE", body=OFFER, extra="Record-Route: <sip:p;lr>, <sip:q>\r\n"),
    request("REGISTER", extra='Expires: 60\r\nAuthorization: Digest username="a", nc=1\r\n'),
    request("CANCEL"),
    request("ACK", to_tag="x"),
    request("BYE", to_tag="x"),
    request("OPTIONS", extra="Require: a\r\nAccept: b\r\nSubject: one\r\n two\r\n"),
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\n\r\n",
]
SCRAPS = [
    b"\r\n",
    b"\r\n ",
    b"\0",
    b";",
    b",",
    b":",
    b'"',
    b"<",
    b">",
    b"@",
    b"\xff",
    b"\xc2\xb2",
    b"99999999999",
    b"-1",
    b"%00",
    b"%",
    b"[::1]",
    b"*",
    b"tag=",
    b"SIP/2.0",
    b"sip:",
    b"v=0\r\n",
    b"Content-Length: 5\r\n",
    b"\\",
    b" " * 50,
]


@st.composite
def mutated(draw, seeds):
    """Cut, double and sprinkle a real message."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(0, 12)))
        data = data[:at] + draw(st.sampled_from(SCRAPS) | st.binary(max_size=4)) + data[to:]
    return data


@MANY
@given(st.binary(max_size=300) | mutated(SEEDS))
def test_the_message_parser_raises_only_remote_protocol_error(data):
    with contextlib.suppress(RemoteProtocolError):
        message.parse(data)


@FEW
@given(
    st.binary(max_size=300) | mutated([OFFER, offer := make_offer(LocalMedia("::1", 2, 3, 4, 5))])
)
def test_offer_and_answer_raise_only_remote_protocol_error(data):
    local = LocalMedia("192.0.2.1", 6000, 6001, 6002, 6003)

    with contextlib.suppress(RemoteProtocolError):
        sdp.parse(data)
    with contextlib.suppress(RemoteProtocolError):
        body, _ = make_answer(data, local)
        sdp.parse(body)
    with contextlib.suppress(RemoteProtocolError):
        read_answer(make_offer(local), data)


@FEW
@given(st.lists(mutated(SEEDS), min_size=1, max_size=4), st.booleans())
def test_the_endpoint_never_raises_on_requests_stays_alive_and_forgets_them(datagrams, is_trusting):
    rig = bench(is_trusted=lambda source, user: is_trusting, password_of={"a": "b"}.get)

    for data in datagrams:
        rig.take(data)
    for call in [event for event in rig.events if isinstance(event, InviteReceived)]:
        rig.endpoint.hang_up(call.dialog, rig.now)
    rig.wait(400.0)

    assert rig.endpoint._core.usages_by_tag == {}
    assert rig.endpoint._core.layer.size == 0
    alive = request("OPTIONS", branch="z9hG4bKalive", call_id="alive")
    assert rig.take(alive) == ["200"]


@cache
def finals(index: int) -> list[bytes]:
    """Write responses to the INVITE that `bench().call()` sends, which is the same each time."""
    rig = bench()
    rig.call()
    extra = "Contact: <sip:a@192.0.2.9>\r\nRecord-Route: <sip:p;lr>\r\n"
    challenge = 'WWW-Authenticate: Digest realm="a", nonce="b", qop="auth"\r\n'
    statuses = [(180, extra), (200, extra), (401, challenge), (486, extra)]
    return [response(rig.last, status, extra=text) for status, text in statuses]


@FEW
@given(st.lists(mutated(finals(0)), min_size=1, max_size=4))
def test_the_endpoint_never_raises_on_responses_and_every_call_ends(datagrams):
    rig = bench()
    dialog = rig.call()

    for data in datagrams:
        rig.take(data, wire.PEER_ADDRESS)
    rig.endpoint.hang_up(dialog, rig.now)
    rig.wait(400.0)

    assert rig.endpoint._core.usages_by_tag == {}
    assert rig.endpoint._core.layer.size == 0


READERS = [
    headers.parse_via,
    headers.parse_name_address,
    headers.parse_params,
    headers.parse_cseq,
    headers.parse_auth,
    headers.split_list,
    headers.key_of,
    uri.parse_uri,
]
VALUES = [
    b"SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bKx;rport;received=192.0.2.9",
    b'"a, \\"b\\"" <sip:a@b;lr?x=y>;tag=1;q="0,5", <sip:c>',
    b"1 INVITE",
    b'Digest realm="a,b", nonce="c\\"d", qop="auth,auth-int", stale=FALSE',
    b"sips:%2B47:pw@[::1]:5061;transport=tls?a=b",
    b"tel:+47-900.00.001;phone-context=+47",
]


@MANY
@given(st.sampled_from(READERS), st.binary(max_size=80) | mutated(VALUES))
def test_readers_of_single_values_raise_only_remote_protocol_error(reader, data):
    for text in (data.decode("utf-8", "replace"), data.decode("latin-1")):
        with contextlib.suppress(RemoteProtocolError):
            reader(text)


@MANY
@given(
    st.lists(mutated(SEEDS), min_size=1, max_size=3), st.lists(st.integers(0, 2_000), max_size=6)
)
def test_the_framer_gives_the_same_messages_in_whatever_pieces_they_come(datagrams, cuts):
    data = b"".join(datagrams)
    ends = [*sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    assert framed(pieces) == framed([data])


def framed(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """Cut a stream into messages; also say whether it broke."""
    framer, messages = StreamFramer(), []
    for piece in pieces:
        try:
            messages += [each for each in framer.receive(piece) if each != PING]
        except RemoteProtocolError:
            break
    return messages, framer.is_broken


@cache
def targets() -> tuple[SipTarget, SdpTarget]:
    """Make what `make fuzz` feeds a million times."""
    return SipTarget(), SdpTarget()


@MANY
@given(mutated(SEEDS + targets()[0].seeds()))
def test_an_endpoint_amid_calls_takes_anything_over_udp_and_tcp(data):
    targets()[0].feed(data)


@FEW
@given(mutated(targets()[1].seeds()))
def test_every_reader_of_sdp_takes_anything(data):
    targets()[1].feed(data)
