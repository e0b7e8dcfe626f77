"""TLS for SIP: the contexts, read from files and again on demand, and one connection's session.

A session works in memory, on bytes in and out: the hand-shake needs no task, and a new context is
simply the one that the next connection takes.
"""

import contextlib
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from intercom.errors import ConfigError

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificates are, all PEM."""

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    """Clients must show a certificate of it."""
    ca: Path | None = None
    """What servers are checked against; None: what the machine trusts."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """What new connections take; `server` is None where we show no certificate."""

    client: ssl.SSLContext
    server: ssl.SSLContext | None


class Tls:
    """The contexts in force; those of a connection stay with it."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self.contexts = self.read()

    def read(self) -> Contexts:
        """Read the files; raise ConfigError that says which is wrong and how. Nothing changes."""
        return Contexts(self._client(), self._server() if self._files.certificate else None)

    def use(self, contexts: Contexts) -> None:
        """Let new connections take these."""
        self.contexts = contexts

    def reload(self) -> None:
        """Read the files again; with a wrong one ConfigError is raised and nothing changes."""
        self.use(self.read())

    def _client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
        if self._files.ca is None:
            context.load_default_certs()
        else:
            _trust(context, self._files.ca, "INTERCOM_SIP_TLS_CA")
        self._harden(context)
        return context

    def _server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if self._files.client_ca is not None:
            _trust(context, self._files.client_ca, "INTERCOM_SIP_TLS_CLIENT_CA")
            context.verify_mode = ssl.CERT_REQUIRED
        self._harden(context)
        return context

    def _harden(self, context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        certificate, key = self._files.certificate, self._files.key
        if certificate is None:
            return
        try:
            # A password, or OpenSSL would ask for one on the terminal when the key is encrypted.
            context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            message = (
                f"INTERCOM_SIP_TLS_CERTIFICATE and INTERCOM_SIP_TLS_KEY cannot be used"
                f" ({_words(error)}): give a certificate chain and its unencrypted key in PEM."
            )
            raise ConfigError(message) from error


class TlsSession:
    """One connection's TLS."""

    def __init__(self, context: ssl.SSLContext, *, server_name: str | None) -> None:
        """Take the client's part when `server_name` is given: the peer must prove it."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name,
        )
        self.is_up = False
        """The hand-shake is done, and the peer's certificate was found good."""
        self.is_ended = False
        """The peer said that nothing follows."""

    def receive(self, data: bytes) -> bytes:
        """Decrypt; raise ssl.SSLError when the peer is not to be talked to. See `to_send` then."""
        self._incoming.write(data)
        if not self.is_up and not self._shake_hands():
            return b""
        parts = []
        try:
            while part := self._session.read(_READ_BYTES):
                parts.append(part)
            self.is_ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        return b"".join(parts)

    def start(self) -> None:
        """Begin the hand-shake; what is to be sent is in `to_send`."""
        self._shake_hands()

    def encrypt(self, data: bytes) -> None:
        """Encrypt into `to_send`."""
        self._session.write(data)

    def end(self) -> None:
        """Put the word that nothing follows into `to_send` (RFC 8446 §6.1)."""
        with contextlib.suppress(ssl.SSLError):  # the peer's own word is not waited for
            self._session.unwrap()

    def to_send(self) -> bytes:
        """Take what is to be sent."""
        return self._outgoing.read()

    def _shake_hands(self) -> bool:
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.is_up = True
        return True

    @property
    def peer_name(self) -> str | None:
        """What the peer's certificate says that it is, where one was demanded and found good."""
        certificate: dict[str, Any] = (self._session.getpeercert() if self.is_up else None) or {}
        names = list(certificate.get("subjectAltName", ()))
        names += [pair for part in certificate.get("subject", ()) for pair in part]
        for wanted in ("DNS", "URI", "commonName"):
            for kind, value in names:
                if kind == wanted:
                    return str(value)
        return None


def _trust(context: ssl.SSLContext, file: Path, setting: str) -> None:
    try:
        context.load_verify_locations(file)
    except (ssl.SSLError, OSError) as error:
        message = f"{setting} {file} cannot be used ({_words(error)}): give certificates in PEM."
        raise ConfigError(message) from error


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").lower().replace("_", " ")
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
