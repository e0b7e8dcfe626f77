"""A real mail server on loopback (aiosmtpd) that can refuse, stall and die."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from intercom.adapters.mail import MailServer, Security

USERNAME, PASSWORD = "intercom", "mail secret"
_LINK = re.compile(r"https?://\S+")


@dataclass
class Inbox:
    """What the mail server took, and what it says next."""

    mails: list[EmailMessage] = field(default_factory=list)
    connections: int = 0
    says: dict[str, str] = field(default_factory=dict)
    """By recipient, instead of taking the mail; "*" for everybody."""
    stalls: set[str] = field(default_factory=set)
    """Recipients at whose mails it falls silent."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = self.says.get(address) or self.says.get("*")
        if said:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.stalls & set(envelope.rcpt_tos):
            await asyncio.sleep(30)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def of(self, address: str) -> list[EmailMessage]:
        """List the mails to an address, oldest first."""
        return [each for each in self.mails if address in str(each["To"])]


def text_of(mail: EmailMessage) -> str:
    """Give a mail's plain text."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def link_of(mail: EmailMessage) -> str:
    """Give the first link of a mail."""
    found = _LINK.search(text_of(mail))
    assert found is not None, text_of(mail)
    return found[0]


@dataclass
class Post:
    """A mail server that runs."""

    inbox: Inbox
    server: MailServer


@asynccontextmanager
async def mail_server(
    security: Security = Security.NONE, *, needs_log_in: bool = False, port: int = 0
) -> AsyncIterator[Post]:
    """Run a mail server on loopback; `post.server` is how to reach it."""
    inbox = Inbox()
    tls = _server_tls() if security is not Security.NONE else None

    def session() -> SMTP:
        inbox.connections += 1
        return SMTP(
            inbox,
            hostname="mail.test",
            tls_context=tls if security is Security.STARTTLS else None,
            require_starttls=security is Security.STARTTLS,
            auth_required=needs_log_in,
            auth_require_tls=security is Security.STARTTLS,
            authenticator=_authenticate,
            enable_SMTPUTF8=True,
        )

    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        session, "127.0.0.1", port, ssl=tls if security is Security.TLS else None
    )
    bound = listening.sockets[0].getsockname()[1]
    trust = None
    if tls is not None:
        trust = ssl.create_default_context(cadata=_certificate()[0])
    server = MailServer(
        host="127.0.0.1",
        port=bound,
        sender="intercom@example.org",
        security=security,
        username=USERNAME if needs_log_in else None,
        password=PASSWORD if needs_log_in else None,
        timeout_s=2.0,
        trust=trust,
    )
    try:
        yield Post(inbox, server)
    finally:
        listening.close()
        await listening.wait_closed()


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    is_right = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)


def _server_tls() -> ssl.SSLContext:
    certificate, key = _certificate()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mail.pem"
        file.write_text(certificate + key)
        context.load_cert_chain(file)
    return context


@cache
def _certificate() -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    return (
        made.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )
