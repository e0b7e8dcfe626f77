"""The SIP endpoint and the framer as a fuzz target, in the midst of calls of every state."""

from pathlib import Path
from zlib import crc32

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address, Transport
from intercom.sip.events import InviteReceived, ReinviteReceived, SipEvent
from intercom.sip.framing import StreamFramer
from tests.sip.wire import (
    OFFER,
    PEER_ADDRESS,
    Bench,
    bench,
    header,
    request,
    response,
    ringing,
    tag_of,
    talking,
)

INPUTS_A_LIFE = 250
"""After so many inputs the endpoint is made anew, so that what one input met can be met again."""
STEP_S = 0.25
STREAM = Address("192.0.2.9", 40_000, Transport.TCP)
VECTORS = Path(__file__).parents[1] / "vectors"
RFC_VECTORS = Path(__file__).parents[3] / "shared" / "vectors"


class SipTarget:
    """Every input is a datagram, or a stream's bytes in two pieces; whoever calls is answered."""

    def __init__(self) -> None:
        self._inputs = 0
        self._renew()

    def seeds(self) -> list[bytes]:
        """List messages that lead far: of the dialogs that are up, and of strangers."""
        tag = self._talking_tag
        inside = [
            request(
                method, branch=f"z9hG4bK{method}", to_tag=tag, call_id="talk", cseq=5, body=body
            )
            for method, body in (
                ("INVITE", OFFER),
                ("UPDATE", OFFER),
                ("PRACK", b""),
                ("INFO", b"Signal=5\r\n"),
                ("BYE", b""),
                ("ACK", b""),
                ("REFER", b""),
            )
        ]
        invite = request("INVITE", body=OFFER, call_id="new", branch="z9hG4bKnew")
        outside = [invite, invite.replace(b"INVITE", b"CANCEL"), request("OPTIONS")]
        outside += [request("REGISTER", extra="Expires: 60\r\n"), request("SUBSCRIBE")]
        challenge = 'Digest realm="a", nonce="b", qop="auth"'
        extras = {
            401: f"WWW-Authenticate: {challenge}\r\n",
            407: f"Proxy-Authenticate: {challenge}, algorithm=SHA-256\r\n",
            183: "Require: 100rel\r\nRSeq: 1\r\nContact: <sip:d@192.0.2.9>\r\n",
            200: "Contact: <sip:d@192.0.2.9>\r\nRecord-Route: <sip:p;lr>\r\nSession-Expires: 90\r\n",
            422: "Min-SE: 1800\r\n",
        }
        answers = [
            response(self._calling, status, extra=extras.get(status, ""), body=body)
            for status, body in ((100, b""), (183, OFFER), (200, OFFER), (401, b""), (407, b""))
        ]
        answers += [response(self._calling, 422, extra=extras[422]), response(self._calling, 486)]
        files = [*VECTORS.glob("*.sip"), *RFC_VECTORS.glob("rfc*/*")]
        small = [data for path in files if len(data := path.read_bytes()) < 4096]
        return [*inside, *outside, *answers, *small]

    def feed(self, data: bytes) -> None:
        """Let it arrive, react as the adapters would, and let time pass."""
        self._inputs += 1
        if self._inputs % INPUTS_A_LIFE == 0:
            self._renew()
        rig, choice = self._rig, crc32(data)
        if choice % 4 == 0:
            self._feed_stream(data, choice)
        else:
            source = PEER_ADDRESS if choice % 4 < 3 else Address(f"198.51.100.{choice % 250}", 5060)
            rig.endpoint.receive_datagram(data, source, rig.now)
        self._react(choice)
        rig.now += STEP_S
        rig.endpoint.handle_timer(rig.now)
        self._react(choice)
        if self._inputs % 1_000 == 0:
            self._check_alive()

    def _feed_stream(self, data: bytes, choice: int) -> None:
        framer, cut = StreamFramer(), choice % (len(data) + 1)
        try:
            for piece in (data[:cut], data[cut:]):
                for message in framer.receive(piece):
                    self._rig.endpoint.receive_datagram(message, STREAM, self._rig.now)
        except RemoteProtocolError:
            self._rig.endpoint.connection_closed(STREAM, self._rig.now)

    def _react(self, choice: int) -> None:
        endpoint = self._rig.endpoint
        while (event := endpoint.next_event()) is not None:
            self._answer(event, choice)
        endpoint.datagrams_to_send()

    def _answer(self, event: SipEvent, choice: int) -> None:
        endpoint, now = self._rig.endpoint, self._rig.now
        if isinstance(event, InviteReceived):
            status = (180, 183, 200, 486)[choice // 4 % 4]
            body = OFFER if status in {183, 200} else b""
            endpoint.respond(event.dialog, now, status, body=body)
            if choice % 3 == 0:
                endpoint.hang_up(event.dialog, now)
        elif isinstance(event, ReinviteReceived):
            endpoint.respond(event.dialog, now, (200, 488)[choice // 4 % 2], body=OFFER)

    def _renew(self) -> None:
        """Make an endpoint with a talk, a call that rings here, and one that rings there."""
        is_open = self._inputs // INPUTS_A_LIFE % 4 != 3
        rig: Bench = bench(
            is_trusted=lambda source, user: is_open or source == PEER_ADDRESS,
            password_of={"panel": "panel's own"}.get,
        )
        _, self._talking_tag = talking(rig, call_id="talk")
        ringing(rig, call_id="ring", branch="z9hG4bKring")
        rig.call()
        self._calling = rig.newest("INVITE")
        assert tag_of(header(self._calling, "From"))
        self._rig = rig

    def _check_alive(self) -> None:
        rig = self._rig
        rig.now += 60.0
        alive = request("OPTIONS", branch=f"z9hG4bKalive{self._inputs}", call_id="alive")
        rig.endpoint.receive_datagram(alive, PEER_ADDRESS, rig.now)
        sent = [each.data for each in rig.endpoint.datagrams_to_send()]
        assert any(data.startswith(b"SIP/2.0 200") for data in sent), "OPTIONS is not answered"
