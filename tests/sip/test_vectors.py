"""The project's own messages, `tests/vectors/*.sip`: each one is the proof of one rule of the parser.

index.tsv says of each: what is expected (accept, reject, drop, either, or response), the codes that a
running endpoint may answer with, facts that the parser must find in it, and the rule.

The endpoint trusts everybody and answers every call with 200.
"""

from pathlib import Path

import pytest

from intercom.errors import RemoteProtocolError
from intercom.sip.inspection import inspect
from intercom.sip.message import Message, Request, Response, parse
from intercom.sip.uri import parse_uri
from tests.sip.running import ALIVE_S, running, told_by_udp

FOLDER = Path(__file__).parents[1] / "vectors"
_LINES = [
    line.split("\t") for line in (FOLDER / "index.tsv").read_text(encoding="utf-8").splitlines()
]
ROWS = [dict(zip(_LINES[0], line, strict=True)) for line in _LINES[1:]]
EACH = pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])


def data_of(row):
    return (FOLDER / f"{row['name']}.sip").read_bytes()


def test_every_message_is_listed_once():
    files = sorted(path.stem for path in FOLDER.glob("*.sip"))

    assert sorted(row["name"] for row in ROWS) == files


@EACH
def test_the_parser_reads_the_message_as_its_rule_says(row):
    try:
        message = parse(data_of(row))
        assert message.via  # without it nobody can be answered, and nothing else is looked at
        refusal = inspect(message) if isinstance(message, Request) else None
    except RemoteProtocolError:
        assert row["expect"] in {"drop", "either"}
        return

    if row["expect"] == "response":
        assert isinstance(message, Response)
    elif row["expect"] == "accept":
        assert refusal is None or str(refusal.status) in row["codes"].split(",")
    elif row["expect"] == "reject":
        assert refusal is not None
        assert str(refusal.status) in row["codes"].split(",")
    for fact in filter(None, row["facts"].split(" | ")):
        check(message, *fact.split("=", 1))


def check(message: Message, name: str, value: str) -> None:
    """Check one fact: of a part of the message, of `count.HEADER`, or of a header's first value."""
    found = _part_of(message, name)
    assert found == value, f"{name} is {found!r}"


def _part_of(message: Message, name: str) -> str:
    parts = {
        "from": lambda: message.from_,
        "to": lambda: message.to,
        "via": lambda: message.via,
        "contact": lambda: message.contact,
    }
    first, _, rest = name.partition(".")
    if first == "count":
        return str(len(message.headers.get(rest, ())))
    if rest and first in parts:
        value = getattr(parts[first](), rest)
        return "none" if value is None else str(value)
    if name in {"method", "uri", "status", "reason"}:
        return str(getattr(message, name))
    return _fact_of(message, name)


def _fact_of(message: Message, name: str) -> str:
    match name:
        case "body":
            return str(len(message.body))
        case "cseq":
            return str(message.cseq.number)
        case "user":
            assert isinstance(message, Request)
            return parse_uri(message.uri).user
        case "absent":
            return next(iter(set(message.headers) & {"x-injected", "subject", "route"}), "absent")
        case _:
            return str(message.first(name))


@EACH
async def test_a_running_endpoint_answers_as_the_rule_says_and_stays_alive(row):
    async with running() as transport:
        heard = await told_by_udp(transport, data_of(row))

    assert heard.alive_s < ALIVE_S
    if row["expect"] in {"drop", "response"}:
        assert heard.statuses == []
    elif row["expect"] == "either":
        assert heard.final is None or str(heard.final) in row["codes"].split(",")
    else:
        assert str(heard.final) in row["codes"].split(",")


@EACH
async def test_no_answer_of_a_running_endpoint_carries_what_a_stranger_smuggled_in(row):
    async with running() as transport:
        heard = await told_by_udp(transport, data_of(row))

    for answer in heard.answers:
        head = answer.partition(b"\r\n\r\n")[0]
        assert b"\r" not in head.replace(b"\r\n", b"")
        assert b"\n" not in head.replace(b"\r\n", b"")
        assert b"\r\nX-Injected" not in head
        assert isinstance(parse(answer), Response)
