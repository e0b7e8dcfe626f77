"""The searcher finds a secret in every shape that it might be written in, and nothing where there is none."""

import base64
import bz2
import gzip
import hashlib
import io
import json
import lzma
import sqlite3
import zipfile
import zlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.privacy_search import Secret, beyond, search, search_files

NAME = Secret("name", "Åse Nordmann")
NUMBER = Secret("number", "+4791234567")
USERNAME = Secret("username", "kari.nordmann")
FLAT = Secret("apartment", "H0417")
ALL = (NAME, NUMBER, USERNAME, FLAT)
TEXT = "called +4791234567 for kari.nordmann in H0417 (Åse Nordmann)"


def found(octets):
    return {each.secret for each in search(octets, ALL)}


def zipped(octets):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.txt", octets)
    return made.getvalue()


PACKERS = {
    "plain": lambda octets: octets,
    "base64": base64.b64encode,
    "base64 for addresses": base64.urlsafe_b64encode,
    "base64 in lines": base64.encodebytes,
    "hex": lambda octets: octets.hex().encode(),
    "hex with colons": lambda octets: octets.hex(":").upper().encode(),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zip": zipped,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "base64 of gzip": lambda octets: base64.b64encode(gzip.compress(octets)),
    "gzip of base64": lambda octets: gzip.compress(base64.b64encode(octets)),
    "gzip of gzip": lambda octets: gzip.compress(gzip.compress(octets)),
}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_text_is_found_however_it_was_packed(packer, encoding):
    packed = PACKERS[packer](TEXT.encode(encoding))

    assert found(b"some bytes before; " + packed + b" and after") == {each.name for each in ALL}


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        (b"KARI.NORDMANN", "username"),
        ("ÅSE NORDMANN".encode(), "name"),
        ("åse nordmann".encode(), "name"),
        ("A\u030ase Nordmann".encode(), "name"),
        ("Åse Nordmann".encode("latin-1"), "name"),
        (json.dumps("Åse Nordmann").encode(), "name"),
        (quote("Åse Nordmann").encode(), "name"),
        (b"&#197;se Nordmann", "name"),
        (b"+47 912 34 567", "number"),
        (b"0047 91-23-45-67", "number"),
        (b"tel:91234567", "number"),
        ("number=••••4567".encode(), "number"),
        (b"number=********567", "number"),
        (b"number=xxxx4567", "number"),
        (b"number=...4567", "number"),
        (b"+4791****", "number"),
        (b"k***.mann: kari.no****", "username"),
        (b"****nordmann", "username"),
        (b"flat **417", "apartment"),
        (hashlib.sha256(b"kari.nordmann").hexdigest().encode(), "username"),
        (hashlib.md5(b"+4791234567", usedforsecurity=False).digest(), "number"),
        (
            base64.b64encode(hashlib.sha1(b"kari.nordmann", usedforsecurity=False).digest()),
            "username",
        ),
        ((4791234567).to_bytes(6, "big"), "number"),
        ((91234567).to_bytes(8, "little"), "number"),
    ],
)
def test_a_secret_is_found_in_any_shape(written, secret):
    assert secret in found(b"{ " + written + b" }")


@pytest.mark.parametrize(
    "harmless",
    [
        b"",
        b"2026-11-22T12:34:56Z service.ready sip_port=5060 version=0.1.0 elapsed_ms=4567",
        b"password=******** user=******",
        b"the main entrance is at Storgata 14",
        bytes(range(256)) * 4,
    ],
)
def test_nothing_is_found_where_there_is_nothing(harmless):
    assert found(harmless) == set()


@given(st.binary(max_size=300))
def test_any_bytes_can_be_searched(octets):
    search(octets, ALL)


@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from(["gzip", "zlib", "plain"]))
def test_what_stands_beside_a_secret_does_not_hide_it(before, after, packer):
    packed = PACKERS[packer](TEXT.encode())

    assert found(before + packed + after) == {each.name for each in ALL}


def test_a_row_that_was_deleted_is_found_in_the_free_page_that_it_left(tmp_path):
    connection = sqlite3.connect(tmp_path / "leak.db")
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute("CREATE TABLE event (said TEXT)")
    connection.executemany("INSERT INTO event VALUES (?)", [(TEXT,)] * 200)
    connection.commit()
    connection.execute("DELETE FROM event")
    connection.commit()
    connection.close()

    assert {each.secret for each in search_files([tmp_path], ALL)} == {each.name for each in ALL}


def test_a_row_in_the_write_ahead_log_is_found(tmp_path):
    connection = sqlite3.connect(tmp_path / "leak.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE event (said TEXT)")
    connection.execute("INSERT INTO event VALUES (?)", (TEXT,))
    connection.commit()

    where = {each.where for each in search_files([tmp_path], ALL)}

    assert str(tmp_path / "leak.db-wal") in where
    connection.close()


def test_a_files_name_is_searched_too(tmp_path):
    (tmp_path / "kari.nordmann.wav").touch()

    assert [each.secret for each in search_files([tmp_path], ALL)] == ["username"]


def test_what_was_there_before_is_configuration_and_a_copy_elsewhere_is_not():
    before = search(b'[account] username="kari.nordmann" number="+4791234567"', ALL, "store")

    same = search(b'moved: [account] username="kari.nordmann" number="+4791234567"', ALL, "copy")
    leak = search(b'[account] username="kari.nordmann"; event kari.nordmann opened', ALL, "store")

    assert beyond(before, same) == []
    assert {each.secret for each in beyond(before, leak)} == {"username"}
