"""A router that listens by TCP and TLS, clients that speak raw bytes, and certificates for both."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware_sim.sip_socket import token
from intercom.adapters.sip.stream_limits import StreamLimits
from intercom.adapters.sip.tls import Tls, TlsFiles
from intercom.adapters.sip.transport import SipTransport, StreamSettings
from intercom.sip.address import Address, Transport
from intercom.sip.endpoint import Endpoint, EndpointConfig
from tests.adapters.sip_rig import HOST, until
from tests.ports import free_port

NO_TLS = TlsFiles()
CRLF = "\r\n"
READ_S = 2.0


def free_tcp_port(host: str = HOST) -> int:
    """Give a port that is free for UDP and TCP."""
    return free_port(host)


@contextlib.asynccontextmanager
async def listening_router(
    *,
    host: str = HOST,
    also_host: str | None = None,
    limits: StreamLimits | None = None,
    files: TlsFiles = NO_TLS,
    **config: object,
) -> AsyncIterator[SipTransport]:
    """Run an endpoint with UDP, TCP and, where there is a certificate, TLS."""
    port, tls_port = free_tcp_port(host), free_tcp_port(host)
    local = Address(host, port)
    also = [local._replace(transport=Transport.TCP), Address(host, tls_port, Transport.TLS)]
    if also_host is not None:
        also += [Address(also_host, port, kind) for kind in (Transport.UDP, Transport.TCP)]
    endpoint = Endpoint(EndpointConfig(local=local, also_local=tuple(also), **config), token=token)
    settings = StreamSettings(
        Tls(files), tls_port if files.certificate else None, limits or StreamLimits()
    )
    async with SipTransport(
        endpoint, host, port, also_host=also_host, streams=settings
    ) as transport:
        transport.tls_port = tls_port
        transport.tls = settings.tls
        yield transport


@dataclass
class Client:
    """A stream of bytes to the router, or one that the router opened to us."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def local(self) -> tuple[str, int]:
        return self.writer.get_extra_info("sockname")[:2]

    def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))

    async def read(self, count: int = 65_536) -> bytes:
        """Read what there is; b"" when the router closed."""
        async with asyncio.timeout(READ_S):
            try:
                return await self.reader.read(count)
            except OSError:
                return b""

    async def message(self) -> str:
        """Read one message."""
        async with asyncio.timeout(READ_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length:")[2].split("\r\n")[0])
            return head + (await self.reader.readexactly(length)).decode()

    async def is_closed_within(self, seconds: float) -> bool:
        """Read until the router closes, and tell whether it did."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True


@contextlib.asynccontextmanager
async def client_of(
    port: int, *, host: str = HOST, context: ssl.SSLContext | None = None, name: str | None = None
) -> AsyncIterator[Client]:
    """Connect to the router."""
    reader, writer = await asyncio.open_connection(
        host, port, ssl=context, server_hostname=name if context else None
    )
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


@dataclass
class Server:
    """A far end that the router connects to."""

    port: int
    clients: list[Client]

    async def client(self) -> Client:
        await until(lambda: self.clients)
        return self.clients[-1]


@contextlib.asynccontextmanager
async def server_of(*, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Listen as a carrier does."""
    clients: list[Client] = []
    server = await asyncio.start_server(
        lambda reader, writer: clients.append(Client(reader, writer)), HOST, 0, ssl=context
    )
    try:
        yield Server(server.sockets[0].getsockname()[1], clients)
    finally:
        server.close()
        for client in clients:
            client.writer.transport.abort()
        await asyncio.sleep(0)


def request(
    method: str = "OPTIONS",
    *,
    number: int = 1,
    transport: str = "TCP",
    body: str = "",
    more: str = "",
) -> bytes:
    """Write a request of a stranger."""
    lines = [
        f"{method} sip:a@{HOST} SIP/2.0",
        f"Via: SIP/2.0/{transport} panel.invalid;branch=z9hG4bK{number};rport",
        f"From: <sip:b@{HOST}>;tag={number}",
        f"To: <sip:a@{HOST}>",
        f"Call-ID: {number}",
        f"CSeq: 1 {method}",
        "Max-Forwards: 70",
        f"Contact: <sip:b@{HOST};transport={transport.lower()}>",
        *([more] if more else []),
        f"Content-Length: {len(body)}",
    ]
    return (CRLF.join(lines) + CRLF + CRLF + body).encode()


@dataclass
class Authority:
    """A certificate authority in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The tests' own CA")])
        usage = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self._name, self._key).add_extension(usage, critical=True)
        key_usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(key_usage, critical=True)
        certificate = builder.sign(self._key, hashes.SHA256())
        self.file = self.folder / f"ca-{id(self)}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self, common_name: str, *hosts: str, file: str = "one", password: bytes | None = None
    ) -> tuple[Path, Path]:
        """Write a certificate for some hosts, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = self._builder(name, key)
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]),
                critical=False,
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        paths = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )
        return paths

    def client_context(self, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
        """Make what a client needs that trusts this authority."""
        context = ssl.create_default_context(cafile=str(self.file))
        if pair is not None:
            context.load_cert_chain(*pair)
        return context

    def server_context(self, pair: tuple[Path, Path]) -> ssl.SSLContext:
        """Make what a server needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        return context

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
