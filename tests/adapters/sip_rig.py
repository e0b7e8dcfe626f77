"""The router's SIP adapters on a real socket, and strangers with an endpoint of their own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from firmware_sim.sip_socket import SipSocket, open_sip_socket, token
from intercom.adapters.sip.transport import SipTransport
from intercom.media.bridge import Bridge
from intercom.ports import CallFacts
from intercom.routing.directory import Directory
from intercom.routing.ids import CallId
from intercom.sip.address import Address
from intercom.sip.digest import Credentials
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import DialogId, InviteReceived, SipEvent
from intercom.sip.offer_answer import Codec, LocalMedia, make_answer, make_offer
from tests.fakes import HOUSE, MAIN, PANEL
from tests.ports import free_port

HOST = "127.0.0.1"
SOUND = LocalMedia(host=HOST, audio_port=40_000, audio_rtcp_port=40_001)
Event = TypeVar("Event", bound=SipEvent)


async def until(is_so: Callable[[], object]) -> None:
    for _ in range(400):
        if is_so():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("it did not come true")


def open_files() -> int:
    """Count the sockets and files that this process holds."""
    return len(list(__import__("pathlib").Path("/proc/self/fd").iterdir()))


@contextlib.asynccontextmanager
async def router_of(directory: Directory) -> AsyncIterator[SipTransport]:
    """Run the router's endpoint for the panels of a building."""
    passwords = {each.panel_id: each.password for each in directory.panels.values()}
    port = free_port()
    config = EndpointConfig(
        local=Address(HOST, port),
        password_of=lambda user: passwords.get(
            user, "known to no building" if user == "x" else None
        ),
    )
    async with SipTransport(Endpoint(config, token=token), HOST, port) as transport:
        yield transport


@dataclass
class Stranger:
    """The far end: a panel, or a carrier."""

    sip: SipSocket
    events: list[SipEvent] = field(default_factory=list)
    datagrams: list[bytes] = field(default_factory=list)
    """Everything that it received."""
    offer: bytes = field(default_factory=lambda: make_offer(SOUND))

    @property
    def address(self) -> Address:
        return self.sip.local

    def call(
        self, transport: SipTransport, button: str = "anna", *, user: str = PANEL, body=None
    ) -> DialogId:
        host = f"{HOST}:{transport.port}"
        dialog = self.sip.endpoint.invite(
            self.sip.now,
            target=f"sip:{button}@{host}",
            destination=Address(HOST, transport.port),
            from_uri=f"sip:{user}@{host}",
            body=self.offer if body is None else body,
            credentials=Credentials(user, "known to no building" if user == "x" else "panel's own"),
        )
        self.sip.flush()
        return dialog

    def hang_up(self, dialog: DialogId) -> None:
        self.sip.endpoint.hang_up(dialog, self.sip.now)
        self.sip.flush()

    def respond(self, status: int, *, body: bytes = b"") -> None:
        """Answer the newest call."""
        dialog = self.all(InviteReceived)[-1].dialog
        self.sip.endpoint.respond(dialog, self.sip.now, status, body=body)
        self.sip.flush()

    def answer(self) -> None:
        self.respond(200, body=make_answer(self.all(InviteReceived)[-1].body, SOUND)[0])

    def send_info(self, digit: str) -> None:
        dialog = self.all(InviteReceived)[-1].dialog
        body = f"Signal={digit}\r\nDuration=160\r\n".encode()
        self.sip.endpoint.send_info(dialog, self.sip.now, "application/dtmf-relay", body)
        self.sip.flush()

    def all(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def hear(self, kind: type[Event]) -> Event:
        """Wait for the first event of a kind."""
        await until(lambda: self.all(kind))
        return self.all(kind)[0]


@contextlib.asynccontextmanager
async def stranger() -> AsyncIterator[Stranger]:
    events: list[SipEvent] = []

    def build(local: Address) -> Endpoint:
        return Endpoint(EndpointConfig(local=local, is_trusted=lambda *_: True), token=token)

    async with open_sip_socket(HOST, 0, build, events.append) as sip:
        one = Stranger(sip, events)
        sip.is_lost = lambda data: one.datagrams.append(data) is not None
        yield one


def facts_of(directory: Directory, codec: Codec = Codec.PCMA) -> CallFacts:
    """Make a call's facts with a real bridge, whose digits go into `bridge.digits`."""
    digits: list[tuple[str, str]] = []
    bridge = Bridge(on_digit=lambda leg, digit, _: digits.append((leg, digit)))
    bridge.digits = digits  # type: ignore[attr-defined]  # for the tests alone
    return CallFacts(
        call_id=CallId("call-1"),
        property=directory.properties[HOUSE],
        panel=directory.panels[PANEL],
        door=directory.doors[MAIN],
        doorbell=directory.doorbells["anna"],
        bridge=bridge,
        codec=codec,
        picture=None,
    )
