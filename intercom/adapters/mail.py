"""Mail out: one connection for a few letters, in bounded time, with errors that say what to do."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, make_msgid
from enum import Enum

import aiosmtplib
from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPTimeoutError,
)

from intercom.errors import IntercomError

TIMEOUT_S = 20.0
"""For each step with the mail server; RFC 5321 §4.5.3.2 would allow minutes."""
MAX_SAID_CHARACTERS = 160


class Security(Enum):
    """How the way to the mail server is encrypted."""

    STARTTLS = "starttls"
    """By RFC 3207, and no mail without it."""
    TLS = "tls"
    NONE = "none"


class MailFault(Enum):
    """Why a mail did not leave."""

    NO_SERVER = "no-server"
    """None is set."""
    UNREACHABLE = "unreachable"
    TLS = "tls"
    LOG_IN = "log-in"
    """The mail server refuses our name or password, or our sender's address."""
    TIMEOUT = "timeout"
    LATER = "later"
    """The mail server does not take it now (4xx)."""
    REFUSED = "refused"
    """The mail server will never take it (5xx)."""


class MailError(IntercomError):
    """A mail did not leave."""

    def __init__(self, fault: MailFault, said: str = "", *, is_of_one: bool = False) -> None:
        """`said` is what the mail server answered; `is_of_one`: only this letter, others may leave."""
        self.fault = fault
        self.said = " ".join(said.split())[:MAX_SAID_CHARACTERS]
        self.is_of_one = is_of_one
        super().__init__(f"{fault.value} {self.said}".strip())


@dataclass(frozen=True, slots=True)
class Letter:
    """What goes to one person."""

    to_name: str
    to_email: str
    subject: str
    text: str
    html: str
    language: str


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server that takes our letters."""

    host: str
    port: int
    sender: str
    """The address that they come from."""
    sender_name: str = "Open Intercom"
    security: Security = Security.STARTTLS
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = TIMEOUT_S
    trust: ssl.SSLContext | None = None
    """None: the authorities that this machine trusts."""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator["MailConnection"]:
        """Log in at the mail server; raises MailError."""
        client = SMTP(
            hostname=self.host,
            port=self.port,
            use_tls=self.security is Security.TLS,
            start_tls=self.security is Security.STARTTLS,
            username=self.username,
            password=self.password,
            tls_context=self._tls(),
            timeout=self.timeout_s,
            local_hostname=_domain(self.sender),
        )
        try:
            await client.connect()
        except (SMTPException, OSError, ValueError) as error:
            client.close()
            raise _connection_fault(error) from error
        try:
            yield MailConnection(client, self)
        finally:
            try:
                await client.quit(timeout=2.0)
            except (SMTPException, OSError):
                client.close()

    def _tls(self) -> ssl.SSLContext | None:
        if self.security is Security.NONE:
            return None
        return self.trust or ssl.create_default_context()


class MailConnection:
    """A mail server that listens."""

    def __init__(self, client: SMTP, server: MailServer) -> None:
        self._client = client
        self._server = server

    async def send(self, letter: Letter, now: datetime) -> None:
        """Send a letter; raises MailError, `is_of_one` when the next letter may still leave."""
        try:
            message = _message(letter, self._server, now)
        except (ValueError, LookupError, MessageError) as error:  # an address no header can hold
            raise MailError(MailFault.REFUSED, "address", is_of_one=True) from error
        try:
            await self._client.send_message(
                message, sender=self._server.sender, recipients=[letter.to_email]
            )
        except (SMTPException, OSError, ValueError) as error:
            raise await self._letter_fault(error) from error

    async def _letter_fault(self, error: Exception) -> MailError:
        if isinstance(error, SMTPRecipientsRefused) and error.recipients:
            error = error.recipients[0]
        if isinstance(error, SMTPTimeoutError):
            return MailError(MailFault.TIMEOUT)
        if isinstance(error, SMTPNotSupported):  # it cannot do addresses beyond ASCII (RFC 6531)
            return MailError(MailFault.REFUSED, str(error), is_of_one=True)
        if not isinstance(error, SMTPResponseException | SMTPRecipientRefused):
            return MailError(MailFault.UNREACHABLE, str(error))
        said = f"{error.code} {error.message}"
        if isinstance(error, aiosmtplib.SMTPSenderRefused):
            return MailError(MailFault.LOG_IN, said)
        is_listening = error.code != 421 and self._client.is_connected  # RFC 5321 §3.8
        fault = MailFault.REFUSED if error.code >= 500 else MailFault.LATER
        return MailError(fault, said, is_of_one=is_listening)


def _connection_fault(error: Exception) -> MailError:
    if isinstance(error, SMTPAuthenticationError):
        return MailError(MailFault.LOG_IN, f"{error.code} {error.message}")
    if isinstance(error, SMTPTimeoutError):
        return MailError(MailFault.TIMEOUT)
    if isinstance(error, SMTPNotSupported | ssl.SSLError) or _is_tls(error):
        return MailError(MailFault.TLS, str(error))
    if isinstance(error, SMTPResponseException):
        fault = MailFault.LATER if error.code < 500 else MailFault.REFUSED
        return MailError(fault, f"{error.code} {error.message}")
    return MailError(MailFault.UNREACHABLE, str(error))


def _is_tls(error: BaseException) -> bool:
    """Tell whether a certificate or a hand-shake lies at the bottom of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) or "STARTTLS" in str(cause) or "TLS" in str(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _message(letter: Letter, server: MailServer, now: datetime) -> EmailMessage:
    message = EmailMessage(policy=SMTP_POLICY)
    message["From"] = Address(_plain(server.sender_name), addr_spec=server.sender)
    message["To"] = Address(_plain(letter.to_name), addr_spec=letter.to_email)
    message["Subject"] = _plain(letter.subject)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=_domain(server.sender))
    message["Content-Language"] = letter.language
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's holiday answers it
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    message.as_bytes()  # raises here, not while the server waits for it
    return message


def _plain(text: str) -> str:
    """Leave out what would begin another header field."""
    return " ".join(text.split())


def _domain(address: str) -> str:
    return address.rpartition("@")[2] or "localhost"
