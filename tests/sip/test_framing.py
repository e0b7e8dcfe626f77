"""Messages over a stream: where they end, in whatever pieces they come (RFC 3261 §18.3)."""

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intercom.errors import RemoteProtocolError
from intercom.sip.framing import MAX_HEAD_BYTES, PING, StreamFramer
from tests.sip.wire import OFFER, request

MANY = settings(max_examples=200, deadline=None, derandomize=True, database=None)
INVITE = request("INVITE", body=OFFER)
BYE = request("BYE", to_tag="x")
COMPACT = INVITE.replace(b"Content-Length:", b"l :")
FOLDED = INVITE.replace(b"Content-Length: ", b"content-LENGTH:\r\n\t ")
DECOY = BYE.replace(
    b"Contact:", b"X-Content-Length: 9999\r\nSubject: Content-Length: 7\r\nContact:"
)
ODD = BYE.replace(b"BYE", b"!odd-Method0_*+`.%'~")
UNITS = [INVITE, BYE, COMPACT, FOLDED, DECOY, ODD, PING]


def pieces(data, cuts):
    """Cut `data` at these places."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def read(chunks):
    """Feed a new framer until it gives up; return the messages and whether it gave up."""
    framer = StreamFramer()
    messages = []
    for chunk in chunks:
        try:
            messages += framer.receive(chunk)
        except RemoteProtocolError:
            break
    return messages, framer.is_broken


@pytest.mark.parametrize("message", [INVITE, BYE, COMPACT, FOLDED, DECOY, ODD])
def test_a_message_ends_where_its_content_length_says(message):
    framer = StreamFramer()

    assert framer.receive(message[:-1]) == []
    assert framer.is_within_message
    assert framer.receive(message[-1:] + BYE) == [message, BYE]
    assert not framer.is_within_message


@MANY
@given(st.lists(st.sampled_from(UNITS), max_size=6), st.lists(st.integers(0, 10_000), max_size=40))
def test_any_chunking_gives_the_same_messages(units, cuts):
    data = b"".join(units)

    assert read(pieces(data, cuts)) == (units, False)
    assert read([data]) == (units, False)


@MANY
@given(
    st.lists(
        st.sampled_from([*UNITS, b"\r\n", b"\n", b"\0", b"GET / HTTP/1.1\r\n\r\n"]), max_size=6
    ),
    st.binary(max_size=40),
    st.lists(st.integers(0, 10_000), max_size=40),
)
def test_junk_ends_a_stream_at_the_same_place_however_it_is_cut(units, junk, cuts):
    data = b"".join(units) + junk

    assert read(pieces(data, cuts)) == read([data])


@MANY
@given(st.binary(max_size=400))
def test_a_stream_raises_only_remote_protocol_error(data):
    framer = StreamFramer()

    with contextlib.suppress(RemoteProtocolError):
        framer.receive(data)
        framer.receive(data)


def test_a_double_crlf_between_messages_is_a_ping_and_a_single_one_is_a_pong():
    framer = StreamFramer()

    assert framer.receive(b"\r\n") == []
    assert framer.receive(BYE) == [BYE]
    assert framer.receive(b"\r\n\r\n") == [PING]
    assert framer.receive(b"\r\n\r") == []
    assert framer.receive(b"\n" + BYE) == [PING, BYE]


@pytest.mark.parametrize(
    "line",
    [
        b"X: y\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5 5\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 99999999999\r\n",
        b"Content-Length: 70000\r\n",
        b"Content-Length: 5\r\nl: 6\r\n",
    ],
)
def test_a_head_without_a_length_to_believe_is_the_last_that_a_stream_gives(line):
    head = BYE.replace(b"Content-Length: 0\r\n", line)
    framer = StreamFramer()

    assert framer.receive(INVITE + head + BYE) == [INVITE, head]
    assert framer.is_broken
    with pytest.raises(RemoteProtocolError):
        framer.receive(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00",
        b"A" * MAX_HEAD_BYTES,
        b"BYE sip:a SIP/2.0\r\n" + b"X: y\r\n" * 101 + b"Content-Length: 0\r\n\r\n",
        b"BYE sip:a SIP/2.0\r\nX: " + b"y" * MAX_HEAD_BYTES + b"\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["TLS on the TCP port", "endless line", "101 headers", "endless header"],
)
def test_what_is_no_sip_or_too_long_breaks_the_stream(data):
    with pytest.raises(RemoteProtocolError):
        StreamFramer().receive(data)


def test_a_message_of_64_kb_passes_and_one_byte_more_does_not():
    head = BYE.replace(b"Content-Length: 0", b"Content-Length: %05d")
    room = 65_536 - len(head % 0)
    largest = head % room + b"x" * room

    assert StreamFramer().receive(largest) == [largest]
    framer = StreamFramer()
    framer.receive(head % (room + 1))
    assert framer.is_broken
