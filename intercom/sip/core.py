"""What all parts of an endpoint share: settings, tables, the way out for events and datagrams."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import quote

from intercom.sip.address import Address, Datagram, Transport, host_port
from intercom.sip.counters import Counters
from intercom.sip.digest import BOTH
from intercom.sip.draft import BRANCH_COOKIE
from intercom.sip.events import DialogId, SipEvent
from intercom.sip.guard import GuardLimits, SourceGuard
from intercom.sip.message import ReplyTemplate, Request
from intercom.sip.stream_memory import StreamMemory
from intercom.sip.timer import TimerQueue
from intercom.sip.transaction_layer import TransactionLayer

if TYPE_CHECKING:
    from intercom.sip.usage import InviteUsage

ALLOW = "INVITE, ACK, CANCEL, BYE, INFO, OPTIONS, REGISTER, PRACK, UPDATE"
SUPPORTED = ("100rel", "timer")
"""Extensions that an INVITE, and what follows it, may require: RFC 3262, RFC 4028."""
ABILITIES = (
    ("Allow", ALLOW),
    ("Accept", "application/sdp"),
    ("Supported", ", ".join(SUPPORTED)),
)
"""What the answer to an OPTIONS says."""
_KNOWN_METHODS = frozenset(
    [*ALLOW.split(", "), "REFER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH"]
)
MAX_REPLY_RATIO = 2
"""A reply to somebody unknown is no amplifier: at most so many times the request."""


def _nobody(_username: str) -> str | None:
    return None


def _never(_source: Address, _from_user: str) -> bool:
    return False


def _unlisted(_host: str) -> bool:
    return False


@dataclass
class EndpointConfig:
    """Settings of one endpoint."""

    local: Address
    """What we are reachable as, in Via and Contact: the public address behind a 1:1 NAT."""
    also_local: tuple[Address, ...] = ()
    """Our other addresses: TCP, TLS, and the other family of each."""
    user_agent: str = "Open Intercom"
    realm: str = "intercom"
    password_of: Callable[[str], str | None] = _nobody
    """Digest user to password; None when there is no such user."""
    is_trusted: Callable[[Address, str], bool] = _never
    """(source, From user): may INVITE and REGISTER without digest."""
    is_callback: Callable[[Address, str], bool] = _never
    """(source, Request-URI user): a carrier calls our own number; needs no digest and is no press."""
    is_listed: Callable[[str], bool] = _unlisted
    """Of a host: do the operator's own settings name it? Such a source is never shut out."""
    guard_limits: GuardLimits = field(default_factory=GuardLimits)
    digest_algorithms: tuple[str, ...] = BOTH
    """What to challenge with: `BOTH` or `MD5_ALONE`.

    baresip 1.0 (libre 1.1) gives up at a SHA-256 challenge above or below one with MD5, sipp 3.6.1
    at one above; SIP stacks of that age are in panels too.
    """
    digest_md5_only: bool = False
    """Challenge with MD5 and without qop, for clients of RFC 2069's time."""
    max_contacts: int = 5
    """Of one address-of-record."""
    min_expires_s: int = 60
    default_expires_s: int = 300
    max_expires_s: int = 3600
    reliable_provisionals: bool = False
    """Send a 183 with SDP reliably to callers who can acknowledge it, too; else where they require it.

    Off, because the answer then waits for a PRACK, and a caller whose PRACK is faulty loses the
    call; what is lost without it is early sound and picture, until the 183 is repeated.
    """
    session_expires_s: int | None = 1_800
    """How long a session lives unless it is refreshed, of calls whose peer knows RFC 4028.

    None: never asked for by us, still obeyed. At least 90.
    """
    max_dialogs: int = 10_000
    """That live; those that are over and only answer late messages do not count."""
    max_transactions: int = 20_000


class _Local(NamedTuple):
    """One address of ours, written out."""

    address: Address
    sent_by: str
    contact: str
    """Host, port and transport of a Contact."""

    @classmethod
    def of(cls, address: Address) -> Self:
        """Write an address out."""
        place, transport = host_port(address), address.transport
        mark = f";transport={transport.value.lower()}" if transport.is_stream else ""
        return cls(address, f"{transport.value} {place}", place + mark)


