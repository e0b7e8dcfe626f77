"""Finds people, names, numbers, apartments and devices in bytes, however they were written there.

A secret is found plain (any case, UTF-8, UTF-16, Latin-1), escaped (JSON, URL, HTML), with its digits set apart, as an
integer, masked but for its head or tail, as a digest, and all of that within base64, hex, gzip, zlib, zip, bz2 and xz,
one inside another. What a service may hold, its configuration, is told apart by the bytes around it: `beyond` gives the
findings whose surroundings were not there before.
"""

import binascii
import bz2
import hashlib
import html
import json
import lzma
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

MOST_LAYERS = 4
AROUND = 12
"""Bytes on each side by which one place is told from another."""
SHORTEST_TAIL = 3
_MASK = rb"(?:\*|\xe2\x80\xa2|\xe2\x80\xa6|\xc3\x97|[.xX#_-]{2}){1,}[\s+]{0,2}"
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-](?:[A-Za-z0-9+/_-]|\r?\n(?=[A-Za-z0-9+/_-]{4})){10,}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}[:\s-]?){4,}")
_APART = re.compile(rb"[\s().\x2f-]+")
_PACKED = 64 * 1024 * 1024
"""Unpacked bytes of one member, at most."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Something that must be nowhere, such as Secret("number", "+4791234567")."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    secret: str
    how: str
    """Plain, masked, digest … and the layers that it lay under."""
    around: bytes
    """The place, with what stands beside it."""
    where: str = field(compare=False)
    """The file."""


def search_files(places: Iterable[Path], secrets: Iterable[Secret]) -> list[Finding]:
    """Search files, and of folders every file, whatever its name, and the files' names themselves."""
    wanted = [_Wanted(each) for each in secrets]
    found: list[Finding] = []
    for place in places:
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            found += _search(file.name.encode(), wanted, "name ", str(file))
            if file.is_file():
                found += _search(file.read_bytes(), wanted, "", str(file))
    return found


def search(octets: bytes, secrets: Iterable[Secret], where: str = "") -> list[Finding]:
    """Search bytes and whatever is packed in them."""
    return _search(octets, [_Wanted(each) for each in secrets], "", where)


def beyond(before: Iterable[Finding], after: Iterable[Finding]) -> list[Finding]:
    """Give the findings that were not there before, at that place and in that shape, in any file."""
    known = set(before)
    return [each for each in after if each not in known]


class _Wanted:
    """A secret in every shape that it may be written in."""

    def __init__(self, secret: Secret) -> None:
        self.name = secret.name
        text = secret.text
        cases = {text, text.lower(), text.upper(), text.title()}
        forms = {unicodedata.normalize(form, each) for each in cases for form in ("NFC", "NFD")}
        self.plain = {shape.lower() for form in forms for shape in _written(form)}
        self.digests = {digest for form in cases for digest in _digests(form)}
        self.masked = _masked_pattern(text)
        digits = "".join(each for each in text if each.isdigit())
        is_number = len(digits) >= 7 and len(digits) >= len(text) - 1
        self.digits = {digits[-8:].encode()} if is_number else set()
        self.integers = _integers(digits) if is_number else set()

    def places(self, octets: bytes, lower: bytes) -> Iterator[tuple[str, int, int]]:
        """List how, where from and where to it stands in these bytes."""
        for needle in self.plain:
            yield from (("plain", at, at + len(needle)) for at in _all(lower, needle))
        for needle in self.digests:
            yield from (("digest", at, at + len(needle)) for at in _all(octets, needle))
        for needle in self.integers:
            yield from (("integer", at, at + len(needle)) for at in _all(octets, needle))
        if self.masked is not None:
            for match in self.masked.finditer(lower):
                yield "masked", match.start(), match.end()


def _search(octets: bytes, wanted: list[_Wanted], how: str, where: str) -> list[Finding]:
    found: list[Finding] = []
    for layer, content in _layers(octets, how, MOST_LAYERS):
        lower = content.lower()
        for one in wanted:
            for shape, start, end in one.places(content, lower):
                around = content[max(0, start - AROUND) : end + AROUND]
                found.append(Finding(one.name, f"{layer}{shape}", around, where))
        joined = _APART.sub(b"", content)
        for one in wanted:
            for needle in one.digits:
                for at in _all(joined, needle):
                    around = joined[max(0, at - AROUND) : at + len(needle) + AROUND]
                    found.append(Finding(one.name, f"{layer}digits", around, where))
    return found


