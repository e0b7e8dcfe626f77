"""Which trunks there are, which of them work, and by which ways a call is tried.

A way is one address of one trunk. Every 30 s each way is asked by OPTIONS whether it is there:

    any answer                    ─▶ up
    silence, if it ever answered  ─▶ down: tried last, not never
    silence from the first        ─▶ unknown: some carriers answer calls alone

A call's own silence or success says the same. A trunk that registers and is not registered is
passed over.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address

import structlog

from intercom.adapters.sip.carriers import domain_of, place_of, transport_of
from intercom.adapters.sip.resolve import Resolver
from intercom.adapters.sip.transport import SipTransport
from intercom.errors import LocalProtocolError
from intercom.routing.directory import Directory, Trunk
from intercom.routing.ids import TrunkId
from intercom.routing.numbers import country_prefix
from intercom.sip.address import Address
from intercom.sip.digest import Credentials
from intercom.sip.events import (
    OptionsAnswered,
    OptionsFailed,
    ProbeId,
    RegistrationFailed,
    RegistrationId,
    RegistrationSucceeded,
)

log = structlog.get_logger()

PROBE_S = 30.0
PROBE_ANSWER_S = 5.0
"""A way that has not answered OPTIONS by then is silent."""
REGISTRATION_S = 300
"""Short enough to be heard of soon; the probes keep a NAT's binding open."""
MAX_WAYS = 4
"""Of one call: each gets at least 1.3 s, and a visitor does not wait for more."""
SILENCE_S = 3.9
"""All silent ways of a call but the last take so long together: fail-over in 4 s."""


class Health(Enum):
    UNKNOWN = "not asked yet, or answers no OPTIONS"
    UP = "answers"
    DOWN = "does not answer"


@dataclass(frozen=True, slots=True)
class Way:
    """One address of one trunk."""

    trunk: Trunk
    address: Address


@dataclass(slots=True)
class _Registered:
    trunk: Trunk
    addresses: frozenset[Address]
    is_held: bool = False
    status: int = 0
    """Of the last refusal; 0: none so far."""


