"""Our own registrations: over any transport, kept open, renewed when lost, with the next registrar."""

import pytest

from intercom.sip.address import Address, Transport
from intercom.sip.events import RegistrationFailed, RegistrationSucceeded
from tests.sip.wire import OUR_ADDRESS, PEER_ADDRESS, bench, header, response

TLS = Address("203.0.113.5", 5061, Transport.TLS, "sip.carrier.example")
SECOND = TLS._replace(host="203.0.113.6")


def registering(registrar=TLS, **settings):
    """Start a registration at the carrier."""
    rig = bench(also_local=(OUR_ADDRESS._replace(port=5061, transport=Transport.TLS),), **settings)
    rig.endpoint.register(
        rig.now, registrar=registrar, aor="sip:+47@carrier.example", credentials=None, expires_s=600
    )
    rig.collect()
    return rig


def registered(registrar=TLS):
    """Let the carrier accept it."""
    rig = registering(registrar)
    rig.take(response(rig.last, 200, extra="Expires: 600\r\n"), rig.destinations[-1])
    return rig


def told(rig):
    return [type(event) for event in rig.events]


def test_a_registration_over_tls_names_its_transport():
    rig = registering()

    assert rig.destinations == [TLS]
    assert header(rig.last, "Via").startswith("SIP/2.0/TLS 192.0.2.1:5061;")
    assert header(rig.last, "Contact").startswith("<sip:+47@192.0.2.1:5061;transport=tls>")
    assert rig.last.startswith(b"REGISTER sip:carrier.example SIP/2.0")


@pytest.mark.parametrize("registrar", [TLS, PEER_ADDRESS], ids=["stream", "UDP"])
def test_crlf_keeps_the_way_open_every_25_s_while_registered(registrar):
    rig = registered(registrar)
    rig.sent.clear()

    rig.wait(24.9)
    assert rig.sent == []
    rig.wait(50.2)

    assert rig.sent == [b"\r\n\r\n"] * 3
    assert rig.destinations[-1] == registrar


def test_a_registration_that_does_not_hold_sends_no_pings():
    rig = registered()
    rig.wait(480.5)
    rig.take(response(rig.newest("REGISTER"), 403), TLS)
    rig.sent.clear()

    rig.wait(200.0)

    assert rig.sent == []


def test_pings_end_with_the_registration():
    rig = registered()
    rig.endpoint.unregister(rig.events[0].registration, rig.now)
    rig.collect()

    rig.take(response(rig.last, 200), TLS)

    assert rig.wait(100.0) == []
    assert rig.endpoint.get_timer() is None


def test_a_lost_flow_is_registered_anew_at_once():
    rig = registered()
    rig.wait(60.0)

    rig.endpoint.connection_closed(TLS, rig.now)

    assert rig.collect() == ["REGISTER"]
    assert told(rig) == [RegistrationSucceeded]
    assert header(rig.last, "CSeq") == "2 REGISTER"
    rig.take(response(rig.last, 200), TLS)
    assert told(rig) == [RegistrationSucceeded, RegistrationSucceeded]
    assert rig.wait(25.1) == [""]


def test_a_flow_that_is_lost_soon_after_its_register_is_not_renewed_in_a_storm():
    rig = registered()
    out = []
    for _ in range(20):
        rig.endpoint.connection_closed(TLS, rig.now)
        out += rig.collect()
        for start in rig.wait(1.0):
            out.append(start)
            if start == "REGISTER":
                rig.take(response(rig.last, 200), TLS)

    assert out.count("REGISTER") <= 5


def test_another_connections_end_is_no_concern_of_the_registration():
    rig = registered()
    rig.wait(60.0)

    rig.endpoint.connection_closed(SECOND, rig.now)

    assert rig.collect() == []


def test_a_connection_that_cannot_be_opened_is_tried_again_slowly():
    rig = registering()

    for _ in range(3):
        rig.endpoint.transport_failed(TLS, rig.now)
        rig.collect()
        rig.wait(9.0)

    assert [event.status for event in rig.events] == [503, 503, 503]
    assert rig.count("REGISTER") == 4


def test_of_several_registrars_the_next_is_tried_at_once():
    rig = registering([TLS, SECOND])

    rig.endpoint.transport_failed(TLS, rig.now)

    assert rig.collect() == ["REGISTER"]
    assert rig.destinations == [TLS, SECOND]
    rig.take(response(rig.last, 200, extra="Expires: 600\r\n"), SECOND)
    assert told(rig) == [RegistrationFailed, RegistrationSucceeded]
    rig.wait(481.0)
    assert rig.destinations[-1] == SECOND


def test_when_all_registrars_failed_the_first_is_tried_again_after_a_while():
    rig = registering([TLS, SECOND])
    rig.endpoint.transport_failed(TLS, rig.now)
    rig.collect()
    rig.take(response(rig.last, 503), SECOND)
    assert rig.destinations == [TLS, SECOND]

    assert rig.wait(1.9) == []
    assert rig.wait(0.2) == ["REGISTER"]
    assert rig.destinations[-1] == TLS


def test_a_refusal_does_not_go_round_the_registrars():
    rig = registering([TLS, SECOND])

    rig.take(response(rig.last, 403), TLS)

    assert rig.wait(200.0) == []


def test_a_refresh_that_its_connection_took_with_it_is_counted_once():
    rig = registered()
    rig.wait(480.5)
    assert rig.count("REGISTER") == 2

    rig.endpoint.connection_closed(TLS, rig.now)
    rig.collect()

    assert told(rig) == [RegistrationSucceeded, RegistrationFailed]
    assert rig.count("REGISTER") == 2
    rig.wait(2.1)
    assert rig.count("REGISTER") == 3
