"""What `intercom sip-trace` shows: the messages in memory, put together to calls, masked, and only when asked.

    message ── Call-ID ── leg (Capture.link) ── call (Trace.claim)

Call-IDs that belong to no call are shown by themselves: a press that was refused, a stranger who tried.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from intercom.errors import ConfigError
from intercom.sip.address import Address, host_port
from intercom.sip.capture import Capture, Captured
from intercom.sip.masking import Masking
from intercom.sip.outline import Outline, outline
from intercom.trace import Hop, Trace

MESSAGES_A_TURN = 100
"""Then other work gets its turn: a full ring has 16,000."""
CALLS_A_TURN = 20
MAX_SHOWN = 500
_REMEMBERED = 200
_CALL_ID = re.compile(rb"\n(?:call-id|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE)
_CSEQ = re.compile(rb"\ncseq[ \t]*:[ \t]*[0-9]+[ \t]+([A-Za-z]+)", re.IGNORECASE)
_KEEPING = (b"REGISTER", b"OPTIONS")
_ATTEMPTS = frozenset({401, 403, 407})
"""What strangers get."""

Json = dict[str, object]


@dataclass(slots=True)
class _Dialog:
    """The messages of one Call-ID."""

    sip_call_id: str
    messages: list[Captured] = field(default_factory=list)


class SipTrace:
    """Reads the capture for the control socket."""

    def __init__(
        self, capture: Capture, trace: Trace, local_for: Callable[[Address], Address]
    ) -> None:
        self._capture = capture
        self._trace = trace
        self._local_for = local_for

    async def calls(self, *, shows_numbers: bool) -> Json:
        """List the calls, oldest first, without their messages."""
        masking = Masking(shows_numbers=shows_numbers)
        groups = await self._groups()
        listed = [call async for _, call in self._described(groups, masking)]
        listed.sort(key=lambda each: str(each["started"]))
        return {"calls": listed, "pushed_out": self._capture.pushed_out}

    async def call(
        self, wanted: str, *, shows_numbers: bool, is_full: bool, is_all: bool = False
    ) -> Json:
        """Give the call whose id begins so, or the last one for ""; ConfigError when there is none.

        With `is_all` the last one may be of somebody who was not let in.
        """
        masking = Masking(shows_numbers=shows_numbers)
        groups = await self._groups()
        n = len(wanted)
        keys = [key for key in groups if wanted in (key[:n], masking.value(key)[:n])]
        if not wanted and not is_all:  # who tried and was not let in is not what is looked for
            described = self._described({key: groups[key] for key in keys}, masking)
            keys = [key async for key, call in described if not call["stranger"]]
        if not keys:
            msg = f"No call of the last 15 minutes begins with {wanted}."
            if not wanted:
                msg = "No call in the last 15 minutes."
                if groups:
                    msg += f" {len(groups)} were not let in: `intercom sip-trace --all` lists them,"
                    msg += " --last --all shows the last one."
            raise ConfigError(msg)
        key = max(keys, key=lambda each: groups[each][0].messages[0].at)
        messages = sorted((m for dialog in groups[key] for m in dialog.messages), key=_at)
        call = self._call(key, groups[key], masking)
        call["messages"] = self._shown(messages[:MAX_SHOWN], masking, is_full=is_full)
        call["left_out"] = max(len(messages) - MAX_SHOWN, 0)
        return call

    async def registrations(self, *, shows_numbers: bool, is_full: bool) -> Json:
        """Give the latest REGISTER and OPTIONS, with their answers."""
        masking = Masking(shows_numbers=shows_numbers)
        found = []
        for count, message in enumerate(self._messages()):
            if count % MESSAGES_A_TURN == 0:
                await asyncio.sleep(0)
            method = _CSEQ.search(message.data)
            if method is not None and method[1].upper() in _KEEPING:
                found.append(message)
        shown = self._shown(found[-MAX_SHOWN:], masking, is_full=is_full)
        return {"messages": shown, "left_out": max(len(found) - MAX_SHOWN, 0)}

    def subscribe(self, tap: Callable[[Captured], None]) -> Callable[[], None]:
        """Call `tap` with each further message until the returned function is called."""
        return self._capture.subscribe(tap)

    def follower(self, *, shows_numbers: bool, is_full: bool) -> Callable[[Captured], Json | None]:
        """Give what describes followed messages of calls; None for all others."""
        masking = Masking(shows_numbers=shows_numbers)
        seen: deque[int] = deque(maxlen=_REMEMBERED)

        def describe(message: Captured) -> Json | None:
            about = outline(message.data, masking)
            if about is None or about.method.encode() in _KEEPING:
                return None
            one = self._message(message, about, masking, is_full=is_full)
            mark = hash((message.is_out, message.data))
            one["again"] = mark in seen
            seen.append(mark)
            return one

        return describe

    # -- putting together ----------------------------------------------------------------------

    def _messages(self) -> Iterable[Captured]:
        return self._capture.messages(asyncio.get_running_loop().time())

    async def _groups(self) -> dict[str, list[_Dialog]]:
        """Sort messages by call; a dialog of which not even the INVITE is there stays out."""
        dialogs: dict[str, _Dialog] = {}
        for count, message in enumerate(self._messages()):
            if count % MESSAGES_A_TURN == 0:
                await asyncio.sleep(0)
            method = _CSEQ.search(message.data)
            found = _CALL_ID.search(message.data)
            if method is None or found is None or method[1].upper() in _KEEPING:
                continue
            sip_call_id = found[1].decode("utf-8", "replace")
            dialog = dialogs.get(sip_call_id)
            if dialog is None:
                if method[1].upper() != b"INVITE":
                    continue
                dialog = dialogs[sip_call_id] = _Dialog(sip_call_id)
            dialog.messages.append(message)
        groups: dict[str, list[_Dialog]] = {}
        for dialog in dialogs.values():
            groups.setdefault(self._key_of(dialog.sip_call_id), []).append(dialog)
        return groups

    async def _described(
        self, groups: Mapping[str, Sequence[_Dialog]], masking: Masking
    ) -> AsyncIterator[tuple[str, Json]]:
        """Describe calls, a few at a turn: each costs 0.1 ms, and scanners leave thousands."""
        for count, (key, group) in enumerate(groups.items()):
            if count % CALLS_A_TURN == 0:
                await asyncio.sleep(0)
            yield key, self._call(key, group, masking)

    def _key_of(self, sip_call_id: str) -> str:
        link = self._capture.link_of(sip_call_id)
        call_id = self._trace.call_of(link.leg_id) if link is not None else ""
        return call_id or sip_call_id

    def _call(self, key: str, dialogs: Sequence[_Dialog], masking: Masking) -> Json:
        first = dialogs[0].messages[0]
        about = outline(first.data, masking)
        link = self._capture.link_of(dialogs[0].sip_call_id)
        is_ours = link is not None
        who = link.label if link is not None else (about.from_user if about else "") or "?"
        dialled = about.target.partition(":")[2].partition("@")[0] if about else ""
        result, is_refused = self._result(key, dialogs, masking)
        return {
            "call": masking.value(key),
            "started": self._clock(first).isoformat(timespec="milliseconds"),
            "from": who,
            "dialled": dialled,
            "peer": host_port(first.peer),
            "result": result,
            "count": sum(len(dialog.messages) for dialog in dialogs),
            "stranger": not is_ours and is_refused and not first.is_out,
        }

    def _result(self, key: str, dialogs: Sequence[_Dialog], masking: Masking) -> tuple[str, bool]:
        """Say what became of a call, and whether that is what strangers get."""
        call = self._trace.find(key)
        if call is not None:
            ends = [step.text for step in call.steps if step.hop is Hop.HANG_UP]
            return (ends[-1] if ends else "goes on"), False
        finals = [
            about
            for message in dialogs[0].messages[:40]
            if message.data[:4] == b"SIP/"
            and (about := outline(message.data, masking)) is not None
            and about.method == "INVITE"
            and about.status is not None
            and about.status >= 200
        ]
        if not finals:
            return "no final answer", False
        last = finals[-1]
        return f"{last.status} {last.reason}".strip(), last.status in _ATTEMPTS

    def _shown(
        self, messages: Iterable[Captured], masking: Masking, *, is_full: bool
    ) -> list[Json]:
        seen: set[tuple[bool, bytes]] = set()
        shown = []
        for message in messages:
            about = outline(message.data, masking)
            if about is None:
                continue
            one = self._message(message, about, masking, is_full=is_full)
            mark = message.is_out, message.data
            one["again"] = mark in seen
            seen.add(mark)
            shown.append(one)
        return shown

    def _message(
        self, message: Captured, about: Outline, masking: Masking, *, is_full: bool
    ) -> Json:
        link = self._capture.link_of(about.sip_call_id)
        moment = self._clock(message)
        one: Json = {
            "call": masking.value(self._key_of(about.sip_call_id)),
            "sip_call": masking.value(about.sip_call_id),
            "label": link.label if link is not None else "",
            "at_ms": round(message.at * 1000),
            "time": moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03}",
            "out": message.is_out,
            "peer": host_port(message.peer),
            "local": host_port(self._local_for(message.peer)),
            "transport": message.peer.transport.value,
            "bytes": len(message.data),
            "start": about.is_call_start,
            "method": about.method,
            "status": about.status,
            "reason": about.reason,
            "cseq": about.cseq,
            "target": about.target,
            "from": about.from_user,
            "to": about.to_user,
            "logs_in": about.has_credentials and about.method != "ACK",
            "media": about.media,
            "words": about.words,
        }
        if is_full:
            masked = masking.message(message.data)
            one["full"] = [*masked.head, "", *masked.body]
        return one

    @staticmethod
    def _clock(message: Captured) -> datetime:
        age_s = asyncio.get_running_loop().time() - message.at
        return datetime.now().astimezone() - timedelta(seconds=age_s)


def _at(message: Captured) -> float:
    return message.at
