"""A resident's own SIP phone behind a NAT, over UDP or TCP, and a house that it may register with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from firmware_sim.sip_socket import open_sip_socket, token
from intercom.app import Service, running
from intercom.settings import Settings
from intercom.sip.address import Address, Transport
from intercom.sip.digest import Credentials
from intercom.sip.endpoint import Endpoint, EndpointConfig
from intercom.sip.events import InviteReceived, RegistrationSucceeded, SipEvent
from intercom.sip.framing import StreamFramer
from tests.adapters.sip_rig import HOST, Stranger, until
from tests.fakes import ANNA_NUMBER, CALLER_ID
from tests.ports import free_port, free_ports

BEHIND_NAT = "192.168.7.7"
PASSWORD = "desk's own"
USER = "anna-desk"
NOWHERE = Address(HOST, 0)
RTP_PORTS = 40
PANEL_PASSWORD = "panel's own"


def building(door_url: str, carrier: Address, password: str = PASSWORD) -> str:
    """Write a house whose Anna has no app, but a number and a SIP account."""
    account = f'username = "{USER}"\npassword = "{password}"\n' if password else ""
    return f"""
[property]
name = "House"
kind = "residential"
address = "Storgata 14"
language = "en"
[[door]]
id = "main"
name = "Main entrance"
relay = {{ driver = "http", url = "{door_url}" }}
[[panel]]
id = "main"
door = "main"
password = "{PANEL_PASSWORD}"
buttons = {{ "anna" = "anna" }}
[[doorbell]]
id = "anna"
name = "Anna"
residents = ["anna"]
[[resident]]
username = "anna"
name = "Anna"
app = false
number = "{ANNA_NUMBER}"
{"[[resident.sip_account]]" if account else ""}
{account}
[[trunk]]
id = "carrier"
address = "{carrier.host}:{carrier.port}"
caller_ids = ["{CALLER_ID}"]
probe = false
"""


@contextlib.asynccontextmanager
async def service_for(text: str, folder: Path, sip_port: int = 0) -> AsyncIterator[Service]:
    """Run the service with a building."""
    file = folder / "building.toml"
    file.write_text(text)
    file.chmod(0o600)
    rtp = free_ports(RTP_PORTS)
    sip, http, webrtc = free_port(), free_port(), free_port()
    settings = Settings(
        caller_id=CALLER_ID,
        building_file=file,
        state_dir=folder / "state",
        public_address=HOST,
        sip_host=HOST,
        sip_port=sip_port or sip,
        http_host=HOST,
        http_port=http,
        media_host=HOST,
        rtp_port_first=rtp,
        rtp_port_last=rtp + RTP_PORTS - 1,
        webrtc_port=webrtc,
    )
    async with running(settings, file) as service:
        service._lag.stop()  # a slow machine would be taken for an overloaded one: 503
        yield service


class TcpSip:
    """An endpoint on one TCP connection, with what `Stranger` uses of a `SipSocket`."""

    def __init__(self, endpoint: Endpoint, server: Address, events: list[SipEvent]) -> None:
        self.endpoint = endpoint
        self.local = endpoint._core.config.local
        self._server = server
        self._events = events
        self._writer: asyncio.StreamWriter

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        framer = StreamFramer()
        while data := await reader.read(65_536):
            for message in framer.receive(data):
                self.endpoint.receive_datagram(message, self._server, self.now)
            self.flush()

    def flush(self) -> None:
        for data, destination in self.endpoint.datagrams_to_send():
            assert destination == self._server, "a phone behind a NAT opens nothing else"
            self._writer.write(data)
        while (event := self.endpoint.next_event()) is not None:
            self._events.append(event)


@dataclass
class Phone(Stranger):
    """A phone that says an address of its own NAT's inside."""

    server: Address = NOWHERE

    def register(
        self, user: str = USER, password: str = PASSWORD, expires_s: int = 300, as_user: str = ""
    ) -> None:
        """Register as a user, with the credentials of `as_user` if that is another."""
        self.registration = self.sip.endpoint.register(
            self.sip.now,
            registrar=self.server,
            aor=f"sip:{user}@{HOST}",
            credentials=Credentials(as_user or user, password),
            expires_s=expires_s,
        )
        self.sip.flush()

    async def registered(self) -> None:
        self.register()
        await self.hear(RegistrationSucceeded)

    def unregister(self) -> None:
        self.sip.endpoint.unregister(self.registration, self.sip.now)
        self.sip.flush()

    @property
    def calls(self) -> list[InviteReceived]:
        return self.all(InviteReceived)


@contextlib.asynccontextmanager
async def phone_of(
    service: Service, over: Transport = Transport.UDP, says: str = BEHIND_NAT
) -> AsyncIterator[Phone]:
    """Run a phone that knows only its address behind the NAT, or names the NAT's and its own port."""
    server = Address(HOST, service.settings.sip_port, over)
    events: list[SipEvent] = []

    def build(_: Address) -> Endpoint:
        own = Address(says, 5060, over)
        return Endpoint(EndpointConfig(local=own, is_trusted=lambda *_: True), token=token)

    if over is Transport.UDP:
        async with open_sip_socket(HOST, 0, build, events.append) as sip:
            phone = Phone(sip, events, server=server)
            sip.is_lost = lambda data: phone.datagrams.append(data) is not None
            yield phone
        return
    reader, writer = await asyncio.open_connection(HOST, server.port)
    tcp = TcpSip(build(server), server, events)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tcp.run(reader, writer))
        await asyncio.sleep(0)
        yield Phone(tcp, events, server=server)
        writer.close()


def press(panel: Stranger, service: Service) -> None:
    """Press Anna's button."""
    host = f"{HOST}:{service.settings.sip_port}"
    panel.sip.endpoint.invite(
        panel.sip.now,
        target=f"sip:anna@{host}",
        destination=Address(HOST, service.settings.sip_port),
        from_uri=f"sip:main@{host}",
        body=panel.offer,
        credentials=Credentials("main", PANEL_PASSWORD),
    )
    panel.sip.flush()


async def rung(phone: Phone, times: int = 1) -> InviteReceived:
    await until(lambda: len(phone.calls) >= times)
    return phone.calls[-1]
