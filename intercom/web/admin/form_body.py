"""The body of a form: read as UTF-8 whatever it calls itself, bounded in bytes, fields and time.

aiohttp's own `post` takes any charset that Python has, some of which take seconds, and any number of fields.
"""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_request import FileField

BODY_S = 4.0
SLOWEST_BYTES_A_SECOND = 50_000
"""So much longer a large body may take."""
MAX_FIELDS = 1000
MAX_SHORT_BYTES = 64 * 1024
"""A longer body is taken apart beside the loop."""
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


@dataclass(frozen=True, slots=True)
class FormBody:
    """What was sent, in its order."""

    fields: tuple[tuple[str, str], ...] = ()
    files: dict[str, FileField] = field(default_factory=dict)


_BROKEN = (
    ValueError,
    LookupError,
    AssertionError,
    TimeoutError,
    HttpProcessingError,
    web.RequestPayloadError,
)
"""What aiohttp raises for bodies that are no forms."""
_READ: web.RequestKey[FormBody] = web.RequestKey("form body", FormBody)


async def read_form(request: web.Request, max_bytes: int) -> FormBody:
    """Read a request's form, once; raises HTTPBadRequest, HTTPRequestEntityTooLarge."""
    if request.content_type not in FORMS:
        return FormBody()
    if _READ not in request:
        try:
            async with asyncio.timeout(BODY_S + max_bytes / SLOWEST_BYTES_A_SECOND):
                bounded = request.clone(client_max_size=max_bytes)
                if request.content_type == "multipart/form-data":
                    request[_READ] = await _in_parts(await bounded.multipart(), max_bytes)
                else:
                    request[_READ] = await _encoded(await bounded.read())
        except _BROKEN as error:
            raise web.HTTPBadRequest from error
    return request[_READ]


async def _encoded(body: bytes) -> FormBody:
    if len(body) <= MAX_SHORT_BYTES:
        return _parsed(body)
    return await asyncio.to_thread(_parsed, body)


def _parsed(body: bytes) -> FormBody:
    """Take apart application/x-www-form-urlencoded; ValueError when it has too many fields."""
    text = body.decode("utf-8", "replace")
    return FormBody(tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)))


async def _in_parts(reader: MultipartReader, max_bytes: int) -> FormBody:
    """Take apart multipart/form-data (RFC 7578); ValueError for one that is none."""
    fields: list[tuple[str, str]] = []
    files: dict[str, FileField] = {}
    left = max_bytes
    async for part in _parts(reader):
        if len(fields) + len(files) >= MAX_FIELDS:
            raise ValueError("too many fields")
        content = bytearray()
        while chunk := await part.read_chunk():
            content += chunk
            if len(content) > left:
                raise web.HTTPRequestEntityTooLarge(max_bytes, max_bytes + 1)
        left -= len(content)
        name = part.name or ""
        if part.filename:
            kind = part.headers.get("Content-Type", "application/octet-stream")
            file = io.BytesIO(content)
            files[name] = FileField(name, part.filename, file, kind, part.headers)
        else:
            fields.append((name, content.decode("utf-8", "replace")))
    return FormBody(tuple(fields), files)


async def _parts(reader: MultipartReader) -> AsyncIterator[BodyPartReader]:
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            raise ValueError("a form in a form")  # noqa: TRY004 - of what was sent
        yield part
