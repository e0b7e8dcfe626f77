"""A peer written by hand: raw requests and responses, so that both sides are not our own code."""

from collections.abc import Callable
from dataclasses import dataclass, field

from intercom.sip.address import Address
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import DialogId, InviteReceived, SipEvent
from tests.loopback import token_source

OUR_ADDRESS = Address("192.0.2.1", 5060)
PEER_ADDRESS = Address("192.0.2.9", 5060)
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
NEW_OFFER = OFFER.replace(b"o=- 1 1", b"o=- 1 2").replace(b"audio 4000", b"audio 4002")
"""Changed, as in a re-INVITE that is more than a refresh."""


def request(
    method: str,
    *,
    uri: str = "sip:ring@192.0.2.1",
    branch: str = "z9hG4bKpeer1",
    from_tag: str = "peertag",
    to_tag: str = "",
    call_id: str = "call-1",
    cseq: int = 1,
    via: str = "",
    extra: str = "",
    body: bytes = b"",
    cseq_method: str = "",
) -> bytes:
    """Write a request as a plain phone would."""
    via = via or f"SIP/2.0/UDP 192.0.2.9:5060;branch={branch};rport"
    to_tag = f";tag={to_tag}" if to_tag else ""
    kind = "Content-Type: application/sdp\r\n" if body and "Content-Type" not in extra else ""
    head = (
        f"{method} {uri} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\n"
        f"From: <sip:panel@192.0.2.9>;tag={from_tag}\r\nTo: <sip:ring@192.0.2.1>{to_tag}\r\n"
        f"Call-ID: {call_id}\r\nCSeq: {cseq} {cseq_method or method}\r\n"
        f"Contact: <sip:panel@192.0.2.9:5060>\r\n{extra}{kind}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def header(data: bytes, name: str) -> str:
    """Read the first header of that name."""
    return headers(data, name)[0]


def headers(data: bytes, name: str) -> list[str]:
    """Read all headers of that name."""
    lines = data.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    pairs = (line.split(": ", 1) for line in lines)
    return [pair[1] for pair in pairs if pair[0].lower() == name.lower()]


def tag_of(value: str) -> str:
    """Read the tag of From or To."""
    return value.partition(";tag=")[2]


def response(
    to: bytes,
    status: int,
    *,
    reason: str = "Whatever",
    tag: str = "peertag",
    extra: str = "Contact: <sip:door@192.0.2.9:5060>\r\n",
    body: bytes = b"",
) -> bytes:
    """Write the response to one of our requests."""
    to_value = header(to, "To")
    if "tag=" not in to_value and status > 100:
        to_value += f";tag={tag}"
    kind = "Content-Type: application/sdp\r\n" if body else ""
    head = (
        f"SIP/2.0 {status} {reason}\r\nVia: {header(to, 'Via')}\r\nFrom: {header(to, 'From')}\r\n"
        f"To: {to_value}\r\nCall-ID: {header(to, 'Call-ID')}\r\nCSeq: {header(to, 'CSeq')}\r\n"
        f"{extra}{kind}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Bench:
    """One endpoint with a hand-written peer, on virtual time."""

    endpoint: Endpoint
    now: float = 100.0
    sent: list[bytes] = field(default_factory=list)
    destinations: list[Address] = field(default_factory=list)
    events: list[SipEvent] = field(default_factory=list)

    def take(self, data: bytes, source: Address = PEER_ADDRESS) -> list[str]:
        """Let a datagram arrive; return the start lines of what goes out."""
        self.endpoint.receive_datagram(data, source, self.now)
        return self.collect()

    def collect(self) -> list[str]:
        """Collect events and datagrams; return the new start lines."""
        while (event := self.endpoint.next_event()) is not None:
            self.events.append(event)
        datagrams = self.endpoint.datagrams_to_send()
        self.sent += [datagram.data for datagram in datagrams]
        self.destinations += [datagram.destination for datagram in datagrams]
        return [start(datagram.data) for datagram in datagrams]

    def wait(self, duration_s: float) -> list[str]:
        """Let time pass; return the start lines of what goes out."""
        end = self.now + duration_s
        out = self.collect()
        for _ in range(10_000):
            at = self.endpoint.get_timer()
            if at is None or at > end:
                break
            self.now = max(at, self.now)
            self.endpoint.handle_timer(self.now)
            out += self.collect()
        self.now = end
        return out

    def call(self, **settings: object) -> DialogId:
        """Call the peer; the INVITE is the newest in `sent`."""
        options: dict[str, object] = {
            "target": "sip:door@192.0.2.9",
            "destination": PEER_ADDRESS,
            "from_uri": "sip:router@192.0.2.1",
            "body": OFFER,
        }
        dialog = self.endpoint.invite(self.now, **(options | settings))  # type: ignore[arg-type]  # the tests' own
        self.collect()
        return dialog

    @property
    def last(self) -> bytes:
        """The newest datagram that went out."""
        return self.sent[-1]

    def newest(self, method: str) -> bytes:
        """Return the newest request of a method that went out."""
        return next(data for data in reversed(self.sent) if data.startswith(method.encode() + b" "))

    def count(self, method: str) -> int:
        """Count the requests of a method that went out."""
        return sum(data.startswith(method.encode() + b" ") for data in self.sent)


def start(data: bytes) -> str:
    """Shorten a start line to its method or status."""
    words = data.split(b"\r\n", 1)[0].decode().split(" ")
    return words[1] if words[0] == "SIP/2.0" else words[0]


def bench(**settings: object) -> Bench:
    """Make an endpoint that trusts everybody, unless set otherwise."""
    config = EndpointConfig(local=OUR_ADDRESS, is_trusted=lambda source, user: True)
    for name, value in settings.items():
        assert hasattr(config, name)
        setattr(config, name, value)
    return Bench(Endpoint(config, token=token_source(7)))


def never_trusted() -> Callable[[Address, str], bool]:
    """Make an empty allow-list."""
    return lambda source, user: False


def ringing(rig: Bench, **options: str) -> tuple[DialogId, str]:
    """Let the peer call us; return the dialog's handle and our tag."""
    rig.take(request("INVITE", body=OFFER, **options))
    event = rig.events[-1]
    assert isinstance(event, InviteReceived)
    dialog = event.dialog
    rig.endpoint.respond(dialog, rig.now, 180)
    rig.collect()
    return dialog, tag_of(header(rig.last, "To"))


def talking(rig: Bench, **options: str) -> tuple[DialogId, str]:
    """Let the peer call us, and answer."""
    dialog, tag = ringing(rig, **options)
    rig.endpoint.respond(dialog, rig.now, 200, body=OFFER)
    rig.take(request("ACK", branch="z9hG4bKack", to_tag=tag))
    rig.collect()
    return dialog, tag


def answered(
    rig: Bench, *, extra: str = "Contact: <sip:door@192.0.2.9:5060>\r\n", **settings: object
) -> DialogId:
    """Let the peer answer a call of ours."""
    dialog = rig.call(**settings)
    rig.take(response(rig.last, 200, extra=extra, body=OFFER))
    return dialog
