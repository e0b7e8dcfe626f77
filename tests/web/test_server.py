"""Headers, files and health of the web side."""

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest

from intercom.web.server import STATIC
from tests.web.desk import Desk, browser_like, open_desk

PATHS = ("/", "/static/js/main.js", "/api/me", "/healthz", "/nowhere", "/ws")


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as desk:
        yield desk


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with browser_like() as client:
        yield client


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_carries_the_strict_headers(desk, client, path):
    response = await client.get(desk.url + path)

    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert "microphone=(self)" in response.headers["Permissions-Policy"]
    assert "Server" not in response.headers


async def test_hsts_comes_with_tls_alone(desk, client):
    assert "Strict-Transport-Security" not in (await client.get(desk.url)).headers

    async with open_desk(is_tls=True) as with_tls:
        response = await client.get(with_tls.url)
        assert "max-age=31536000" in response.headers["Strict-Transport-Security"]


async def test_a_file_is_not_sent_again_while_it_is_the_same(desk, client):
    first = await client.get(f"{desk.url}/static/page.css")
    assert first.headers["Cache-Control"] == "no-cache"

    again = await client.get(
        f"{desk.url}/static/page.css", headers={"If-None-Match": first.headers["ETag"]}
    )

    assert again.status == 304
    assert await again.read() == b""


async def test_vendored_files_are_immutable_and_carry_their_version(desk, client):
    for path in (STATIC / "vendor").iterdir():
        if path.suffix in {".js", ".woff2"}:
            response = await client.get(f"{desk.url}/static/vendor/{path.name}")
            assert "immutable" in response.headers["Cache-Control"]
            assert re.search(r"-\d+\.\d+\.\d+", path.name)


@pytest.mark.parametrize(
    "path", ["../server.py", "%2e%2e/server.py", "..%2fserver.py", "/etc/passwd", "js", "js/"]
)
async def test_no_path_leads_out_of_the_folder(desk, client, path):
    response = await client.get(f"{desk.url}/static/{path}")

    assert response.status == 404


async def test_modules_and_fonts_have_their_types(desk, client):
    async def type_of(path: str) -> str:
        return (await client.get(desk.url + path)).content_type

    assert await type_of("/") == "text/html"
    assert await type_of("/static/js/main.js") == "text/javascript"
    assert await type_of("/static/vendor/inter-latin-5.3.0.woff2") == "font/woff2"
    assert await type_of("/manifest.webmanifest") == "application/manifest+json"


async def test_readiness_and_health_say_what_they_are_told(desk, client):
    assert (await client.get(f"{desk.url}/healthz")).status == 200
    assert (await client.get(f"{desk.url}/readyz")).status == 200

    desk.is_ready = False

    assert (await client.get(f"{desk.url}/healthz")).status == 200
    assert (await client.get(f"{desk.url}/readyz")).status == 503


def test_no_page_names_a_host_on_the_network_or_carries_an_inline_script_or_style():
    for path in STATIC.rglob("*"):
        if path.suffix not in {".js", ".css", ".html", ".webmanifest"}:
            continue
        text = path.read_text("utf-8")
        if path.parent.name != "vendor":
            assert not re.search(r"https?://(?!www\.w3\.org/)", text), path
        assert "<style" not in text, path
        assert not re.search(r"\s(style|on[a-z]+)=\"", text), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path


def test_each_vendored_library_has_its_licence_beside_it():
    licences = {path.name for path in (STATIC / "vendor").glob("LICENSE.*")}

    assert licences == {"LICENSE.inter.txt", "LICENSE.lit.txt", "LICENSE.lucide.txt"}
