"""ICE-lite: which checks count, what they are answered, and where that makes us send."""

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from intercom.media.ice import MAX_CHECK_BYTES, IceCredentials, IceLite, local_ufrag_of

OURS = IceCredentials("ourufrag", "our-password-of-22-characters")
PHONE, LAPTOP = ("192.0.2.1", 4000), ("192.0.2.2", 5000)


def check(
    *, username: str | None = "ourufrag:theirs", pwd: str | None = OURS.pwd, nominate: bool = False
) -> bytes:
    attributes: dict[str, object] = {} if username is None else {"USERNAME": username}
    if nominate:
        attributes["USE-CANDIDATE"] = None
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, b"t" * 12, attributes)
    if pwd is None:
        message.add_fingerprint()
    else:
        message.add_message_integrity(pwd.encode())
    return bytes(message)


def confirmed(ice: IceLite, packet: bytes, source: tuple[str, int], now: float = 0.0) -> None:
    result = ice.receive(packet, source)
    assert result.is_valid
    ice.confirm(result, source, now)


def test_a_right_check_is_answered_with_the_source_as_the_router_sees_it():
    result = IceLite(OURS).receive(check(), PHONE)

    response = stun.parse_message(result.response)
    assert response.message_class is stun.Class.RESPONSE
    assert response.transaction_id == b"t" * 12
    assert response.attributes["XOR-MAPPED-ADDRESS"] == PHONE
    assert response.check_message_integrity(OURS.pwd.encode())
    assert "FINGERPRINT" in response.attributes


@pytest.mark.parametrize(
    ("source", "mapped"),
    [
        (("2001:db8::1", 7, 0, 0), ("2001:db8::1", 7)),
        (("fe80::1%eth0", 7, 0, 2), ("fe80::1", 7)),
        (("::ffff:192.0.2.1", 7, 0, 0), ("192.0.2.1", 7)),
    ],
)
def test_an_ipv6_source_is_told_as_the_app_knows_it(source: tuple, mapped: tuple[str, int]):
    result = IceLite(OURS).receive(check(), source)

    assert stun.parse_message(result.response).attributes["XOR-MAPPED-ADDRESS"] == mapped


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (check(pwd="wrong"), 401),
        (check(username="ourufrag:another"), 401),
        (check(username="ourufrag"), 401),
        (check(pwd=None), 400),
    ],
)
def test_a_check_without_right_integrity_and_names_is_refused(packet: bytes, code: int):
    ice = IceLite(OURS)
    ice.remote_ufrag = "theirs"

    result = ice.receive(packet, PHONE)

    assert not result.is_valid
    assert stun.parse_message(result.response).error_code == code
    assert len(result.response) <= 2 * len(packet)


def test_before_the_answer_any_remote_name_is_taken():
    assert IceLite(OURS).receive(check(username="ourufrag:whoever"), PHONE).is_valid


def test_before_a_nomination_the_latest_source_is_used():
    ice = IceLite(OURS)

    confirmed(ice, check(), PHONE)
    confirmed(ice, check(), LAPTOP)

    assert ice.selected == LAPTOP


def test_after_a_nomination_only_another_nomination_moves_us():
    ice = IceLite(OURS)
    confirmed(ice, check(nominate=True), PHONE)

    confirmed(ice, check(), LAPTOP)
    before = ice.selected
    confirmed(ice, check(nominate=True), LAPTOP)

    assert before == PHONE
    assert ice.selected == LAPTOP


def test_only_a_confirmed_check_counts_as_a_sign_of_life():
    ice = IceLite(OURS)

    ice.receive(check(), PHONE)
    before = ice.last_check_at
    confirmed(ice, check(), PHONE, 12.5)

    assert before is None
    assert ice.last_check_at == 12.5


def test_the_leg_is_read_from_the_user_name():
    assert local_ufrag_of(memoryview(check())) == b"ourufrag"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        check()[:-1],
        check() + bytes(MAX_CHECK_BYTES),
        b"\x01\x01" + check()[2:],
        check()[:4] + bytes(4) + check()[8:],
        check(username=None),
    ],
    ids=["empty", "short", "long", "a response", "no cookie", "no user name"],
)
def test_what_is_no_check_for_a_leg_names_none(packet: bytes):
    assert local_ufrag_of(memoryview(packet)) is None


@given(tail=st.binary(max_size=600))
def test_garbage_after_a_stun_header_never_raises(tail: bytes):
    packet = check()[:2] + len(tail).to_bytes(2) + check()[4:20] + tail

    local_ufrag_of(memoryview(packet))
    assert not IceLite(OURS).receive(packet, PHONE).is_valid


@given(
    position=st.integers(0, len(check()) - stun.FINGERPRINT_LENGTH - 1), value=st.integers(0, 255)
)
def test_a_changed_byte_never_raises_nor_validates(position: int, value: int):
    packet = bytearray(check())
    is_same = packet[position] == value
    packet[position] = value

    local_ufrag_of(memoryview(packet))
    assert IceLite(OURS).receive(bytes(packet), PHONE).is_valid == is_same
