"""The registrar (RFC 3261 §10.3): which contacts an address-of-record has now.

Of RFC 5626 it does what an edge and registrar in one needs: a contact is reached by the flow that
its REGISTER came over, and a phone that says its instance and reg-id replaces its binding, whatever
its port is now. Deviates from §6: where a proxy stands between, reg-id is ignored, not refused.
"""

from dataclasses import dataclass
from typing import NamedTuple

from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address
from intercom.sip.headers import NameAddress, parse_name_address, quoted, split_list, unquoted
from intercom.sip.message import Request
from intercom.sip.uri import parse_uri

MAX_ADDRESSES = 20_000
FLOW_TIMER_S = {False: 29, True: 120}
"""RFC 5626 §4.4: how often a flow is to be kept alive, over UDP and over a stream."""


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
    instance: str = ""
    """Of a phone that speaks RFC 5626."""
    reg_id: int = 0

    @property
    def key(self) -> str:
        """What a later binding must share to replace this one."""
        return f"{self.instance} {self.reg_id}" if self.reg_id else self.contact_uri


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
        self._flows: dict[Address, dict[str, None]] = {}
        """By connection: the addresses-of-record that registered over it."""

    @property
    def size(self) -> int:
        """Count the bindings, with those that have just expired."""
        return sum(map(len, self._bindings.values()))

    def bindings(self, aor_user: str, now: float) -> list[Binding]:
        """List the live bindings, the newest last; of a phone with several flows only the newest."""
        found = self._bindings.get(aor_user)
        if not found:
            return []
        live = [binding for binding in found.values() if binding.expires_at > now]
        newest = {binding.instance or binding.key: binding for binding in live}
        return [each for each in live if newest[each.instance or each.key] is each]

    def forget(self, aor_user: str) -> bool:
        """Drop all contacts of an address-of-record; tell whether there was any."""
        return self._bindings.pop(aor_user, None) is not None

    def drop_flow(self, source: Address) -> list[str]:
        """Drop what was registered over a connection; list the addresses-of-record that had it."""
        changed: list[str] = []
        for aor_user in self._flows.pop(source, ()):
            found = self._bindings.get(aor_user, {})
            gone = [key for key, binding in found.items() if binding.source == source]
            for key in gone:
                del found[key]
            if not found:
                self._bindings.pop(aor_user, None)
            if gone:
                changed.append(aor_user)
        return changed

    def flows(self, now: float) -> set[Address]:
        """List the connections that live bindings came over."""
        return {
            binding.source
            for found in self._bindings.values()
            for binding in found.values()
            if binding.source.transport.is_stream and binding.expires_at > now
        }

    def next_expiry_at(self, aor_user: str) -> float | None:
        """Tell when the next binding of an address-of-record expires."""
        found = self._bindings.get(aor_user)
        return min(binding.expires_at for binding in found.values()) if found else None

    def expire(self, aor_user: str, now: float) -> bool:
        """Drop what has expired; tell whether there was any."""
        found = self._bindings.get(aor_user, {})
        old = [key for key, binding in found.items() if binding.expires_at <= now]
        for key in old:
            del found[key]
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
        contacts = [parse_name_address(value) for value in values]
        wanted = [(contact, self._expiry_of(contact, request)) for contact in contacts]
        if any(0 < expires_s < self._min_expires_s for _, expires_s in wanted):
            return RegisterResult(423, [("Min-Expires", str(self._min_expires_s))])
        before = self._bindings.get(aor_user, {})
        after = dict(before)
        is_outbound = _is_outbound(request)
        for contact, expires_s in wanted:
            binding = Binding(
                contact.uri,
                source,
                now + min(expires_s, self._max_expires_s),
                request.sip_call_id,
                request.cseq.number,
                username,
                *(_flow_of(contact) if is_outbound else ()),
            )
            if _is_old(after.pop(binding.key, None), request):
                return RegisterResult(500, [])
            if binding.reg_id:
                after.pop(contact.uri, None)  # of before it spoke of flows
            if expires_s:
                after[binding.key] = binding
        self._make_room(after, source)
        result = self._store(aor_user, before, after, now)
        if result.status == 200:
            self._note_flow(aor_user, source, after)
            result.fields.extend(_flow_fields(source, after) if is_outbound else ())
        return result

    def _note_flow(self, aor_user: str, source: Address, after: dict[str, Binding]) -> None:
        if after and source.transport.is_stream:
            self._flows.setdefault(source, {})[aor_user] = None

    def _make_room(self, after: dict[str, Binding], source: Address) -> None:
        """Drop the oldest connections from the same host: it has restarted, and they are dead."""
        if not source.transport.is_stream:
            return
        for key, binding in list(after.items()):
            old = binding.source
            if len(after) <= self._max_contacts:
                return
            if old.transport.is_stream and old.host == source.host and old != source:
                del after[key]

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

    def _expiry_of(self, contact: NameAddress, request: Request) -> int:
        """Read for how long a contact is: its own parameter, else Expires, else our default."""
        parse_uri(contact.uri)
        text = contact.params.get("expires", request.first("expires"))
        if text is None:
            return self._default_expires_s
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32):
            raise RemoteProtocolError("expiry is no number")
        return int(text)

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
            ("Contact", _written(binding, now))
            for binding in self._bindings.get(aor_user, {}).values()
        ]


def _written(binding: Binding, now: float) -> str:
    text = f"<{binding.contact_uri}>;expires={round(binding.expires_at - now)}"
    if binding.reg_id:
        text += f";+sip.instance={quoted(binding.instance)};reg-id={binding.reg_id}"
    return text


def _flow_fields(source: Address, after: dict[str, Binding]) -> list[tuple[str, str]]:
    if not any(binding.reg_id and binding.source == source for binding in after.values()):
        return []
    timer_s = FLOW_TIMER_S[source.transport.is_stream]
    return [("Require", "outbound"), ("Flow-Timer", str(timer_s))]


def _is_outbound(request: Request) -> bool:
    """Tell whether the sender speaks RFC 5626 and stands at the other end of the flow."""
    words = {word.lower() for word in request.listed("supported") + request.listed("require")}
    vias = request.headers["via"]
    return "outbound" in words and len(vias) == 1 and len(split_list(vias[0])) == 1


def _flow_of(contact: NameAddress) -> tuple[str, int]:
    """Read instance and reg-id (RFC 5626 §4.2); nothing where they are not both there."""
    instance = unquoted(contact.params.get("+sip.instance", ""))
    text = contact.params.get("reg-id", "")
    if not instance or not (text.isascii() and text.isdigit() and 0 < len(text) <= 10):
        return "", 0
    number = int(text)
    return (instance, number) if 0 < number < 2**31 else ("", 0)


def _is_old(binding: Binding | None, request: Request) -> bool:
    """Tell whether a REGISTER was overtaken by one of the same Call-ID."""
    return (
        binding is not None
        and binding.sip_call_id == request.sip_call_id
        and binding.cseq >= request.cseq.number
    )


def _places(bindings: dict[str, Binding]) -> dict[str, tuple[str, Address]]:
    return {key: (binding.contact_uri, binding.source) for key, binding in bindings.items()}
