"""Measure the SIP parser: `python bench/sip_parser.py [--json] [--against FOLDER]`; µs a message.

`--against` measures another checkout in turn with this one, and prints the ratio other/this: figures of
two separate runs on a shared machine say little. Each is the best of seven, because it only ever adds.
"""

import argparse
import json
import os
import subprocess
import sys
import timeit
from collections.abc import Callable
from pathlib import Path

from intercom.sip import sdp
from intercom.sip.address import Address
from intercom.sip.inspection import inspect
from intercom.sip.message import ReplyTemplate, parse

ROUNDS = 3_000
REPEATS = 7
TURNS = 3
AIMS_US = {"INVITE, parsed": 40.0}
PANEL = Address("192.0.2.10", 5060)

SDP = b"""v=0\r
o=- 3724 3724 IN IP4 192.0.2.10\r
s=panel\r
c=IN IP4 192.0.2.10\r
t=0 0\r
m=audio 40000 RTP/AVP 8 0 101\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-15\r
a=ptime:20\r
a=sendrecv\r
m=video 40002 RTP/AVP 99\r
a=rtpmap:99 H264/90000\r
a=fmtp:99 profile-level-id=42e01f;packetization-mode=1\r
a=sendonly\r
"""
_COMMON = """Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---5a1d0c3b7f;rport\r
Max-Forwards: 70\r
Contact: <sip:panel-a@192.0.2.10:5060;transport=UDP>\r
To: <sip:flat-1@203.0.113.5>\r
From: "Main entrance" <sip:panel-a@203.0.113.5>;tag=7c1d2f03\r
Call-ID: 8bWZ3bYfZQk1cYjT0kq3Sg..\r
"""
_DIGEST = """Authorization: Digest username="panel-a",realm="intercom",nonce="b3c1d9e6aa0f45a2b1",\
uri="sip:203.0.113.5",response="6629fae49393a05397450978507c4ef1",cnonce="0a4f113b",nc=00000001,\
qop=auth,algorithm=MD5\r
"""


def written(start: str, extra: str, body: bytes = b"") -> bytes:
    """Write a message about as a panel does."""
    return f"{start}\r\n{_COMMON}{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


INVITE = written(
    "INVITE sip:flat-1@203.0.113.5:5060 SIP/2.0",
    "CSeq: 2 INVITE\r\nAllow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO\r\n"
    "Content-Type: application/sdp\r\nSupported: replaces, timer\r\nUser-Agent: Panel 1.2.3\r\n"
    + _DIGEST,
    SDP,
)
OK = written(
    "SIP/2.0 200 OK",
    "CSeq: 2 INVITE\r\nContent-Type: application/sdp\r\nServer: Carrier 7\r\n"
    "Record-Route: <sip:198.51.100.1;lr;ftag=7c1d2f03>\r\nAllow: INVITE, ACK, CANCEL, BYE\r\n",
    SDP,
)
REGISTER = written(
    "REGISTER sip:203.0.113.5 SIP/2.0",
    "CSeq: 7 REGISTER\r\nExpires: 300\r\nUser-Agent: Panel 1.2.3\r\n" + _DIGEST,
)


def cases() -> dict[str, tuple[int, Callable[[], object]]]:
    """List what is measured: a name, the message's bytes, and the work."""
    request = parse(INVITE)
    assert not hasattr(request, "status")
    template = ReplyTemplate(request, PANEL)  # type: ignore[arg-type]  # a request, as asserted
    fields = [
        ("Contact", "<sip:flat-1@203.0.113.5>"),
        ("Allow", "INVITE, ACK"),
        ("User-Agent", "x"),
    ]
    return {
        "INVITE, parsed": (len(INVITE), lambda: parse(INVITE)),
        "INVITE, parsed and inspected": (len(INVITE), lambda: inspect(parse(INVITE))),  # type: ignore[arg-type]
        "REGISTER, parsed": (len(REGISTER), lambda: parse(REGISTER)),
        "200, parsed": (len(OK), lambda: parse(OK)),
        "200, parsed with its addresses": (len(OK), lambda: read(parse(OK))),
        "SDP, parsed": (len(SDP), lambda: sdp.parse(SDP)),
        "183 with SDP, first response": (
            len(INVITE),
            lambda: ReplyTemplate(request, PANEL).build(183, "abc", fields=fields, body=SDP),  # type: ignore[arg-type]
        ),
        "183 with SDP, further response": (
            len(INVITE),
            lambda: template.build(183, "abc", fields=fields, body=SDP),
        ),
    }


def read(message: object) -> tuple[object, ...]:
    """Read what the transaction layer reads of every response."""
    return tuple(getattr(message, name) for name in ("via", "from_", "to", "cseq", "contact"))


def measure() -> dict[str, float]:
    """Measure everything, in µs."""
    return {
        name: min(timeit.repeat(work, number=ROUNDS, repeat=REPEATS)) / ROUNDS * 1e6
        for name, (_, work) in cases().items()
    }


def measured_in(folder: Path) -> dict[str, float]:
    """Measure the parser of a checkout, in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(folder.resolve())}
    found: dict[str, float] = json.loads(subprocess.check_output(command, env=environment))
    return found


def table(times: dict[str, float], others: dict[str, float]) -> str:
    """Write the results in Markdown."""
    rows = [
        "| message | bytes | µs | other/this | aim | met |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    sizes = {name: size for name, (size, _) in cases().items()}
    for name, time_us in times.items():
        ratio = f"{others[name] / time_us:.2f}" if name in others else ""
        aim = AIMS_US.get(name)
        words = ("", "") if aim is None else (f"≤ {aim:g}", "yes" if time_us <= aim else "**no**")
        rows.append(
            f"| {name} | {sizes[name]} | {time_us:.1f} | {ratio} | {words[0]} | {words[1]} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--against", type=Path)
    chosen = options.parse_args()
    if chosen.json:
        print(json.dumps(measure()))
        return
    if chosen.against is None:
        print(table(measure(), {}))
        return
    here = Path(__file__).resolve().parents[1]
    turns = [(measured_in(here), measured_in(chosen.against)) for _ in range(TURNS)]
    best = [{name: min(turn[i][name] for turn in turns) for name in turns[0][i]} for i in (0, 1)]
    print(table(best[0], best[1]))


if __name__ == "__main__":
    main()
