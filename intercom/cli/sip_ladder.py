"""SIP messages as a ladder: panel, router and the far end as three rails, an arrow for each message.

ms    +ms  panel main           router               trunk carrier
 0         ├── INVITE ─────────►│                    │  1  audio PCMA 8 → 192.0.2.20:4000
 1    +1   │◄── 100 Trying ─────┤                    │  1 INVITE
"""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import click

MIN_WIDTH, MAX_WIDTH = 80, 200
_TIMES_WIDTH = 17
_DETAILS_WIDTH = 46
_GAP = range(19, 31)
"""How wide an arrow may be."""
_PREFIX = "    "

Message = Mapping[str, Any]


class Ladder:
    """Writes messages as they come; remembers which Call-ID stands on which side."""

    def __init__(self, width: int) -> None:
        self._width = max(MIN_WIDTH, min(MAX_WIDTH, width))
        free = (self._width - _TIMES_WIDTH - 3 - _DETAILS_WIDTH) // 2
        self._gap = max(_GAP.start, min(_GAP.stop - 1, free))
        self._column = _TIMES_WIDTH + 2 * self._gap + 3
        self._is_left: dict[str, bool] = {}
        self._far_ends: list[str] = []
        self._first_ms: int | None = None
        self._last_ms: int | None = None

    def head(self, messages: list[Message]) -> Iterator[str]:
        """Give the rails' names, once all that will be on them is known."""
        for message in messages:
            self._place(message)
        left = [each for each in messages if self._is_left[each["sip_call"]]]
        right = [each for each in messages if not self._is_left[each["sip_call"]]]
        names = (_name_of(left) or "-", "router", _far_names(right) or "-")
        own = ", ".join(dict.fromkeys(str(each["local"]) for each in messages))
        ends = [
            f"{name} {_places(its)}" for name, its in ((names[0], left), (names[2], right)) if its
        ]
        places = "   ".join([*ends, f"router {printable(own)}"])
        for line in textwrap.wrap(places, self._width):
            yield click.style(line, dim=True)
        yield ""
        yield self._rail_line(("      ms     +ms", *names))

    def rows(self, message: Message) -> Iterator[str]:
        """Give the lines of one message."""
        is_left = self._place(message)
        at_ms = int(message["at_ms"])
        first = at_ms if self._first_ms is None else self._first_ms
        since = "" if self._last_ms is None else f"+{at_ms - self._last_ms}"
        self._first_ms, self._last_ms = first, at_ms
        times = f"{at_ms - first:>8} {since:>7} "
        details = list(self._details(message, is_left=is_left))
        short, rest = details[0], details[1:]
        yield f"{times}{self._arrow(message, is_left=is_left)}  {short}".rstrip()
        for part in rest:
            for line in self._under(part):
                yield click.style(line, dim=True)
        for line in message.get("full", ()):
            yield click.style(f"{_PREFIX}{printable(line)}".rstrip(), dim=True)
        if "full" in message:
            yield ""

    def _place(self, message: Message) -> bool:
        """Tell whether a message is between panel and router: a Call-ID that came to us is."""
        key = message["sip_call"]
        if key not in self._is_left:
            is_ours = bool(message["out"]) == (message["status"] is None)
            self._is_left[key] = not is_ours
            if is_ours:
                self._far_ends.append(key)
        return self._is_left[key]

    def _arrow(self, message: Message, *, is_left: bool) -> str:
        goes_right = bool(message["out"]) != is_left
        room = self._gap - 1
        words = printable(_words(message))
        lead = "── " if len(words) <= room - 5 else " "
        words = words if len(words) <= room - 2 else f"{words[: room - 3]}…"
        line = f"{lead}{words}"
        line = line if len(line) == room - 1 else f"{line} ".ljust(room - 1, "─")
        line = f"{line}►" if goes_right else f"◄{line}"
        arrow = click.style(line, fg=_colour(message), bold=message["status"] is None)
        begin, end = ("├", "│") if goes_right else ("│", "┤")
        empty = " " * room
        rails = (begin, arrow, end, empty, "│") if is_left else ("│", empty, begin, arrow, end)
        return "".join(rails)

    def _details(self, message: Message, *, is_left: bool) -> Iterator[str]:
        """Give what stands beside the arrow, and what belongs under it."""
        cseq = f"{message['cseq']} {message['method']}" if message["status"] else message["cseq"]
        facts = [printable(cseq)]
        if len(self._far_ends) > 1 and not is_left:
            facts.append(f"[{self._far_ends.index(message['sip_call']) + 1}]")
        if message.get("again"):
            facts.append(click.style("sent again", fg="yellow"))
        if message["logs_in"]:
            facts.append("logs in")
        target = printable(str(message["target"]))
        longer = [printable(str(text)) for text in (message["media"], message["words"]) if text]
        if message["start"] and target:
            longer.insert(0, f"calls {target}")
        beside = " ".join(facts)
        if longer and self._column + len(click.unstyle(beside)) + len(longer[0]) + 3 <= self._width:
            beside += f"  {longer.pop(0)}"
        yield beside
        yield from longer

    def _under(self, text: str) -> Iterator[str]:
        """Write what is too long beside the arrow under it, between the rails where there is room."""
        rails = f"{'':{_TIMES_WIDTH}}│{'':{self._gap - 1}}│{'':{self._gap - 1}}│  "
        room = self._width - len(rails)
        if room < len(text) and room < _DETAILS_WIDTH:
            rails = f"{'':{_TIMES_WIDTH}}│ "
            room = self._width - len(rails)
        for line in textwrap.wrap(text, room):
            yield rails + line

    def _rail_line(self, parts: tuple[str, str, str, str]) -> str:
        times, *names = parts
        room = self._gap - 1
        short = [name if len(name) <= room else f"{name[: room - 1]}…" for name in names[:2]]
        last = names[2][: self._width - _TIMES_WIDTH - 2 * self._gap]
        return (
            f"{times:<{_TIMES_WIDTH}}{short[0]:<{self._gap}}{short[1]:<{self._gap}}{last}".rstrip()
        )


