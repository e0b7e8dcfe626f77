"""Digest authentication, both sides (RFC 7616, RFC 8760)."""

import pytest

from intercom.sip.digest import (
    MD5_ALONE,
    NONCE_LIFETIME_S,
    Credentials,
    DigestClient,
    DigestServer,
    Verdict,
    digest_response,
)
from intercom.sip.events import InviteReceived
from intercom.sip.headers import parse_auth
from tests.loopback import token_source
from tests.sip import wire
from tests.sip.wire import OFFER, bench, header, never_trusted, request

URI = "sip:ring@192.0.2.1"
ALICE = Credentials("alice", "secret")
PASSWORDS = {"alice": "secret", "bob": "other"}


def server(**settings) -> DigestServer:
    return DigestServer("intercom", PASSWORDS.get, token_source(3), **settings)


def answer(challenge, credentials=ALICE, *, method="INVITE", uri=URI):
    """Answer one challenge."""
    client = DigestClient(credentials, token_source(4))
    assert client.learn("Authorization", [challenge]) is not None
    return client.authorize(method, uri)[0][1]


def test_the_md5_example_of_rfc_2617_comes_out():
    params = {
        "realm": "testrealm@host.com",
        "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "uri": "/dir/index.html",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "0a4f113b",
    }

    response = digest_response(Credentials("Mufasa", "Circle Of Life"), "GET", params)

    assert response == "6629fae49393a05397450978507c4ef1"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_come_out(algorithm, expected):
    params = {
        "realm": "http-auth@example.org",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "uri": "/dir/index.html",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "algorithm": algorithm,
    }

    assert digest_response(Credentials("Mufasa", "Circle of Life"), "GET", params) == expected


def test_md5_sess_hashes_nonce_and_cnonce_in():
    params = {"realm": "r", "nonce": "n", "uri": "u", "cnonce": "c", "algorithm": "MD5-sess"}

    plain = digest_response(ALICE, "INVITE", params | {"algorithm": "MD5"})

    assert digest_response(ALICE, "INVITE", params) != plain


def test_sha_256_is_offered_before_md5():
    challenges = server().challenges(0.0)

    assert [parse_auth(challenge)[1]["algorithm"] for challenge in challenges] == ["SHA-256", "MD5"]
    assert all(parse_auth(challenge)[1]["qop"] == "auth" for challenge in challenges)


def test_md5_alone_is_offered_to_peers_that_give_up_at_anything_else():
    guard = server(algorithms=MD5_ALONE)

    (challenge,) = guard.challenges(0.0)

    assert parse_auth(challenge)[1]["algorithm"] == "MD5"
    assert parse_auth(challenge)[1]["qop"] == "auth"
    assert guard.check([answer(challenge)], "INVITE", URI, 1.0) == (Verdict.ACCEPTED, "alice")


def test_a_response_by_sha_256_is_not_taken_where_md5_alone_was_offered():
    sha_256, _ = server().challenges(0.0)

    verdict, _ = server(algorithms=MD5_ALONE).check([answer(sha_256)], "INVITE", URI, 1.0)

    assert verdict is Verdict.MISSING


@pytest.mark.parametrize("order", [1, -1])
def test_we_answer_the_strongest_challenge_wherever_it_stands(order):
    client = DigestClient(ALICE, token_source(4))

    client.learn("Authorization", server().challenges(0.0)[::order])

    ((_, value),) = client.authorize("INVITE", URI)
    assert "algorithm=SHA-256" in value


def test_we_answer_the_first_of_several_realms():
    client = DigestClient(ALICE, token_source(4))
    weak, strong = 'Digest realm="a", nonce="1"', 'Digest realm="b", nonce="2", algorithm=SHA-256'

    assert client.learn("Authorization", [weak, strong]) == ("a", False)


