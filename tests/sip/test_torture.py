"""The torture tests of RFC 4475 and RFC 5118, read from the collection that lies beside the repository."""

import re
from pathlib import Path

import pytest

from intercom.errors import RemoteProtocolError
from intercom.sip.inspection import inspect
from intercom.sip.message import Request, parse
from tests.sip.wire import bench, request, start

FOLDER = Path(__file__).parents[3] / "shared" / "vectors"
INDEX = FOLDER / "index.tsv"


def vectors():
    """List the collection's entries, or one that says why there are none."""
    if not INDEX.is_file():
        mark = pytest.mark.skip(reason=f"the RFC test messages are not at {FOLDER}")
        return [pytest.param({}, id="absent", marks=mark)]
    lines = [line.split("\t") for line in INDEX.read_text(encoding="utf-8").splitlines()]
    rows = [dict(zip(lines[0], line, strict=False)) for line in lines[1:]]
    return [pytest.param(row, id=row["name"]) for row in rows]


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


@pytest.mark.parametrize("row", vectors())
def test_each_torture_message_is_judged_as_its_rfc_says(row):
    data = data_of(row)
    try:
        message = parse(data)
        refusal = inspect(message) if isinstance(message, Request) else None
    except RemoteProtocolError:
        assert row["expect"] in {"drop", "either"}
        return

    if row["expect"] == "accept":
        codes = row.get("codes", "").split(",")
        assert refusal is None or str(refusal.status) in codes
    elif row["expect"] == "reject":
        status = answer_to(data)
        assert status in row["codes"].split(",")


def answer_to(data):
    """Return the final that an endpoint answers with."""
    out = bench().take(data)
    assert out
    return out[-1]


@pytest.mark.parametrize("row", vectors())
def test_after_each_torture_message_options_is_still_answered(row):
    rig = bench()
    rig.take(data_of(row))
    rig.wait(1.0)

    assert rig.take(request("OPTIONS", branch="z9hG4bKalive", call_id="alive"))[-1:] == ["200"]
    assert start(rig.last) == "200"
