"""The registrar (RFC 3261 §10.3): which contacts an address-of-record has now."""

from dataclasses import dataclass
from typing import NamedTuple

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.headers import NameAddress, parse_name_address
from intercom.sip.message import Request
from intercom.sip.uri import parse_uri

MAX_ADDRESSES = 20_000


@dataclass(frozen=True, slots=True)
class Binding:
    """One contact of an address-of-record."""

    contact_uri: str
    source: Address
    """Where its REGISTER came from: the way back through a NAT."""
    expires_at: float
    sip_call_id: str
    cseq: int
    username: str | None


class RegisterResult(NamedTuple):
    """What to answer, and whether the bindings changed other than in time."""

    status: int
    fields: list[tuple[str, str]]
    is_changed: bool = False


class Registrar:
    """All bindings; `aor_user` is the user part of the address-of-record."""

    def __init__(
        self,
        *,
        max_contacts: int,
        min_expires_s: int,
        default_expires_s: int,
        max_expires_s: int,
    ) -> None:
        self._max_contacts = max_contacts
        self._min_expires_s = min_expires_s
        self._default_expires_s = default_expires_s
        self._max_expires_s = max_expires_s
        self._bindings: dict[str, dict[str, Binding]] = {}

    def bindings(self, aor_user: str, now: float) -> list[Binding]:
        """List the live bindings, the newest last."""
        found = self._bindings.get(aor_user, {}).values()
        return [binding for binding in found if binding.expires_at > now]

    def next_expiry_at(self, aor_user: str) -> float | None:
        """Tell when the next binding of an address-of-record expires."""
        found = self._bindings.get(aor_user)
        return min(binding.expires_at for binding in found.values()) if found else None

    def expire(self, aor_user: str, now: float) -> bool:
        """Drop what has expired; tell whether there was any."""
        found = self._bindings.get(aor_user, {})
        old = [uri for uri, binding in found.items() if binding.expires_at <= now]
        for uri in old:
            del found[uri]
        if not found:
            self._bindings.pop(aor_user, None)
        return bool(old)

    def register(
        self, aor_user: str, username: str | None, request: Request, source: Address, now: float
    ) -> RegisterResult:
        """Process an authenticated REGISTER; raise RemoteProtocolError when it is malformed."""
        self.expire(aor_user, now)
        values = request.listed("contact")
        if "*" in values:
            return self._remove_all(aor_user, values, request, now)
        wanted = [self._wanted(parse_name_address(value), request) for value in values]
        if any(0 < expires_s < self._min_expires_s for _, expires_s in wanted):
            return RegisterResult(423, [("Min-Expires", str(self._min_expires_s))])
        before = self._bindings.get(aor_user, {})
        after = dict(before)
        for uri, expires_s in wanted:
            if _is_old(after.pop(uri, None), request):
                return RegisterResult(500, [])
            if expires_s:
                after[uri] = Binding(
                    uri,
                    source,
                    now + min(expires_s, self._max_expires_s),
                    request.sip_call_id,
                    request.cseq.number,
                    username,
                )
        return self._store(aor_user, before, after, now)

    def _store(
        self, aor_user: str, before: dict[str, Binding], after: dict[str, Binding], now: float
    ) -> RegisterResult:
        if len(after) > self._max_contacts:
            return RegisterResult(403, [])
        if aor_user not in self._bindings and len(self._bindings) >= MAX_ADDRESSES:
            return RegisterResult(503, [])
        if after:
            self._bindings[aor_user] = after
        else:
            self._bindings.pop(aor_user, None)
        is_changed = _places(before) != _places(after)
        return RegisterResult(200, self._fields(aor_user, now), is_changed)

    def _wanted(self, contact: NameAddress, request: Request) -> tuple[str, int]:
        """Read a contact and for how long: its own parameter, else Expires, else our default."""
        parse_uri(contact.uri)
        text = contact.params.get("expires", request.first("expires"))
        if text is None:
            return contact.uri, self._default_expires_s
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32):
            raise RemoteProtocolError("expiry is no number")
        return contact.uri, int(text)

    def _remove_all(
        self, aor_user: str, values: list[str], request: Request, now: float
    ) -> RegisterResult:
        """Process `Contact: *`, which stands alone and with Expires 0 (RFC 3261 §10.3 step 6)."""
        if len(values) != 1 or request.number("expires") != 0:
            return RegisterResult(400, [])
        before = self._bindings.get(aor_user, {})
        if any(_is_old(binding, request) for binding in before.values()):
            return RegisterResult(500, [])
        return self._store(aor_user, before, {}, now)

    def _fields(self, aor_user: str, now: float) -> list[tuple[str, str]]:
        return [
            ("Contact", f"<{binding.contact_uri}>;expires={round(binding.expires_at - now)}")
            for binding in self.bindings(aor_user, now)
        ]


def _is_old(binding: Binding | None, request: Request) -> bool:
    """Tell whether a REGISTER was overtaken by one of the same Call-ID."""
    return (
        binding is not None
        and binding.sip_call_id == request.sip_call_id
        and binding.cseq >= request.cseq.number
    )


def _places(bindings: dict[str, Binding]) -> dict[str, Address]:
    return {uri: binding.source for uri, binding in bindings.items()}