def test_the_last_four_realms_are_remembered_and_no_more():
    client = DigestClient(ALICE, token_source(4))

    for realm in "abcdea":
        client.learn("Authorization", [f'Digest realm="{realm}", nonce="1"'])

    answers = [value for _, value in client.authorize("INVITE", URI)]
    assert [value.partition('realm="')[2][0] for value in answers] == ["c", "d", "e", "a"]


@pytest.mark.parametrize("index", [0, 1], ids=["SHA-256", "MD5"])
def test_a_right_answer_is_accepted_once(index):
    guard = server()
    value = answer(guard.challenges(0.0)[index])

    assert guard.check([value], "INVITE", URI, 1.0) == (Verdict.ACCEPTED, "alice")
    assert guard.check([value], "INVITE", URI, 2.0) == (Verdict.STALE, "")


def test_the_same_nonce_serves_again_with_a_higher_count():
    guard = server()
    client = DigestClient(ALICE, token_source(4))
    client.learn("Authorization", guard.challenges(0.0))
    first, second = (client.authorize("INVITE", URI)[0][1] for _ in range(2))

    assert "nc=00000001" in first
    assert "nc=00000002" in second
    assert guard.check([second], "INVITE", URI, 1.0)[0] is Verdict.ACCEPTED
    assert guard.check([first], "INVITE", URI, 1.0)[0] is Verdict.STALE


def test_a_nonce_expires():
    guard = server()
    value = answer(guard.challenges(0.0)[0])

    verdict, _ = guard.check([value], "INVITE", URI, NONCE_LIFETIME_S + 1.0)

    assert verdict is Verdict.STALE
    assert "stale=true" in guard.challenges(301.0, is_stale=True)[0]


@pytest.mark.parametrize(
    ("credentials", "method", "uri"),
    [
        (Credentials("alice", "guess"), "INVITE", URI),
        (Credentials("nobody", "secret"), "INVITE", URI),
        (ALICE, "REGISTER", URI),
        (ALICE, "INVITE", "sip:other@192.0.2.1"),
    ],
    ids=["wrong password", "unknown user", "another method", "another target"],
)
def test_a_wrong_answer_is_refused(credentials, method, uri):
    guard = server()
    value = answer(guard.challenges(0.0)[0], credentials, method=method, uri=uri)

    assert guard.check([value], "INVITE", URI, 1.0) == (Verdict.WRONG, credentials.username)


def test_a_nonce_that_is_not_ours_or_of_another_algorithm_is_not_fresh():
    guard, stranger = server(), DigestServer("intercom", PASSWORDS.get, token_source(9))
    foreign = answer(stranger.challenges(0.0)[0])
    sha, md5 = (parse_auth(challenge)[1]["nonce"] for challenge in guard.challenges(0.0))
    swapped = answer(guard.challenges(0.0)[0].replace("SHA-256", "MD5"))

    assert sha != md5
    assert guard.check([foreign], "INVITE", URI, 1.0)[0] is Verdict.STALE
    assert guard.check([swapped], "INVITE", URI, 1.0)[0] is Verdict.STALE


@pytest.mark.parametrize(
    "value",
    ["", "Basic abc", "Digest", 'Digest username="alice"', 'Digest realm="unclosed', "NoOne a=b"],
)
def test_what_is_no_answer_to_us_counts_as_missing(value):
    assert server().check([value], "INVITE", URI, 1.0) == (Verdict.MISSING, "")


def test_an_answer_without_qop_counts_only_for_the_legacy_server():
    modern, legacy = server(), server(is_md5_only=True)
    challenge = legacy.challenges(0.0)
    without_qop = modern.challenges(0.0)[1].replace('qop="auth", ', "")

    assert len(challenge) == 1
    assert "qop" not in challenge[0]
    assert legacy.check([answer(challenge[0])], "INVITE", URI, 1.0)[0] is Verdict.ACCEPTED
    assert modern.check([answer(without_qop)], "INVITE", URI, 1.0)[0] is Verdict.MISSING


