"""REGISTER, both sides (RFC 3261 §10)."""

import pytest

from intercom.sip.address import Address
from intercom.sip.endpoint import Credentials
from intercom.sip.events import BindingChanged, RegistrationFailed, RegistrationSucceeded
from tests.loopback import Loopback
from tests.sip import wire
from tests.sip.wire import bench, header, headers, request, response

ALICE = Credentials("alice", "secret")
CONTACT = "sip:panel@192.0.2.9:5060"


def register(contact=f"<{CONTACT}>", *, cseq=1, expires=None, call_id="reg-1", user="panel"):
    """Write a REGISTER."""
    extra = "" if expires is None else f"Expires: {expires}\r\n"
    data = request(
        "REGISTER",
        uri="sip:192.0.2.1",
        branch=f"z9hG4bK{call_id}{cseq}",
        call_id=call_id,
        cseq=cseq,
        extra=extra,
    )
    line = f"Contact: {contact}\r\n" if contact else ""
    data = data.replace(f"Contact: <{CONTACT}>\r\n".encode(), line.encode())
    return data.replace(b"To: <sip:ring@", f"To: <sip:{user}@".encode())


def uris(rig, user="panel"):
    return [binding.contact_uri for binding in rig.endpoint.bindings(user, rig.now)]


def test_a_contact_is_bound_with_where_it_came_from():
    rig = bench()

    assert rig.take(register(), Address("203.0.113.5", 1234)) == ["200"]

    (binding,) = rig.endpoint.bindings("panel", rig.now)
    assert binding.contact_uri == CONTACT
    assert binding.source == Address("203.0.113.5", 1234)
    assert binding.expires_at == rig.now + 300
    assert header(rig.last, "Contact") == f"<{CONTACT}>;expires=300"
    assert rig.events == [BindingChanged("panel", None, is_registered=True)]


def test_an_address_that_is_unbound_is_reached_nowhere_and_that_is_told_once():
    rig = bench()
    rig.take(register())
    rig.events.clear()

    rig.endpoint.unbind("panel", rig.now)
    rig.endpoint.unbind("panel", rig.now)
    told = [rig.endpoint.next_event(), rig.endpoint.next_event()]

    assert uris(rig) == []
    assert told == [BindingChanged("panel", None, is_registered=False), None]
    assert rig.endpoint.get_timer() is None or rig.endpoint.get_timer() < rig.now + 300


def test_a_contacts_own_expiry_counts_before_the_header():
    rig = bench()

    rig.take(register(f"<{CONTACT}>;expires=100", expires=200))

    assert header(rig.last, "Contact").endswith(";expires=100")


def test_too_short_an_expiry_is_423():
    rig = bench()

    assert rig.take(register(expires=30)) == ["423"]

    assert header(rig.last, "Min-Expires") == "60"
    assert uris(rig) == []


def test_a_very_long_expiry_is_cut():
    rig = bench()

    rig.take(register(expires=86_400))

    assert header(rig.last, "Contact").endswith(";expires=3600")


@pytest.mark.parametrize("expires", ["4294967296", "-1", "abc", "²"])
def test_an_expiry_that_is_no_number_is_400(expires):
    assert bench().take(register(expires=expires)) == ["400"]


def test_a_refresh_is_no_change_and_a_new_source_is():
    rig = bench()
    rig.take(register())

    rig.take(register(cseq=2))
    assert len(rig.events) == 1
    rig.take(register(cseq=3), Address("203.0.113.5", 1234))

    assert len(rig.events) == 2


def test_a_binding_expires():
    rig = bench()
    rig.take(register(expires=60))

    rig.wait(59.0)
    assert uris(rig) == [CONTACT]
    rig.wait(2.0)

    assert uris(rig) == []
    assert rig.events[-1] == BindingChanged("panel", None, is_registered=False)
    rig.wait(60.0)
    assert rig.endpoint.get_timer() is None


def test_a_refreshed_binding_does_not_expire():
    rig = bench()
    rig.take(register(expires=60))
    rig.wait(50.0)
    rig.take(register(expires=60, cseq=2))

    rig.wait(50.0)

    assert uris(rig) == [CONTACT]


def test_an_expiry_of_0_unbinds_that_contact_alone():
    rig = bench()
    rig.take(register())
    rig.take(register("<sip:other@192.0.2.9>", call_id="reg-2"))

    rig.take(register(f"<{CONTACT}>;expires=0", cseq=2))

    assert uris(rig) == ["sip:other@192.0.2.9"]


def test_the_wildcard_unbinds_all():
    rig = bench()
    rig.take(register())
    rig.take(register("<sip:other@192.0.2.9>", call_id="reg-2"))

    assert rig.take(register("*", expires=0, cseq=2)) == ["200"]

    assert uris(rig) == []
    assert headers(rig.last, "Contact") == []
    assert rig.events[-1] == BindingChanged("panel", None, is_registered=False)


@pytest.mark.parametrize(("contact", "expires"), [("*", 60), ("*", None), (f"*, <{CONTACT}>", 0)])
def test_the_wildcard_stands_alone_and_with_expires_0(contact, expires):
    rig = bench()
    rig.take(register())

    assert rig.take(register(contact, expires=expires, cseq=2)) == ["400"]
    assert uris(rig) == [CONTACT]


