"""A bad network on virtual time: every datagram may be lost, doubled or late; a plan of acts runs beside it."""

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

from typing_extensions import override

from intercom.sip.address import Address, Datagram
from tests.loopback import Loopback, Node, Sent

LOSS = 0.2
DUPLICATION = 0.1
PROMPT_S = 0.02
MAX_DELAY_S = 2.0
LATE_SHARE = 0.3
"""So many datagrams take up to `MAX_DELAY_S` and are overtaken; the others are on time."""

Act = Callable[[], None]
Rewrite = Callable[[bytes], bytes]


class LossyNet(Loopback):
    """A network that also runs acts at their time, carries abstract media, and keeps a ladder."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed)
        self.chance = Random(seed)
        self.is_lossless = False
        self.dead: set[Address] = set()
        """Hosts that nothing reaches."""
        self.rewrites: dict[Address, tuple[Rewrite, Rewrite]] = {}
        """What a box before a host does to what goes in, and to what comes out."""
        self.lines: list[str] = []
        self._agenda: list[tuple[float, int, Act]] = []

    def at(self, when: float, act: Act) -> None:
        """Do something at a time."""
        heappush(self._agenda, (max(when, self.now), next(self._count), act))

    def after(self, delay_s: float, act: Act) -> None:
        """Do something later."""
        self.at(self.now + delay_s, act)

    def note(self, who: str, what: str) -> None:
        """Write a line of the ladder."""
        self.lines.append(f"{self.now - 1000.0:9.3f}  {who}: {what}")

    def carry(self, arrive: Act) -> None:
        """Carry one packet of media over the same bad link."""
        for delay_s in self._fates():
            self.after(delay_s, arrive)

    @property
    def ladder(self) -> str:
        """Everything that was sent and said."""
        return "\n".join(self.lines)

    def _fates(self) -> list[float]:
        """Draw the delays of the copies that arrive."""
        if self.is_lossless:
            return [PROMPT_S]
        copies = 2 if self.chance.random() < DUPLICATION else 1
        return [self._delay() for _ in range(copies) if self.chance.random() >= LOSS]

    def _delay(self) -> float:
        is_late = self.chance.random() < LATE_SHARE
        return self.chance.uniform(PROMPT_S, MAX_DELAY_S) if is_late else PROMPT_S

    @override
    def _next_at(self) -> float | None:
        times = [at for at in (super()._next_at(),) if at is not None]
        times += [entry[0] for entry in self._agenda[:1]]
        return min(times, default=None)

    @override
    def _step(self) -> None:
        while self._agenda and self._agenda[0][0] <= self.now:
            heappop(self._agenda)[2]()
        super()._step()

    @override
    def _fly(self, sent: Sent) -> None:
        destination = sent.datagram.destination
        data = sent.datagram.data
        if sent.source in self.rewrites:
            data = self.rewrites[sent.source][1](data)
        if destination in self.rewrites:
            data = self.rewrites[destination][0](data)
        fates = [] if destination in self.dead else self._fates()
        for delay_s in fates:
            flying = (self.now + delay_s, next(self._count), Datagram(data, destination))
            heappush(self._flying, (*flying, sent.source))
        late = ", ".join(f"+{delay_s:.2f}" for delay_s in fates) or "lost"
        start = data.partition(b"\r\n")[0].decode()
        words = f"{start} [{_cseq(data)}] ({late})"
        self.note(f"{sent.source.host} -> {destination.host}", words)


def _cseq(data: bytes) -> str:
    return data.partition(b"\r\nCSeq: ")[2].partition(b"\r\n")[0].decode()


def leftovers(node: Node) -> dict[str, int]:
    """Count what an endpoint still holds; empty once everything is over."""
    core = node.endpoint._core
    held = {
        "usages": len(core.usages),
        "usages_by_tag": len(core.usages_by_tag),
        "transactions": core.layer.size,
    }
    return {name: count for name, count in held.items() if count}


def as_proxy() -> tuple[Rewrite, Rewrite]:
    """Make a UAS that challenges by 401 look like a carrier's proxy that challenges by 407."""
    return (
        lambda data: data.replace(b"\r\nProxy-Authorization:", b"\r\nAuthorization:"),
        lambda data: data.replace(b"SIP/2.0 401 Unauthorized", b"SIP/2.0 407 Proxy").replace(
            b"\r\nWWW-Authenticate:", b"\r\nProxy-Authenticate:"
        ),
    )