def test_a_client_takes_the_first_challenge_that_it_can_answer():
    client = DigestClient(ALICE, token_source(4))

    learnt = client.learn(
        "Authorization",
        [
            'Digest realm="r", nonce="a", algorithm=SHA-512-256, qop="auth"',
            'Digest realm="r", nonce="b", algorithm=MD5, qop="auth-int"',
            'Digest realm="r", nonce="c", algorithm=MD5-sess, qop="auth-int,auth", opaque="o"',
        ],
    )
    _, params = parse_auth(client.authorize("INVITE", URI)[0][1])

    assert learnt == ("r", False)
    assert params["nonce"] == "c"
    assert params["algorithm"] == "MD5-sess"
    assert params["opaque"] == "o"


def test_a_challenge_that_cannot_be_answered_is_not_learnt():
    client = DigestClient(ALICE, token_source(4))

    assert client.learn("Authorization", ["Basic x", 'Digest nonce="x']) is None
    assert client.authorize("INVITE", URI) == ()


def challenged(rig, **options):
    """Send an INVITE without credentials and answer the challenge."""
    rig.take(request("INVITE", body=OFFER))
    credentials = options.pop("credentials", ALICE)
    value = answer(header(rig.last, "WWW-Authenticate"), credentials)
    again = request(
        "INVITE", branch="z9hG4bK2", cseq=2, body=OFFER, extra=f"Authorization: {value}\r\n"
    )
    return rig.take(again)


def test_an_unknown_caller_is_challenged_and_leaves_no_trace():
    rig = bench(is_trusted=never_trusted(), password_of=PASSWORDS.get)

    assert rig.take(request("INVITE", body=OFFER)) == ["401"]
    first = rig.last
    assert rig.take(request("ACK", to_tag=wire.tag_of(header(first, "To")))) == []

    assert rig.events == []
    assert rig.endpoint.get_timer() is None
    assert rig.endpoint._core.layer.size == 0
    assert rig.endpoint._core.usages_by_tag == {}


def test_a_caller_who_proves_it_is_told_with_its_name():
    rig = bench(is_trusted=never_trusted(), password_of=PASSWORDS.get)

    assert challenged(rig) == ["100"]

    event = rig.events[0]
    assert isinstance(event, InviteReceived)
    assert event.username == "alice"


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer():
    answers = []
    for credentials in (Credentials("alice", "guess"), Credentials("nobody", "guess")):
        rig = bench(is_trusted=never_trusted(), password_of=PASSWORDS.get)
        assert challenged(rig, credentials=credentials) == ["401"]
        answers.append(rig.last)

    assert len(answers[0]) == len(answers[1])
    assert answers[0].partition(b"WWW")[0] == answers[1].partition(b"WWW")[0]


def test_the_same_invite_gets_the_same_tag_statelessly():
    rig = bench(is_trusted=never_trusted(), password_of=PASSWORDS.get)

    rig.take(request("INVITE", body=OFFER))
    rig.take(request("INVITE", body=OFFER))

    assert header(rig.sent[0], "To") == header(rig.sent[1], "To")
    assert len(wire.tag_of(header(rig.last, "To"))) == 16


def test_a_stateless_reply_is_at_most_twice_the_request():
    rig = bench(is_trusted=never_trusted(), password_of=PASSWORDS.get)
    tiny = (
        b"INVITE sip:a SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKa\r\nf:<sip:b>;tag=1\r\n"
        b"t:<sip:a>\r\ni:1\r\nCSeq:1 INVITE\r\nm:<sip:b>\r\n\r\n"
    )

    rig.take(tiny)

    assert all(len(data) <= 2 * len(tiny) for data in rig.sent)


def test_a_trusted_address_skips_digest_only_for_its_own_user():
    rig = bench(is_trusted=lambda source, user: (source.host, user) == ("192.0.2.9", "panel"))

    assert rig.take(request("INVITE", body=OFFER)) == ["100"]
    other = request("INVITE", branch="z9hG4bKo", call_id="c2").replace(b"sip:panel@", b"sip:root@")
    assert rig.take(other) == ["401"]
