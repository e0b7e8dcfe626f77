"""Still pictures by HTTP, from a real server on loopback: each second, checked, and only while wanted."""

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import encode_basic_auth, web
from structlog.testing import capture_logs

from intercom.adapters import snapshots
from intercom.adapters.snapshots import MAX_JPEG_BYTES, Snapshots
from intercom.routing.directory import PictureSource
from intercom.routing.ids import CallId, LegId
from tests.adapters.sip_rig import until

CALL, LEG, OTHER = CallId("call-1"), LegId("leg-1"), LegId("leg-2")
JPEG = b"\xff\xd8\xff\xe0" + bytes(1000) + b"\xff\xd9"


class Camera:
    def __init__(self) -> None:
        self.body, self.status, self.kind = JPEG, 200, "image/jpeg"
        self.requests = 0
        self.at_once = self.most_at_once = 0
        self.delay_s = 0.0
        self.url = ""

    async def plain(self, _: web.Request) -> web.Response:
        self.requests += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.at_once -= 1
        return web.Response(status=self.status, body=self.body, content_type=self.kind)

    async def basic(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != encode_basic_auth("u", "p", "utf-8"):
            return web.Response(status=401)
        return await self.plain(request)

    async def digest(self, request: web.Request) -> web.Response:
        self.requests += 1
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("Authorization", "")))
        user, uri = md5("u:cam:p"), md5(f"GET:{request.path_qs}")
        middle = f"n0:{given.get('nc')}:{given.get('cnonce')}:auth"
        if given.get("response") != md5(f"{user}:{middle}:{uri}"):
            challenge = 'Digest realm="cam", nonce="n0", qop="auth", algorithm=MD5'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return web.Response(body=self.body, content_type="image/jpeg")


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@pytest.fixture
async def camera():
    camera = Camera()
    app = web.Application()
    for path in ("plain", "basic", "digest"):
        app.router.add_get(f"/{path}", getattr(camera, path))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    camera.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield camera
    await runner.cleanup()


@contextlib.asynccontextmanager
async def pictures() -> AsyncIterator[Snapshots]:
    async with asyncio.TaskGroup() as tasks, Snapshots(tasks) as each:
        yield each
        assert each._watches == {}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(snapshots, "INTERVAL_S", 0.05)
    monkeypatch.setattr(snapshots, "_PAUSE_S", 0.01)


def source(camera, way="plain", password="p"):
    return PictureSource(f"{camera.url}/{way}", "none" if way == "plain" else way, "u", password)


@pytest.mark.parametrize("way", ["plain", "basic", "digest"])
async def test_pictures_come_again_and_again_until_nobody_looks(camera, way):
    shown: list[str] = []
    async with pictures() as each:
        each.follow(CALL, source(camera, way), LEG, shown.append)
        await until(lambda: len(shown) >= 3)
        each.leave(CALL, LEG)
        count = camera.requests
        await asyncio.sleep(0.2)

    assert base64.b64decode(shown[0]) == JPEG
    assert camera.requests <= count + 1


async def test_digest_is_challenged_once_and_not_for_each_picture(camera):
    shown: list[str] = []
    async with pictures() as each:
        each.follow(CALL, source(camera, "digest"), LEG, shown.append)
        await until(lambda: len(shown) >= 4)
        each.leave(CALL, LEG)

    assert camera.requests <= len(shown) + 2


async def test_all_who_look_at_one_call_share_one_fetch(camera):
    first: list[str] = []
    second: list[str] = []
    async with pictures() as each:
        each.follow(CALL, source(camera), LEG, first.append)
        each.follow(CALL, source(camera), OTHER, second.append)
        await until(lambda: first and second)
        each.leave(CALL, LEG)
        seen = len(first)
        await until(lambda: len(second) > seen + 2)
        each.leave(CALL, OTHER)

    assert len(first) == seen
    assert camera.most_at_once == 1


async def test_a_slow_camera_is_never_asked_twice_at_once(camera):
    camera.delay_s = 0.15
    shown: list[str] = []
    async with pictures() as each:
        each.follow(CALL, source(camera), LEG, shown.append)
        await until(lambda: len(shown) >= 3)
        each.leave(CALL, LEG)

    assert camera.most_at_once == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"body": JPEG + bytes(MAX_JPEG_BYTES)}, "larger than 150 kB"),
        ({"body": b"<html>log in</html>"}, "gives no JPEG"),
        ({"body": b""}, "gives no JPEG"),
        ({"kind": "text/html"}, "gives no JPEG"),
        ({"status": 404}, "gives no JPEG"),
        ({"status": 302}, "gives no JPEG"),
        ({"status": 401}, "refuses the user name or password"),
    ],
)
async def test_what_is_no_fit_picture_is_shown_to_nobody_and_said_once(camera, changes, said):
    for name, value in changes.items():
        setattr(camera, name, value)
    shown: list[str] = []
    with capture_logs() as logs:
        async with pictures() as each:
            each.follow(CALL, source(camera), LEG, shown.append)
            await until(lambda: camera.requests >= 4)
            each.leave(CALL, LEG)

    assert shown == []
    assert [line["event"] for line in logs] == ["panel.picture_failed"]
    assert said in logs[0]["remedy"]


async def test_a_camera_that_is_gone_is_tried_again_and_its_password_is_never_logged(camera):
    gone = PictureSource("http://127.0.0.1:9/x", "basic", "u", "secret-password")
    shown: list[str] = []
    with capture_logs() as logs:
        async with pictures() as each:
            each.follow(CALL, gone, LEG, shown.append)
            await until(lambda: logs)
            each.leave(CALL, LEG)

    assert "secret-password" not in str(logs)
    assert "secret-password" not in repr(gone)
