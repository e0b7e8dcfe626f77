"""What all parts of an endpoint share: settings, tables, the way out for events and datagrams."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from intercom.sip.address import Address, Datagram, host_port
from intercom.sip.digest import BOTH
from intercom.sip.draft import BRANCH_COOKIE
from intercom.sip.events import DialogId, SipEvent
from intercom.sip.message import ReplyTemplate, Request
from intercom.sip.timer import TimerQueue
from intercom.sip.transaction_layer import TransactionLayer

if TYPE_CHECKING:
    from intercom.sip.usage import InviteUsage

ALLOW = "INVITE, ACK, CANCEL, BYE, INFO, OPTIONS, REGISTER"
_KNOWN_METHODS = frozenset(
    [*ALLOW.split(", "), "PRACK", "UPDATE", "REFER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "PUBLISH"]
)
MAX_REPLY_RATIO = 2
"""A reply to somebody unknown is no amplifier: at most so many times the request."""


def _nobody(_username: str) -> str | None:
    return None


def _never(_source: Address, _from_user: str) -> bool:
    return False


@dataclass
class EndpointConfig:
    """Settings of one endpoint."""

    local: Address
    """What we are reachable as, in Via and Contact: the public address behind a 1:1 NAT."""
    user_agent: str = "Open Intercom"
    realm: str = "intercom"
    password_of: Callable[[str], str | None] = _nobody
    """Digest user to password; None when there is no such user."""
    is_trusted: Callable[[Address, str], bool] = _never
    """(source, From user): may INVITE and REGISTER without digest."""
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
    max_dialogs: int = 1_000
    max_transactions: int = 20_000


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
        self.sent_by = f"{config.local.transport.value} {host_port(config.local)}"
        self.user_agent = ("User-Agent", config.user_agent)
        self._host_port = host_port(config.local)
        self._key = token(32).encode()[:32]

    @property
    def is_full(self) -> bool:
        """Tell whether no more calls can be taken."""
        is_crowded = len(self.usages_by_tag) >= self.config.max_dialogs
        return is_crowded or self.layer.size >= self.config.max_transactions

    def branch(self) -> str:
        """Make a branch."""
        return BRANCH_COOKIE + self.token(16)

    def contact(self, user: str) -> str:
        """Write our Contact."""
        name = f"{quote(user, safe='+*#!~.-_')}@" if user else ""
        return f"<sip:{name}{self._host_port}>"

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
        if len(data) <= MAX_REPLY_RATIO * request.size_bytes:
            self.send(data, template.destination)


def refusal_of_method(method: str) -> tuple[int, list[tuple[str, str]]]:
    """Choose between 405 and 501 for a method that we do not do (RFC 3261 §8.2.1, §21.5.2)."""
    return (405 if method in _KNOWN_METHODS else 501), [("Allow", ALLOW)]