def registration_line(message: Message) -> str:
    """Write a REGISTER, an OPTIONS or an answer to one in a line."""
    arrow = "──►" if message["out"] else "◄──"
    who = message["to"] if message["method"] == "REGISTER" else ""
    facts = [
        str(message["cseq"]) + (f" {message['method']}" if message["status"] else ""),
        printable(str(who)),
        "logs in" if message["logs_in"] else "",
        "sent again" if message.get("again") else "",
        printable(str(message["words"])),
    ]
    place = printable(f"{message['peer']} {message['transport'].lower()}")
    words = click.style(f"{printable(_words(message)):<28}", fg=_colour(message))
    return f"{message['time']}  router {arrow} {place:<26} {words} {'  '.join(filter(None, facts))}".rstrip()


def printable(text: str) -> str:
    """Keep what came from outside from writing to the terminal anything but text."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _words(message: Message) -> str:
    if message["status"] is None:
        return str(message["method"])
    return f"{message['status']} {message['reason']}".strip()


def _colour(message: Message) -> str | None:
    status = message["status"]
    if status is None or status < 200:
        return "cyan" if status is None else None
    if status < 300:
        return "green"
    return "yellow" if status in (401, 407, 487) else "red"


def _name_of(messages: list[Message]) -> str:
    named = [each["label"] for each in messages if each["label"]]
    if named:
        return printable(named[0])
    return printable(str(messages[0]["from"])) if messages else ""


def _far_names(messages: list[Message]) -> str:
    """Name every far end; with numbers where there are several."""
    names = {each["sip_call"]: str(each["label"] or each["to"]) for each in messages}
    if len(names) < 2:
        return printable("".join(names.values()))
    return printable(", ".join(f"[{n}] {name}" for n, name in enumerate(names.values(), 1)))


def _places(messages: list[Message]) -> str:
    found = dict.fromkeys(f"{each['peer']} {each['transport'].lower()}" for each in messages)
    return printable(", ".join(found))
