"""Relays behind HTTP, against a real server on loopback."""

import asyncio
import datetime as dt
import hashlib
import ipaddress
import re
import secrets
import socket
import ssl

import pytest
from aiohttp import encode_basic_auth, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from intercom.adapters.relay_http import HttpRelayDriver
from intercom.adapters.relay_http import driver as relay_http
from intercom.errors import ConfigError
from intercom.ports import RelayOutcome
from intercom.routing.directory import HttpRelay, PanelLinkRelay
from intercom.routing.ids import CommandId, PanelId

PASSWORD = "gate password"


class Gate:
    """A relay with an HTTP interface: counts the requests that would have opened it."""

    def __init__(self) -> None:
        self.pulses: list[str] = []
        self.requests = 0
        self.status = 200
        self.nonce = secrets.token_hex(8)
        self.delay_s = 0.0
        self.url = ""

    async def open(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        self.pulses.append(request.method)
        await asyncio.sleep(self.delay_s)
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})

    async def basic(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if request.headers.get("Authorization") != encode_basic_auth("api", PASSWORD, "utf-8"):
            return web.Response(status=401)
        self.pulses.append(request.method)
        return web.Response()

    async def digest(self, request: web.Request) -> web.StreamResponse:
        """Ask for RFC 7616 digest with SHA-256 and check it by hand."""
        self.requests += 1
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("Authorization", "")))
        if given.get("response") != self.expected_response(request, given):
            challenge = f'Digest realm="gate", nonce="{self.nonce}", qop="auth", algorithm=SHA-256'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        self.pulses.append(request.method)
        return web.Response()

    def expected_response(self, request: web.Request, given: dict[str, str]) -> str:
        def digest(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        user = digest(f"api:gate:{PASSWORD}")
        uri = digest(f"{request.method}:{request.path_qs}")
        middle = f"{self.nonce}:{given.get('nc')}:{given.get('cnonce')}:auth"
        return digest(f"{user}:{middle}:{uri}")

    async def hang_up(self, request: web.Request) -> web.StreamResponse:
        self.pulses.append(request.method)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


@pytest.fixture
async def gate():
    gate = Gate()
    app = web.Application()
    for path in ("open", "basic", "digest", "hang_up"):
        app.router.add_route("*", f"/{path}", getattr(gate, path))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gate.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield gate
    await runner.cleanup()


@pytest.fixture
async def driver():
    async with HttpRelayDriver() as driver:
        yield driver


async def pulse(
    driver, url, *, method="GET", authentication="none", password=PASSWORD, expected=200
):
    relay = HttpRelay(method, url, authentication, "api", password, expected)
    return await driver.pulse(relay, 1000, CommandId("c1"), None)


async def test_the_expected_status_means_sent_and_never_opened(driver, gate):
    result = await pulse(driver, f"{gate.url}/open?door=1")

    assert result.outcome is RelayOutcome.SENT
    assert gate.pulses == ["GET"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_the_relay_s_method_is_used(driver, gate, method):
    await pulse(driver, f"{gate.url}/open", method=method)

    assert gate.pulses == [method]


async def test_basic_authentication_opens(driver, gate):
    result = await pulse(driver, f"{gate.url}/basic", authentication="basic")

    assert result.outcome is RelayOutcome.SENT


async def test_digest_authentication_opens_once_also_when_used_again(driver, gate):
    first = await pulse(driver, f"{gate.url}/digest?a=1&b=2", authentication="digest")
    gate.nonce = secrets.token_hex(8)
    second = await pulse(driver, f"{gate.url}/digest?a=1&b=2", authentication="digest")

    assert (first.outcome, second.outcome) == (RelayOutcome.SENT, RelayOutcome.SENT)
    assert len(gate.pulses) == 2


@pytest.mark.parametrize("authentication", ["basic", "digest"])
async def test_a_wrong_password_fails_in_words_after_few_requests(driver, gate, authentication):
    url = f"{gate.url}/{authentication}"
    result = await pulse(driver, url, authentication=authentication, password="wrong")

    assert result.outcome is RelayOutcome.FAILED
    assert result.cause == "the relay refused our user name or password"
    assert gate.pulses == []
    assert gate.requests <= 2


@pytest.mark.parametrize("status", [302, 307, 400, 403, 404, 429])
async def test_a_refusal_fails_in_words_and_no_redirect_is_followed(driver, gate, status):
    gate.status = status

    result = await pulse(driver, f"{gate.url}/open")

    assert result.outcome is RelayOutcome.FAILED
    assert result.cause.startswith("the relay")
    assert gate.requests == 1


@pytest.mark.parametrize("status", [204, 500, 504])
async def test_another_success_or_a_server_s_error_may_have_opened(driver, gate, status):
    gate.status = status

    result = await pulse(driver, f"{gate.url}/open")

    assert result.outcome is RelayOutcome.UNKNOWN
    assert result.cause == f"the relay answered {status}, not 200: it may have opened or not"


async def test_another_expected_status_can_be_set(driver, gate):
    gate.status = 202

    assert (await pulse(driver, f"{gate.url}/open", expected=202)).outcome is RelayOutcome.SENT


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_connection_lost_after_the_request_is_unknown_and_not_repeated(
    driver, gate, method
):
    result = await pulse(driver, f"{gate.url}/hang_up", method=method)

    assert result.outcome is RelayOutcome.UNKNOWN
    assert gate.pulses == [method]


async def test_silence_after_the_request_is_unknown_and_not_repeated(gate, monkeypatch):
    monkeypatch.setattr(relay_http, "TOTAL_TIMEOUT_S", 0.2)
    gate.delay_s = 1

    async with HttpRelayDriver() as driver:
        result = await pulse(driver, f"{gate.url}/open")

    assert result.outcome is RelayOutcome.UNKNOWN
    assert "said nothing" in result.cause
    assert gate.pulses == ["GET"]


async def test_a_refused_connection_fails_in_words(driver):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

        result = await pulse(driver, f"http://127.0.0.1:{port}/open")

    assert result.outcome is RelayOutcome.FAILED
    assert result.cause == "the relay refuses connections: is its HTTP interface on?"


async def test_a_relay_that_does_not_take_the_connection_fails(monkeypatch):
    monkeypatch.setattr(relay_http, "CONNECT_TIMEOUT_S", 0.2)
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):  # they fill the backlog, so that nothing more is taken
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        async with HttpRelayDriver() as driver:
            result = await pulse(driver, f"http://127.0.0.1:{full.getsockname()[1]}/open")

    assert result.outcome is RelayOutcome.FAILED
    assert result.cause == "the relay does not answer: is it powered?"


async def test_a_relay_of_another_kind_is_not_touched(driver):
    relay = PanelLinkRelay(PanelId("main"), 1)

    result = await driver.pulse(relay, 1000, CommandId("c1"), None)

    assert result.outcome is RelayOutcome.FAILED


@pytest.fixture
def certificate(tmp_path):
    """Make a certificate for 127.0.0.1 that nobody has signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gate")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "gate.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
async def https_gate(certificate):
    gate = Gate()
    app = web.Application()
    app.router.add_get("/open", gate.open)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    gate.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield gate
    await runner.cleanup()


async def test_a_certificate_that_nobody_trusts_is_refused_before_the_password_leaves(
    driver, https_gate
):
    result = await pulse(driver, f"{https_gate.url}/open", authentication="basic")

    assert result.outcome is RelayOutcome.FAILED
    assert "certificate is not trusted (INTERCOM_RELAY_CA_FILE)" in result.cause
    assert https_gate.requests == 0


async def test_a_certificate_of_the_ca_file_is_trusted(https_gate, certificate):
    async with HttpRelayDriver(certificate) as driver:
        result = await pulse(driver, f"{https_gate.url}/open")

    assert result.outcome is RelayOutcome.SENT


async def test_a_ca_file_without_certificates_is_refused_in_words(tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")

    with pytest.raises(ConfigError, match="INTERCOM_RELAY_CA_FILE"):
        await HttpRelayDriver(wrong).__aenter__()
