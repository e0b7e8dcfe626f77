"""OPTIONS that we send: whether a trunk is there (RFC 3261 §11)."""

from intercom.sip.address import Transport
from intercom.sip.endpoint import Credentials
from intercom.sip.events import OptionsAnswered, OptionsFailed
from tests.sip.wire import PEER_ADDRESS, bench, header, headers, response

TCP = PEER_ADDRESS._replace(transport=Transport.TCP)
CHALLENGE = 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth", algorithm=MD5\r\n'


def test_an_answered_options_tells_its_status():
    rig = bench()

    probe = rig.endpoint.options(rig.now, target="sip:carrier.example", destination=PEER_ADDRESS)
    rig.collect()
    rig.take(response(rig.last, 404))

    assert rig.last.startswith(b"OPTIONS sip:carrier.example SIP/2.0\r\n")
    assert header(rig.last, "From").startswith("<sip:192.0.2.1:5060>;tag=")
    assert header(rig.last, "Max-Forwards") == "70"
    assert rig.events == [OptionsAnswered(probe, 404)]


def test_a_silent_options_is_408_and_one_that_cannot_be_sent_503():
    rig = bench()
    ask = rig.endpoint.options
    silent = ask(rig.now, target="sip:a@b", destination=PEER_ADDRESS)
    rig.wait(32.1)
    lost = ask(rig.now, target="sip:a@b", destination=TCP)
    rig.endpoint.transport_failed(TCP, rig.now)
    rig.collect()

    assert rig.events == [OptionsFailed(silent, 408), OptionsFailed(lost, 503)]


def test_a_challenged_options_is_answered_with_credentials():
    rig = bench()
    probe = rig.endpoint.options(
        rig.now,
        target="sip:carrier.example",
        destination=PEER_ADDRESS,
        from_uri="sip:+47@carrier.example",
        credentials=Credentials("a", "b"),
    )
    rig.collect()

    assert rig.take(response(rig.last, 401, extra=CHALLENGE)) == ["OPTIONS"]
    assert len(headers(rig.last, "Authorization")) == 1
    rig.take(response(rig.last, 200))

    assert rig.events == [OptionsAnswered(probe, 200)]