class Trunks:
    """Knows the trunks of the directory in force; `keep` is its only task."""

    def __init__(
        self,
        transport: SipTransport,
        resolver: Resolver,
        *,
        directory: Callable[[], Directory],
        caller_id: str,
    ) -> None:
        self._transport = transport
        self._resolver = resolver
        self._directory = directory
        self._caller_id = caller_id
        self._health: dict[Address, Health] = {}
        self._has_answered: set[Address] = set()
        """Ways that are known to answer OPTIONS."""
        self._asked: dict[ProbeId, Address] = {}
        self._registrations: dict[RegistrationId, _Registered] = {}
        transport.on_probe = self._probe_event
        transport.on_registration = self._registration_event

    # -- for calls ---------------------------------------------------------------------------

    def ways(self) -> list[Way]:
        """List the ways of a call that shows our caller ID, the best first; at most four."""
        trunks = [each for each in self._directory().trunks if self._caller_id in each.caller_ids]
        if not trunks:
            log.error(
                "trunk.none_fits",
                remedy="add a [[trunk]] that lists INTERCOM_CALLER_ID among its caller_ids",
            )
        usable = [trunk for trunk in trunks if self._is_usable(trunk)]
        share = max(MAX_WAYS // len(usable), 1) if usable else 0
        ways = [way for trunk in usable for way in self._ways_of(trunk)[:share]]
        ways.sort(key=lambda way: self._health.get(way.address) is Health.DOWN)
        return ways[:MAX_WAYS]

    def note(self, way: Way, *, is_alive: bool) -> None:
        """Learn from a call: a response of any kind, or silence."""
        self._health[way.address] = Health.UP if is_alive else Health.DOWN

    def _is_usable(self, trunk: Trunk) -> bool:
        if not trunk.is_registering or self._is_registered(trunk):
            return True
        log.error(
            "trunk.not_registered",
            trunk_id=trunk.trunk_id,
            remedy="`intercom status` says why; check its address, username and password",
        )
        return False

    def _ways_of(self, trunk: Trunk) -> list[Way]:
        addresses = self._resolver.of_trunk(trunk)
        if not addresses:
            log.error("trunk.unknown_host", trunk_id=trunk.trunk_id, remedy="check its address")
        addresses.sort(key=lambda each: self._health.get(each) is Health.DOWN)
        return [Way(trunk, address) for address in addresses]

    # -- for calls to our number -------------------------------------------------------------

    def is_calling_us(self, source: Address, dialled: str) -> bool:
        """Tell whether an INVITE is a carrier's, for somebody who called our number back."""
        return any(
            _is_our_number(trunk, dialled) and self._is_from(trunk, source)
            for trunk in self._directory().trunks
        )

    def _is_from(self, trunk: Trunk, source: Address) -> bool:
        if source.host in self._resolver.hosts_of(trunk):
            return True
        host = ip_address(source.host)
        return any(host in network for network in trunk.signalling_networks)

    # -- for people --------------------------------------------------------------------------

    def status(self) -> dict[str, str]:
        """Say of each trunk whether it works, and why not."""
        return {trunk.trunk_id: self._words_of(trunk) for trunk in self._directory().trunks}

    def are_usable(self) -> dict[TrunkId, bool]:
        """Say of each trunk whether a call may go that way, as far as is known."""
        return {
            trunk.trunk_id: not self._health_of(trunk).startswith("down")
            and (not trunk.is_registering or self._is_registered(trunk))
            for trunk in self._directory().trunks
        }

    def _words_of(self, trunk: Trunk) -> str:
        words = [self._health_of(trunk)]
        if trunk.is_registering:
            words.append(self._registration_words(trunk.trunk_id))
        if self._caller_id not in trunk.caller_ids:
            words.append("never used: it may not show INTERCOM_CALLER_ID")
        return ", ".join(words)

    def _health_of(self, trunk: Trunk) -> str:
        places = self._resolver.of_trunk(trunk)
        found = [self._health.get(each, Health.UNKNOWN) for each in places]
        if not found:
            return "down: DNS does not know its address"
        silent = found.count(Health.DOWN)
        if Health.UP in found:
            return f"up, {silent} of {len(found)} addresses silent" if silent else "up"
        if Health.UNKNOWN in found:
            return f"unknown: {Health.UNKNOWN.value}"
        return f"down: {Health.DOWN.value}"

    def _registration_words(self, trunk_id: TrunkId) -> str:
        kept = self._registration_of(trunk_id)
        if kept is None:
            return "not registered: its address is not known"
        if kept.is_held:
            return "registered"
        match kept.status:
            case 0:
                return "not registered: no answer yet"
            case 401 | 403 | 407:
                return f"not registered: {kept.status}, its username or password is wrong"
            case 408 | 503:
                return "not registered: no answer"
            case status:
                return f"not registered: refused with {status}"

    # -- its task ----------------------------------------------------------------------------

    async def keep(self, changed: asyncio.Event) -> None:
        """Register and probe, now, every 30 s, and when `changed` says that the trunks differ."""
        while True:
            changed.clear()
            self.register()
            self._probe()
            self._transport.drain()
            await asyncio.sleep(PROBE_ANSWER_S)
            self._judge()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROBE_S - PROBE_ANSWER_S):
                    await changed.wait()

    def withdraw(self) -> None:
        """Withdraw all registrations: the service stops."""
        for kept in list(self._registrations):
            self._transport.endpoint.unregister(kept, self._transport.now)
        self._registrations.clear()
        self._transport.drain()

    # -- registrations -----------------------------------------------------------------------

    def register(self) -> None:
        """Begin the registrations that are wanted, end those that are not, renew what differs."""
        wanted = {
            (trunk, frozenset(self._resolver.of_trunk(trunk)))
            for trunk in self._directory().trunks
            if trunk.is_registering and trunk.username is not None
        }
        for registration, kept in list(self._registrations.items()):
            if (kept.trunk, kept.addresses) in wanted:
                wanted.remove((kept.trunk, kept.addresses))
            else:
                self._transport.endpoint.unregister(registration, self._transport.now)
                del self._registrations[registration]
        for trunk, addresses in wanted:
            if addresses:
                self._register(trunk, addresses)

    def _register(self, trunk: Trunk, addresses: frozenset[Address]) -> None:
        registration = self._transport.endpoint.register(
            self._transport.now,
            registrar=self._resolver.of_trunk(trunk),
            aor=f"sip:{trunk.username}@{domain_of(trunk)}",
            credentials=credentials_of(trunk),
            expires_s=REGISTRATION_S,
        )
        self._registrations[registration] = _Registered(trunk, addresses)

    def _registration_event(self, event: RegistrationSucceeded | RegistrationFailed) -> None:
        kept = self._registrations.get(event.registration)
        if kept is None:
            return  # withdrawn
        was_held, kept.is_held = kept.is_held, isinstance(event, RegistrationSucceeded)
        if isinstance(event, RegistrationFailed):
            if was_held or kept.status != event.status:
                log.error(
                    "trunk.not_registered",
                    trunk_id=kept.trunk.trunk_id,
                    status=event.status,
                    remedy="check its address, username and password in [[trunk]]",
                )
            kept.status = event.status

    def _registration_of(self, trunk_id: TrunkId) -> _Registered | None:
        kept = self._registrations.values()
        return next((each for each in kept if each.trunk.trunk_id == trunk_id), None)

    def _is_registered(self, trunk: Trunk) -> bool:
        kept = self._registration_of(trunk.trunk_id)
        return kept is not None and kept.is_held

    # -- probes ------------------------------------------------------------------------------

    def _probe(self) -> None:
        """Ask every way; what is left of the time before is forgotten."""
        self._asked.clear()
        ways = list({way.address: way for way in self._all_ways()}.values())
        known = {way.address for way in ways}
        self._has_answered &= known
        self._health = {each: was for each, was in self._health.items() if each in known}
        for address in known - self._has_answered:  # a call's silence is forgiven: who would tell?
            self._health.pop(address, None)
        for way in ways:
            if not way.trunk.is_probed:
                continue
            with contextlib.suppress(LocalProtocolError):
                probe = self._transport.endpoint.options(
                    self._transport.now,
                    target=f"sip:{place_of(way.trunk)}{transport_of(way.trunk)}",
                    destination=way.address,
                )
                self._asked[probe] = way.address

    def _judge(self) -> None:
        for address in self._asked.values():
            self._fell_silent(address)

    def _probe_event(self, event: OptionsAnswered | OptionsFailed) -> None:
        address = self._asked.pop(event.probe, None)
        if address is None:
            return  # of an earlier round
        if isinstance(event, OptionsAnswered):
            self._health[address] = Health.UP
            self._has_answered.add(address)
        else:
            self._fell_silent(address, is_certain=event.status == 503)

    def _fell_silent(self, address: Address, *, is_certain: bool = False) -> None:
        if not (is_certain or address in self._has_answered):
            return
        if self._health.get(address) is not Health.DOWN:
            trunk_id = next(
                (w.trunk.trunk_id for w in self._all_ways() if w.address == address), ""
            )
            log.warning(
                "trunk.fell_silent", trunk_id=trunk_id, remedy="calls try the other trunks first"
            )
        self._health[address] = Health.DOWN

    def _all_ways(self) -> Iterable[Way]:
        for trunk in self._directory().trunks:
            for address in self._resolver.of_trunk(trunk):
                yield Way(trunk, address)


def _is_our_number(trunk: Trunk, dialled: str) -> bool:
    """Tell whether the user part of a Request-URI is a number of ours, however it is written."""
    if trunk.username is not None and dialled == trunk.username:
        return True
    return dialled.partition(";")[0] in _written(trunk.caller_ids)


@lru_cache(maxsize=64)
def _written(numbers: frozenset[str]) -> frozenset[str]:
    """List all ways in which our numbers may be written: every INVITE is looked at for them."""
    ways: set[str] = set()
    for number in numbers:
        national = number.removeprefix(country_prefix(number))
        digits = number.removeprefix("+")
        ways |= {number, digits, f"00{digits}", national, f"0{national}"}
    return frozenset(ways)


def credentials_of(trunk: Trunk) -> Credentials | None:
    """Give what a trunk's challenges are answered with."""
    return None if trunk.username is None else Credentials(trunk.username, trunk.password or "")