def _layers(octets: bytes, how: str, depth: int) -> Iterator[tuple[str, bytes]]:
    """Give the bytes, and everything that is packed or encoded in them."""
    yield how, octets
    if depth == 0:
        return
    for kind, content in (*_unpacked(octets), *_decoded(octets)):
        yield from _layers(content, f"{how}{kind} ", depth - 1)


def _unpacked(octets: bytes) -> Iterator[tuple[str, bytes]]:
    for match in re.finditer(rb"\x1f\x8b\x08", octets):
        yield from _inflated("gzip", octets[match.start() :], 31)
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", octets):
        yield from _inflated("zlib", octets[match.start() :], 15)
    for match in re.finditer(rb"PK\x03\x04.{22}(..)(..)", octets, re.DOTALL):
        skipped = int.from_bytes(match[1], "little") + int.from_bytes(match[2], "little")
        yield from _inflated("zip", octets[match.end() + skipped :], -15)
    for magic, make in ((b"BZh", bz2.BZ2Decompressor), (b"\xfd7zXZ\x00", lzma.LZMADecompressor)):
        for at in _all(octets, magic):
            try:
                content = make().decompress(octets[at:], _PACKED)
            except (OSError, EOFError, lzma.LZMAError):
                continue
            yield magic[:2].decode("latin-1"), content


def _inflated(kind: str, octets: bytes, window: int) -> Iterator[tuple[str, bytes]]:
    """Unpack as much as there is, also of a member that is cut off."""
    inflater = zlib.decompressobj(window)
    content = bytearray()
    try:
        for start in range(0, len(octets), 4096):
            content += inflater.decompress(octets[start : start + 4096], _PACKED)
            if inflater.eof:
                break
    except zlib.error:
        pass
    if content:
        yield kind, bytes(content)


def _decoded(octets: bytes) -> Iterator[tuple[str, bytes]]:
    for match in _BASE64.finditer(octets):
        run = match[0].replace(b"\r", b"").replace(b"\n", b"")
        run = run.replace(b"-", b"+").replace(b"_", b"/")
        for offset in range(min(4, len(run))):
            whole = run[offset : offset + (len(run) - offset) // 4 * 4]
            rest = run[offset + len(whole) :]
            padded = whole + (rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b"")
            yield "base64", binascii.a2b_base64(padded)
    for match in _HEX.finditer(octets):
        digits = re.sub(rb"[^0-9a-fA-F]", b"", match[0])
        for offset in (0, 1):
            even = digits[offset : offset + (len(digits) - offset) // 2 * 2]
            yield "hex", binascii.a2b_hex(even)


def _written(text: str) -> Iterator[bytes]:
    yield text.encode()
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield text.encode("latin-1", "replace")
    yield json.dumps(text)[1:-1].encode()
    yield quote(text, safe="").encode()
    yield quote_plus(text).encode()
    yield html.escape(text).encode()
    yield text.encode("ascii", "xmlcharrefreplace")


def _digests(text: str) -> Iterator[bytes]:
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
        digest = hashlib.new(name, text.encode(), usedforsecurity=False)
        yield digest.digest()[:16]  # also where it was cut short; hex and base64 are layers


def _masked_pattern(text: str) -> re.Pattern[bytes] | None:
    """Match a mask before the secret's tail or after its head: "••••4567", "+4791****"."""
    lowered = text.lower()
    if len(lowered) < SHORTEST_TAIL + 2:
        return None
    tails = [lowered[-length:] for length in range(SHORTEST_TAIL, len(lowered))]
    heads = [lowered[:length] for length in range(SHORTEST_TAIL, len(lowered))]
    last, first = (
        b"|".join(re.escape(each.encode()) for each in sorted(ends, key=len, reverse=True))
        for ends in (tails, heads)
    )
    return re.compile(_MASK + b"(?:" + last + rb")(?!\w)|(?<!\w)(?:" + first + b")" + _MASK)


def _integers(digits: str) -> set[bytes]:
    """Write a number as databases and packets do, with the country's code and without."""
    numbers = {int(digits), int(digits[-8:])}
    sizes = [(number, size) for number in numbers for size in (5, 6, 8) if number < 1 << 8 * size]
    return {number.to_bytes(size, order) for number, size in sizes for order in ("big", "little")}


def _all(octets: bytes, needle: bytes) -> Iterator[int]:
    at = octets.find(needle)
    while at >= 0:
        yield at
        at = octets.find(needle, at + 1)