def _by_kind(addresses: tuple[Address, ...]) -> dict[tuple[Transport, bool], _Local]:
    """Sort our addresses by transport and family; the first of a kind counts.

    A host name stands for the other family too, where that has no address of its own.
    """
    found: dict[tuple[Transport, bool], _Local] = {}
    for address in addresses:
        found.setdefault((address.transport, address.is_ipv6), _Local.of(address))
    for address in addresses:
        if _is_name(address.host):
            found.setdefault((address.transport, True), _Local.of(address))
    return found


@lru_cache(maxsize=1_000)
def _quoted_user(user: str) -> str:
    return quote(user, safe="+*#!~.-_")


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


class Core:
    """The shared state of one endpoint."""

    def __init__(self, config: EndpointConfig, token: Callable[[int], str]) -> None:
        self.config = config
        self.token = token
        self.timers = TimerQueue()
        self.layer = TransactionLayer(self.timers)
        self.events: deque[SipEvent] = deque()
        self.usages: dict[DialogId, InviteUsage] = {}
        """By handle: those whose user may still do something."""
        self.usages_by_tag: dict[tuple[str, str], InviteUsage] = {}
        """By Call-ID and our tag: those that may still hear from their peer."""
        self._locals = _by_kind((config.local, *config.also_local))
        self._listening = frozenset(self._locals)
        self.streams = StreamMemory(self.has_stream)
        self.user_agent = ("User-Agent", config.user_agent)
        self.counters = Counters()
        self.guard = SourceGuard(
            self.counters,
            is_listed=config.is_listed,
            limits=config.guard_limits,
        )
        self._key = token(32).encode()[:32]

    def branch(self) -> str:
        """Make a branch."""
        return BRANCH_COOKIE + self.token(16)

    def local_for(self, destination: Address) -> Address:
        """Choose our address of the destination's transport and family."""
        return self._face(destination).address

    def has_stream(self, destination: Address) -> bool:
        """Tell whether we have an address of the destination's transport and family."""
        return (destination.transport, destination.is_ipv6) in self._listening

    def sent_by(self, destination: Address) -> str:
        """Write transport and sent-by of our Via for what goes there."""
        return self._face(destination).sent_by

    def contact(self, user: str, destination: Address, uri: str = "") -> str:
        """Write our Contact for who is there; a request to a sips `uri` wants sips back."""
        name = f"{_quoted_user(user)}@" if user else ""
        scheme = "sips" if uri[:5].lower() == "sips:" else "sip"  # RFC 3261 §8.1.1.8, §12.1.1
        return f"<{scheme}:{name}{self._face(destination).contact}>"

    def _face(self, destination: Address) -> "_Local":
        kind = (destination.transport, ":" in destination.host)
        found = self._locals.get(kind)
        if found is None:  # nobody can connect to us so, but a connection of ours carries both ways
            near = self._locals.get((Transport.UDP, kind[1]))
            address = near.address if near else self.config.local
            found = _Local.of(address._replace(transport=kind[0]))
            self._locals[kind] = found
        return found

    def lose_dialogs(self, peer: Address) -> None:
        """Note in the dialogs with a peer that its connection is gone."""
        for usage in self.usages_by_tag.values():
            dialog = usage.dialog
            if dialog is not None and dialog.peer == peer:
                dialog.is_lost = True

    def send(self, data: bytes, destination: Address) -> None:
        """Send outside any transaction."""
        self.layer.outbox.append(Datagram(data, destination))

    def reply(
        self,
        request: Request,
        source: Address,
        status: int,
        fields: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Answer without keeping anything; the same request gets the same tag (RFC 3261 §8.2.7)."""
        template = ReplyTemplate(request, source)
        call = f"{request.first('call-id')}\n{request.first('from')}\n{request.first('via')}"
        tag = hashlib.blake2s(call.encode(), key=self._key, digest_size=8).hexdigest()
        data = template.build(status, tag, fields=fields)
        if not source.transport.is_stream:
            longest = MAX_REPLY_RATIO * request.size_bytes
            if len(data) > longest and status != 401:  # which is nothing without its challenge
                data = template.build(status, tag)
            if len(data) > longest:
                self.counters.withheld_replies += 1
                return
        self.counters.stateless_replies += 1
        self.send(data, template.destination)


def refusal_of_method(method: str) -> tuple[int, list[tuple[str, str]]]:
    """Choose between 405 and 501 for a method that we do not do (RFC 3261 §8.2.1, §21.5.2)."""
    return (405 if method in _KNOWN_METHODS else 501), [("Allow", ALLOW)]