def test_without_contact_the_bindings_are_listed():
    rig = bench()
    rig.take(register())
    rig.wait(10.0)

    rig.take(register("", cseq=2))

    assert headers(rig.last, "Contact") == [f"<{CONTACT}>;expires=290"]


def test_more_contacts_than_allowed_are_403():
    rig = bench(max_contacts=2)
    for index in range(2):
        rig.take(register(f"<sip:p{index}@192.0.2.9>", call_id=f"reg-{index}"))

    assert rig.take(register("<sip:p9@192.0.2.9>", call_id="reg-9")) == ["403"]
    assert len(uris(rig)) == 2


def test_an_overtaken_register_is_500():
    rig = bench()
    rig.take(register(cseq=5))

    assert rig.take(register(f"<{CONTACT}>;expires=0", cseq=4)) == ["500"]
    assert uris(rig) == [CONTACT]


def test_a_repeated_register_gets_the_same_answer():
    rig = bench()
    rig.take(register())

    assert rig.take(register()) == ["200"]
    assert rig.sent[0] == rig.sent[1]


def test_a_contact_that_cannot_be_read_is_400():
    for contact in ("sip:panel@192.0.2.9?Route=x", "<news:x>", "<sip:>"):
        assert bench().take(register(contact)) == ["400"]


def two_endpoints(**settings):
    net = Loopback()
    client = net.add("10.0.0.1")
    registrar = net.add("10.0.0.2", password_of={"alice": "secret", "bob": "b"}.get, **settings)
    return net, client, registrar


def start(net, client, registrar, *, aor="sip:alice@10.0.0.2", credentials=ALICE, expires_s=100):
    return client.endpoint.register(
        net.now,
        registrar=registrar.address,
        aor=aor,
        credentials=credentials,
        expires_s=expires_s,
    )


def test_a_registration_answers_the_challenge_and_refreshes_itself():
    net, client, registrar = two_endpoints()
    handle = start(net, client, registrar)

    net.run(500.0)

    assert set(client.events) == {RegistrationSucceeded(handle, 100)}
    assert len(client.events) == 7
    assert registrar.events == [BindingChanged("alice", "alice", is_registered=True)]
    (binding,) = registrar.endpoint.bindings("alice", net.now)
    assert binding.contact_uri == "sip:alice@10.0.0.1:5060"
    assert binding.username == "alice"
    assert net.starts(registrar).count("SIP/2.0 401 Unauthorized") == 2  # the nonce lives 300 s


def test_a_withdrawn_registration_is_gone():
    net, client, registrar = two_endpoints()
    handle = start(net, client, registrar)
    net.run(1.0)

    client.endpoint.unregister(handle, net.now)
    net.run(300.0)

    assert client.events[-1] == RegistrationSucceeded(handle, 0)
    assert registrar.endpoint.bindings("alice", net.now) == []
    assert client.endpoint.get_timer() is None


def test_423_is_answered_with_the_registrars_shortest_time():
    net, client, registrar = two_endpoints(min_expires_s=120)
    handle = start(net, client, registrar, expires_s=60)

    net.run(1.0)

    assert client.events == [RegistrationSucceeded(handle, 120)]


def test_a_wrong_password_is_told_once_and_tried_again_only_after_five_minutes():
    net, client, registrar = two_endpoints()
    handle = start(net, client, registrar, credentials=Credentials("alice", "wrong"))

    net.run(290.0)
    assert client.events == [RegistrationFailed(handle, 401, "Unauthorized")]
    net.run(20.0)

    assert len(client.events) == 2


def test_somebody_elses_address_of_record_is_403():
    net, client, registrar = two_endpoints()
    handle = start(net, client, registrar, aor="sip:bob@10.0.0.2")

    net.run(1.0)

    assert client.events == [RegistrationFailed(handle, 403, "Forbidden")]


def test_a_silent_registrar_is_tried_again():
    net, client, registrar = two_endpoints()
    net.drop = lambda sent: sent.at < 1040.0
    handle = start(net, client, registrar)

    net.run(60.0)

    assert client.events[0] == RegistrationFailed(handle, 408, "Request Timeout")
    assert client.events[-1] == RegistrationSucceeded(handle, 100)


def test_the_registrar_of_a_carrier_may_grant_less():
    rig = bench()
    rig.endpoint.register(
        rig.now,
        registrar=wire.PEER_ADDRESS,
        aor="sip:+4723506953@carrier.example",
        credentials=None,
        expires_s=3600,
    )
    rig.collect()
    assert rig.last.startswith(b"REGISTER sip:carrier.example SIP/2.0\r\n")
    contact = header(rig.last, "Contact").partition(";")[0]

    rig.take(response(rig.last, 200, extra=f"Contact: {contact};expires=60\r\nExpires: 3600\r\n"))

    assert "REGISTER" not in rig.wait(47.9)
    assert rig.wait(0.2) == ["REGISTER"]
