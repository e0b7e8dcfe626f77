"""Guessing the panel link's password: ten wrong ones, then nothing is right for ten minutes."""

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from structlog.testing import capture_logs

from firmware_sim.process import control_server
from intercom.adapters.panel_link import PanelLinkHub
from intercom.adapters.panel_link.guesses import NEAR_INTERVAL_S, LinkGuesses
from intercom.link.guessing import GuessLimits, source_of
from tests.adapters.panel_rig import DIRECTORY, GARAGE, MAIN, PASSWORD, ROUTER_KEY

STRANGER = "203.0.113.5"


class Link:
    """The panel link behind a proxy on this machine, which tells who asks."""

    def __init__(self, hub: PanelLinkHub, port: int, http: aiohttp.ClientSession) -> None:
        self.hub = hub
        self.now = 1000.0
        self._url = f"http://127.0.0.1:{port}/panel-link"
        self._http = http

    async def dial(self, password: str, panel: str = MAIN, source: str = STRANGER) -> int:
        """Try to connect; give the status."""
        headers = {
            "Authorization": aiohttp.encode_basic_auth(panel, password),
            "X-Forwarded-For": f"198.51.100.1, {source}",
        }
        try:
            async with self._http.ws_connect(self._url, headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


@contextlib.asynccontextmanager
async def link() -> AsyncIterator[Link]:
    held: list[Link] = []
    hub = PanelLinkHub(
        key=ROUTER_KEY, directory=lambda: DIRECTORY, clock=lambda: held[0].now if held else 0.0
    )
    app = aiohttp.web.Application()
    app.router.add_get("/panel-link", hub.handle)
    app.on_shutdown.append(hub.stop)
    async with control_server(app, 0) as port, aiohttp.ClientSession() as http:
        held.append(Link(hub, port, http))
        yield held[0]


async def test_ten_wrong_passwords_lock_the_panel_at_that_source_for_ten_minutes():
    async with link() as one:
        with capture_logs() as logs:
            assert [await one.dial(f"guess {n}") for n in range(10)] == [401] * 10

        assert await one.dial(PASSWORD) == 401
        assert [line["event"] for line in logs] == ["panel_link.locked"]
        assert one.hub.locked_count() == 1
        one.now += 600.0
        assert await one.dial(PASSWORD) == 101


async def test_the_lock_hinders_neither_other_sources_nor_other_panels():
    async with link() as one:
        for _ in range(12):
            await one.dial("guess")

        assert await one.dial(PASSWORD, source="192.0.2.1") == 101
        assert await one.dial(PASSWORD, GARAGE) == 101


async def test_where_the_panel_was_connected_from_it_still_gets_in_now_and_then():
    async with link() as one:
        assert await one.dial(PASSWORD) == 101
        for _ in range(12):
            await one.dial("guess")
        one.now += NEAR_INTERVAL_S

        assert [await one.dial(PASSWORD), await one.dial(PASSWORD)] == [101, 101]
        for _ in range(3):
            await one.dial("guess")
        assert await one.dial(PASSWORD) == 401


async def test_unlocking_lets_everybody_try_again():
    async with link() as one:
        for _ in range(10):
            await one.dial("guess")

        assert one.hub.unlock() == 1

        assert await one.dial(PASSWORD) == 101


async def test_a_request_without_a_password_is_no_guess():
    async with link() as one, aiohttp.ClientSession() as http:
        for _ in range(12):
            async with http.get(one._url) as response:
                assert response.status == 401

        assert await one.dial(PASSWORD, source="127.0.0.1") == 101


@pytest.mark.parametrize("is_panel", [True, False])
def test_a_panel_and_an_invented_name_are_locked_alike(is_panel):
    guesses = LinkGuesses(lambda: 0.0)

    locked = [guesses.fail("x", STRANGER, is_panel=is_panel) for _ in range(11)]

    assert locked == [False] * 9 + [True, False]
    assert not guesses.may_try("x", STRANGER, is_panel=is_panel)


def test_invented_names_push_no_panels_failures_out_and_the_tables_are_bounded():
    guesses = LinkGuesses(lambda: 0.0, GuessLimits(max_entries=20))
    for _ in range(10):
        guesses.fail("main", STRANGER, is_panel=True)

    for number in range(1000):
        guesses.fail(f"{number}" * 1000, STRANGER, is_panel=False)
        guesses.succeed(f"{number}", STRANGER)

    assert not guesses.may_try("main", STRANGER, is_panel=True)
    assert len(guesses._seen) == 20


@pytest.mark.parametrize(
    ("remote", "forwarded", "source"),
    [
        ("127.0.0.1", "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("203.0.113.5", "192.0.2.1", "203.0.113.5"),
        (None, None, ""),
    ],
)
def test_only_a_proxy_on_this_machine_is_believed_who_asks(remote, forwarded, source):
    assert source_of(remote, forwarded) == source
