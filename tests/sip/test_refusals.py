"""Refusals: limits of size, no amplifier, and nothing that tells which users and buttons there are."""

import hashlib
from collections import Counter

import pytest

from intercom.sip import digest
from intercom.sip.address import Address
from intercom.sip.digest import Credentials, DigestClient, DigestServer, Verdict
from tests.loopback import token_source
from tests.sip.nat import PASSWORD, password_of
from tests.sip.wire import OFFER, PEER_ADDRESS, Bench, bench, header, never_trusted, request

NOBODY = {"is_trusted": never_trusted(), "password_of": password_of}
V6 = Address("2001:db8::9", 5060)
V6_VIA = "SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bKsix;rport"
MANY = 100_000


def lines(name: str, value: str, count: int) -> str:
    return f"{name}: {value}\r\n" * count


# Limits


@pytest.mark.parametrize(
    ("extra", "body", "status"),
    [
        ("", b"v" * 16_384, "100"),
        ("", b"v" * 16_385, "413"),
        (lines("X-Filler", "x", 90), b"", "100"),
        (lines("X-Filler", "x", 110), b"", "413"),
        (lines("Via", "SIP/2.0/UDP h;branch=z9hG4bKv", 69), b"", "100"),
        (lines("Via", "SIP/2.0/UDP h;branch=z9hG4bKv", 70), b"", "413"),
        ("Record-Route: " + ",".join(["<sip:p;lr>"] * 70) + "\r\n", b"", "100"),
        ("Record-Route: " + ",".join(["<sip:p;lr>"] * 71) + "\r\n", b"", "413"),
        ("Route: " + ",".join(["<sip:p;lr>"] * 71) + "\r\n", b"", "413"),
        ("Contact: " + ",".join(["<sip:p>"] * 20) + "\r\n", b"", "413"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_is_too_large_is_413_at_its_limit(extra, body, status):
    rig = bench()

    assert rig.take(request("INVITE", extra=extra, body=body)) == [status]
    assert rig.endpoint.counters.refused_too_large == (status == "413")


def test_a_request_uri_that_is_too_long_is_414():
    rig = bench()

    assert rig.take(request("INVITE", uri=f"sip:{'a' * 2_100}@192.0.2.1", body=OFFER)) == ["414"]


def test_a_message_above_64_kb_is_513_where_a_transport_carries_it():
    rig = bench()

    assert rig.take(request("OPTIONS", extra=f"X: {'x' * 70_000}\r\n")) == ["513"]


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n" * 40_000 + b"x",
        b"x" * 70_000,
        b"ACK sip:a SIP/2.0\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"INVITE sip:a SIP/2.0\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"SIP/2.0 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
    ids=["line ends", "no lines", "an ACK", "without a Via", "a response"],
)
def test_what_is_too_large_and_no_request_is_dropped(data):
    rig = bench()

    assert rig.take(data) == []
    assert rig.endpoint.counters.dropped_malformed + (data[:2] == b"\r\n") >= 1


def test_garbage_leaves_the_next_options_answered():
    rig = bench()
    for data in (b"\0" * 60_000, b"INVITE" * 9_000, b"Via: x\r\n" * 8_000, OFFER * 200):
        rig.take(data)

    assert rig.take(request("OPTIONS")) == ["200"]


# Amplification and state


REFUSED = {
    "no credentials": ("INVITE", {}),
    "register": ("REGISTER", {}),
    "no dialog": ("BYE", {"to_tag": "x"}),
    "no call": ("CANCEL", {}),
    "unknown method": ("FROBNICATE", {}),
    "known method": ("SUBSCRIBE", {}),
    "options": ("OPTIONS", {}),
    "extension": ("INVITE", {"extra": "Require: a,b,c\r\n"}),
    "too many headers": ("INVITE", {"extra": "A: b\r\n" * 120}),
    "large body": ("INVITE", {"body": b"v" * 20_000}),
    "wrong CSeq": ("INVITE", {"cseq_method": "BYE"}),
    "hops": ("INVITE", {"extra": "Content-Encoding: zip\r\n", "body": OFFER}),
    "many Vias": ("OPTIONS", {"extra": "Via: SIP/2.0/UDP h;branch=z9hG4bKv\r\n" * 60}),
}


def compact(data: bytes) -> bytes:
    """Make a request as short as its sender can."""
    for long, short in ((b"From", b"f"), (b"To", b"t"), (b"Call-ID", b"i"), (b"Via", b"v")):
        data = data.replace(b"\r\n" + long + b": ", b"\r\n" + short + b":")
    return data.replace(b"Contact: <sip:panel@192.0.2.9:5060>\r\n", b"")


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("source", [PEER_ADDRESS, V6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("is_compact", [False, True], ids=["long", "compact"])
def test_a_refusal_is_at_most_twice_its_request_goes_to_its_source_and_costs_no_state(
    name, source, is_compact
):
    method, options = REFUSED[name]
    rig = bench(**NOBODY)
    data = request(method, via=V6_VIA if source is V6 else "", **options)
    data = compact(data) if is_compact else data

    out = rig.take(data, source)

    assert len(out) <= 1
    assert all(len(reply) <= 2 * len(data) for reply in rig.sent)
    assert all(destination == source for destination in rig.destinations)
    sizes = rig.endpoint.table_sizes()
    assert (sizes["transactions"], sizes["dialogs"], sizes["bindings"]) == (0, 0, 0)
    assert rig.endpoint.get_timer() is None
    assert rig.events == []
    if not is_compact or name in {"options", "no dialog", "known method"}:
        assert len(out) == 1  # without its Allow, if that is what makes it too long


def test_a_hundred_thousand_forged_addresses_leave_every_table_bounded():
    rig = bench(**NOBODY)
    data = request("INVITE", body=OFFER)

    for number in range(MANY):
        host = f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        rig.endpoint.receive_datagram(data, Address(host, 5060), 1000.0 + number * 1e-5)
        if number % 1000 == 0:
            rig.endpoint.datagrams_to_send()

    assert sum(rig.endpoint.table_sizes().values()) <= 8_192
    rig.collect()
    rig.now = 1002.0
    assert rig.take(request("OPTIONS", branch="z9hG4bKo")) == ["200"]


# Who exists


def outcome(rig: Bench, user: str, method: str, button: str, password: str | None) -> bytes:
    """Ask as somebody; return the answer without what is chance."""
    client = DigestClient(Credentials(user, password or ""), token_source(3))
    uri = f"sip:{button}@192.0.2.1"
    for cseq in (1, 2):
        extra = "".join(f"{n}: {value}\r\n" for n, value in client.authorize(method, uri))
        data = request(method, uri=uri, branch=f"z9hG4bK{cseq}", cseq=cseq, extra=extra)
        rig.take(data.replace(b"sip:panel@", b"sip:%s@" % user.encode()))
        if password is None or cseq == 2 or b"WWW-Authenticate" not in rig.last:
            break
        client.learn("Authorization", [header(rig.last, "WWW-Authenticate")])
    answer = rig.last.replace(user.encode().ljust(8, b"-"), b"NAME----")
    return answer.partition(b"WWW-Authenticate")[0]


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "BYE", "MESSAGE"])
@pytest.mark.parametrize("password", [None, "guess"], ids=["without credentials", "wrong"])
def test_the_answer_is_the_same_for_users_and_buttons_that_exist_and_that_do_not(method, password):
    answers = {
        outcome(bench(**NOBODY), user, method, button, password)
        for user in ("panel-01", "nobody-1")
        for button in ("anna", "nobody")
    }

    assert len({answer.split(b"\r\n")[0] for answer in answers}) == 1
    assert len({len(answer) for answer in answers}) == 1


def test_a_check_does_the_same_work_for_a_user_that_exists_and_one_that_does_not(monkeypatch):
    work: Counter[str] = Counter()
    name = ""

    class Hashes:
        def __getattr__(self, kind: str):
            work[name] += 1
            return getattr(hashlib, kind)

    monkeypatch.setattr(digest, "hashlib", Hashes())
    server = DigestServer("intercom", password_of, token_source(3))
    for name in ("panel-1", "nobody"):
        (challenge, _) = server.challenges(0.0, "192.0.2.9")
        client = DigestClient(Credentials(name, "guess"), token_source(4))
        client.learn("Authorization", [challenge])
        ((_, value),) = client.authorize("INVITE", "sip:a@b")
        verdict = server.check([value], "INVITE", "sip:a@b", 1.0, host="192.0.2.9")
        assert verdict == (Verdict.WRONG, name)

    assert work["panel-1"] == work["nobody"] > 4


@pytest.mark.parametrize("password", [PASSWORD, "guess"], ids=["right", "wrong"])
def test_a_nonce_of_another_host_or_another_time_is_stale_whatever_the_password(password):
    server = DigestServer("intercom", password_of, token_source(3))
    client = DigestClient(Credentials("panel-1", password), token_source(4))
    client.learn("Authorization", [server.challenges(0.0, "192.0.2.9")[0]])
    ((_, value),) = client.authorize("INVITE", "sip:a@b")

    for host, now in (("192.0.2.10", 1.0), ("192.0.2.9", 301.0), ("192.0.2.9", -5.0)):
        verdict = server.check([value], "INVITE", "sip:a@b", now, host=host)
        assert verdict == (Verdict.STALE, "")
