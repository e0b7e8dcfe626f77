"""The torture tests of RFC 4475 and RFC 5118, read from the collection that lies beside the repository.

Each message goes to the parser, and over real sockets to a running endpoint: with an open policy, with
digest for everybody, and over TCP.
"""

import re
from pathlib import Path

import pytest

from intercom.adapters.sip.tls import Tls, TlsFiles
from intercom.adapters.sip.transport import StreamSettings
from intercom.errors import RemoteProtocolError
from intercom.sip.inspection import inspect
from intercom.sip.message import Request, parse
from tests.sip.running import ALIVE_S, Heard, missing, running, told_by_tcp, told_by_udp

FOLDER = Path(__file__).parents[3] / "shared" / "vectors"
INDEX = FOLDER / "index.tsv"
UNKNOWN = {"401", "403", "404"}
"""What may stand for 200 where the sender has to log in."""
NO_DIALOG = {"481"}
"""What must stand for 200 where To has a tag, as of no dialog of ours (RFC 3261 §12.2.2)."""
EXPECTED = {"RFC4475": 49, "RFC5118": 12}
LENGTH_ABSENT = {"inv2543": {"400"}}
"""Over a stream Content-Length is a must (RFC 3261 §18.3)."""
BESIDE_THE_RFC = {"test"}
"""In the archive of RFC 4475, and not in its text."""


def vectors():
    """List the collection's entries, or one that says that there are none."""
    if not INDEX.is_file():
        return [pytest.param({}, id="absent")]
    lines = [line.split("\t") for line in INDEX.read_text(encoding="utf-8").splitlines()]
    rows = [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]
    return [pytest.param(row, id=row["name"]) for row in rows]


EACH = pytest.mark.parametrize("row", vectors())


@pytest.fixture(autouse=True)
def _collection():
    if not INDEX.is_file():
        missing(f"the RFC test messages are not at {FOLDER}")


def data_of(row):
    """Read a message.

    Those of RFC 5118 have bare line feeds, may lack their last empty line, and were printed with a
    Content-Length that is not theirs.
    """
    data = (FOLDER / row["file"]).read_bytes()
    if row["source"] == "RFC5118":
        data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        data = data if data.endswith(b"\r\n") else data + b"\r\n"
        data = data if b"\r\n\r\n" in data else data + b"\r\n"
        length = len(data.partition(b"\r\n\r\n")[2])
        data = re.sub(rb"Content-Length: [1-9][0-9]*", b"Content-Length: %d" % length, data)
    return data


def codes_of(row, *, is_open=True):
    """List the finals that are right; none where there must be none."""
    if row["kind"] == "response" or row["expect"] == "drop":
        return set()
    codes = set((row.get("codes") or "200").split(","))
    if row["expect"] == "either":
        codes.add("200")
    if "200" not in codes:
        return codes
    is_in_dialog = b";tag=" in re.sub(rb"\s+", b"", to_of(data_of(row)))
    return codes | (set() if is_open else UNKNOWN) | (NO_DIALOG if is_in_dialog else set())


def to_of(data):
    """Cut the To header out, folded lines and all."""
    found = re.search(
        rb"^(?:to|t)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)", data, re.IGNORECASE | re.MULTILINE
    )
    return found[1] if found else b""


def judge(row, heard: Heard, *, is_open=True):
    """Compare what came back with what the index says."""
    codes = codes_of(row, is_open=is_open)
    assert heard.alive_s < ALIVE_S
    if heard.final is None:
        assert not codes or row["expect"] == "either"
    else:
        assert str(heard.final) in codes


def test_the_collection_is_whole():
    rows = [param.values[0] for param in vectors()]

    counts = {
        source: sum(row["source"] == source and row["name"] not in BESIDE_THE_RFC for row in rows)
        for source in EXPECTED
    }

    assert counts == EXPECTED


@EACH
def test_each_torture_message_is_judged_as_its_rfc_says(row):
    try:
        message = parse(data_of(row))
        refusal = inspect(message) if isinstance(message, Request) else None
    except RemoteProtocolError:
        assert row["expect"] in {"drop", "either"}
        return

    if row["expect"] == "accept":
        assert refusal is None or str(refusal.status) in row.get("codes", "").split(",")
    elif row["expect"] == "reject":
        assert refusal is None or str(refusal.status) in codes_of(row)


@EACH
async def test_a_running_endpoint_answers_each_over_udp_and_the_next_options_at_once(row):
    async with running() as transport:
        heard = await told_by_udp(transport, data_of(row))

    judge(row, heard)


@EACH
async def test_with_authentication_on_only_refusals_take_the_place_of_200(row):
    async with running(is_open=False) as transport:
        heard = await told_by_udp(transport, data_of(row))

    judge(row, heard, is_open=False)


@EACH
async def test_a_running_endpoint_answers_each_over_tcp_and_the_next_options_at_once(row):
    streams = StreamSettings(Tls(TlsFiles()))
    async with running(streams=streams) as transport:
        heard = await told_by_tcp(transport, data_of(row))

    assert heard.alive_s < ALIVE_S
    if heard.final is None:  # what breaks the framing is hung up on
        assert row["expect"] != "accept" or row["kind"] == "response"
    else:
        assert str(heard.final) in codes_of(row) | LENGTH_ABSENT.get(row["name"], set())


async def test_after_all_of_them_one_after_another_the_same_endpoint_still_answers():
    async with running() as transport:
        for param in vectors():
            heard = await told_by_udp(transport, data_of(param.values[0]))

            assert heard.alive_s < ALIVE_S
