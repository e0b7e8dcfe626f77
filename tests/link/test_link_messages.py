"""The panel link's messages on the wire."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from intercom.errors import RemoteProtocolError
from intercom.link.fields import MAX_MESSAGE_BYTES
from intercom.link.messages import (
    CallState,
    Heartbeat,
    Hello,
    Phase,
    RelayAck,
    RelayCommand,
    RelayOpen,
    RelayState,
    UnknownMessage,
    Welcome,
    decode,
    encode,
)
from intercom.link.signing import canonical, sign, verify

COMMAND = RelayCommand(
    v=1, panel="dør", relay=1, ms=3000, cmd_id="c", ctr=8, chal="n", exp=9, call_id=None
)
MESSAGES = [
    Hello(fw="1.2", ctr=7, caps=("relay:1", "coil_ma"), boot_id="b"),
    Welcome(chal="n", time="2026-01-02T03:04:05+00:00", cfg_rev=3),
    Heartbeat(mono_ms=12),
    RelayOpen(COMMAND, bytes(64)),
    RelayAck(cmd_id="c", accepted=False, cause="the command came too late"),
    RelayState(relay=1, cmd_id="c", phase=Phase.ON, coil_ma=182, contact=None, on_ms=0),
    RelayState(relay=1, cmd_id="c", phase=Phase.OFF, coil_ma=None, contact=True, on_ms=3001),
    CallState(call_id="k", state="ended", reason="nobody answered", text="Ingen svarer"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_every_message_reads_back_as_it_was_written(message):
    assert decode(encode(message)) == message


def test_a_message_of_a_newer_version_is_told_apart_from_a_broken_one():
    assert decode('{"type":"fw.offer","sig":"x"}') == UnknownMessage("fw.offer")


def test_a_field_that_a_newer_version_added_is_passed_over():
    assert decode('{"type":"hb","mono_ms":5,"temperature":21}') == Heartbeat(5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '"hb"',
        "{",
        "[" * 50_000,
        " " * (MAX_MESSAGE_BYTES + 1),
        '{"type":7}',
        '{"type":"hb"}',
        '{"type":"hb","mono_ms":-1}',
        '{"type":"hb","mono_ms":1.5}',
        '{"type":"hb","mono_ms":true}',
        '{"type":"hb","mono_ms":NaN}',
        '{"type":"hb","mono_ms":9007199254740992}',
        '{"type":"hb","mono_ms":' + "9" * 5000 + "}",
        '{"type":"relay.ack","cmd_id":"\\ud800","accepted":true,"cause":""}',
        '{"type":"relay.ack","cmd_id":"c","accepted":1,"cause":""}',
        '{"type":"relay.state","relay":1,"cmd_id":"c","phase":"up","on_ms":0}',
        '{"type":"relay.state","relay":1,"cmd_id":"c","phase":["on"],"on_ms":0}',
        '{"type":"hello","fw":"1","ctr":0,"caps":"x","boot_id":"b"}',
        '{"type":"hello","fw":"1","ctr":0,"caps":[1],"boot_id":"b"}',
        '{"type":"relay.open","cmd":{},"sig":""}',
    ],
)
def test_a_broken_message_raises_the_peers_error_and_nothing_else(text):
    with pytest.raises(RemoteProtocolError):
        decode(text)


@pytest.mark.parametrize("sig", ["", "AAAA", "*" * 88, "å" * 88])
def test_a_signature_that_is_not_64_bytes_of_base64_is_broken(sig):
    fields = json.loads(encode(RelayOpen(COMMAND, bytes(64))))
    fields["sig"] = sig

    with pytest.raises(RemoteProtocolError):
        decode(json.dumps(fields))


def test_a_command_with_a_field_that_is_not_signed_over_is_broken():
    fields = json.loads(encode(RelayOpen(COMMAND, bytes(64))))
    fields["cmd"]["relay2"] = 2

    with pytest.raises(RemoteProtocolError):
        decode(json.dumps(fields))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
_FIELDS = sorted({name for m in MESSAGES for name in json.loads(encode(m))} | {"cmd", "sig"})
_TYPES = ["hello", "welcome", "hb", "relay.open", "relay.ack", "relay.state", "call.state"]


@given(st.text() | _JSON.map(json.dumps))
def test_no_text_at_all_raises_anything_but_the_peers_error(text):
    _decode_or_refuse(text)


@given(st.sampled_from(_TYPES), st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_no_field_of_any_message_raises_anything_but_the_peers_error(kind, fields):
    _decode_or_refuse(json.dumps({**fields, "type": kind}))


@given(st.sampled_from(MESSAGES), st.data())
def test_one_changed_character_raises_nothing_but_the_peers_error(message, data):
    text = encode(message)
    place = data.draw(st.integers(0, len(text) - 1))
    _decode_or_refuse(text[:place] + data.draw(st.characters()) + text[place + 1 :])


def _decode_or_refuse(text: str) -> None:
    try:
        message = decode(text)
    except RemoteProtocolError:
        return
    if isinstance(message, RelayOpen):
        canonical(message.cmd)


def test_the_canonical_form_is_sorted_without_spaces_and_utf_8():
    assert (
        canonical(COMMAND)
        == (
            '{"call_id":null,"chal":"n","cmd_id":"c","ctr":8,"exp":9,"ms":3000,'
            '"panel":"dør","relay":1,"v":1}'
        ).encode()
    )


def test_a_signature_holds_for_the_command_as_it_was_read_from_the_wire():
    key = SigningKey(bytes(32))
    sent = RelayOpen(COMMAND, sign(COMMAND, key))

    received = decode(encode(sent))

    assert isinstance(received, RelayOpen)
    assert verify(received.cmd, received.sig, key.verify_key)


def test_a_signature_of_a_wrong_length_does_not_verify():
    key = SigningKey(bytes(32))

    assert not verify(COMMAND, bytes(10), key.verify_key)
