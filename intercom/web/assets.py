"""The page's files, read once at the start and served from memory with an ETag."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

IMMUTABLE = "public, max-age=31536000, immutable"
REVALIDATE = "no-cache"
_TYPES = {
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Asset:
    body: bytes
    content_type: str
    etag: str
    cache_control: str


class Assets:
    """All files under one folder; those in vendor/ carry their version in their name."""

    def __init__(self, folder: Path) -> None:
        self._assets = {
            path.relative_to(folder).as_posix(): _read(path, is_vendored="vendor" in path.parts)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    async def serve(self, request: web.Request) -> web.Response:
        """Answer GET /static/{path}: a look-up in a table, so no path leads elsewhere."""
        return self._answer(request, request.match_info["path"])

    def page(self, name: str) -> Handler:
        """Make a handler that serves one file."""

        async def serve_page(request: web.Request) -> web.StreamResponse:
            return self._answer(request, name)

        return serve_page

    def _answer(self, request: web.Request, name: str) -> web.Response:
        asset = self._assets.get(name)
        if asset is None:
            raise web.HTTPNotFound
        headers = {"ETag": f'"{asset.etag}"', "Cache-Control": asset.cache_control}
        if any(tag.value in {asset.etag, "*"} for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        is_text = asset.content_type.startswith("text/")
        return web.Response(
            body=asset.body,
            content_type=asset.content_type,
            charset="utf-8" if is_text else None,
            headers=headers,
        )


def _read(path: Path, *, is_vendored: bool) -> Asset:
    body = path.read_bytes()
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(
        body=body,
        content_type=_TYPES.get(path.suffix, guessed),
        etag=hashlib.sha256(body).hexdigest()[:32],
        cache_control=IMMUTABLE if is_vendored else REVALIDATE,
    )
