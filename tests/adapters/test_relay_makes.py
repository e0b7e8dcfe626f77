"""Doors opened by each make's HTTP interface, against real servers that answer as its manual says."""

import hashlib
import re
import secrets
import socket

import pytest
from aiohttp import encode_basic_auth, web

from intercom.adapters.relay_http import HttpRelayDriver
from intercom.building.tables import DoorTable
from intercom.building.ways import relay_of
from intercom.ports import RelayOutcome
from intercom.routing.directory import HttpRelay
from intercom.routing.ids import CommandId

USER, PASSWORD, PIN = "intercom", "panel & password", "4711"
CODES = {"grandstream": PIN}
RELAYS = {"2n": 2, "akuvox": 2, "doorbird": 2}
MAKES = ["2n", "akuvox", "grandstream", "doorbird", "fanvil"]


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


class Panel:
    """One panel's HTTP interface, as each make's manual describes it; counts its openings."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.requests = 0
        self.nonce = secrets.token_hex(8)
        self.host = ""
        self.body: str | None = None
        """What it says in place of its usual answer, with the same status."""
        self.status = 200

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/switch/ctrl", self.two_n)
        app.router.add_get("/fcgi/do", self.akuvox)
        app.router.add_get("/fcgi/OpenDoor", self.akuvox_in_high_security)
        app.router.add_get("/goform/apicmd", self.grandstream)
        app.router.add_get("/bha-api/open-door.cgi", self.doorbird)
        app.router.add_get("/cgi-bin/ConfigManApp.com", self.fanvil)
        return app

    async def two_n(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return self._challenge()
        assert request.query["action"] == "trigger"
        return self._open(request.query["switch"], '{\n  "success" : true\n}')

    async def akuvox(self, request: web.Request) -> web.Response:
        self.requests += 1
        query = request.query
        if (query.get("UserName"), query.get("Password")) != (USER, PASSWORD):
            return web.Response(text='{"retcode": -1, "message": "wrong password"}')
        assert query["action"] == "OpenDoor"
        return self._open(query["DoorNum"], '{"retcode": 0, "message": "OK", "data": {}}')

    async def akuvox_in_high_security(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return self._challenge()
        return self._open(request.query["DoorNum"], '{"retcode": 0, "message": "OK"}')

    async def grandstream(self, request: web.Request) -> web.Response:
        self.requests += 1
        query = request.query
        if query["cmd"] == "0":
            inner = f"<ResCode>0</ResCode><ChallengeCode>{self.nonce}</ChallengeCode>"
            return self._xml(f"{inner}<IDCode>UM1NWDJY</IDCode><RetMsg>OK</RetMsg>")
        proof = md5(f"{self.nonce}:{PIN}:{PASSWORD}")
        if (query["authcode"], query["idcode"], query["user"]) != (proof, "UM1NWDJY", USER):
            return self._xml("<ResCode>1</ResCode><RetMsg>Authentication error</RetMsg>")
        answer = "<Configuration><ResCode>0</ResCode><RetMsg>OK</RetMsg></Configuration>"
        return self._open(query["type"], answer)

    async def doorbird(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return self._challenge()
        return self._open(request.query["r"], '{"BHA": {"RETURNCODE": "1"}}')

    async def fanvil(self, request: web.Request) -> web.Response:
        self.requests += 1
        if request.headers.get("Authorization") != encode_basic_auth(USER, PASSWORD, "utf-8"):
            return web.Response(status=401)
        assert request.query["key"] == "F_LOCK"
        return self._open(request.query["code"], "<html>whatever</html>")

    def _open(self, what: str, answer: str) -> web.Response:
        if self.body is None and self.status == 200:
            self.opened.append(what)
        text = answer if self.body is None else self.body
        return web.Response(status=self.status, text=None if self.status == 204 else text)

    def _xml(self, inner: str) -> web.Response:
        text = f'<?xml version="1.0"?><Configuration>{inner}</Configuration>'
        return web.Response(text=text, content_type="text/xml")

    def _knows(self, request: web.Request) -> bool:
        """Check an MD5 digest by hand (RFC 7616 §3.4.1)."""
        self.requests += 1
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', request.headers.get("Authorization", "")))
        user = md5(f"{USER}:panel:{PASSWORD}")
        uri = md5(f"GET:{request.path_qs}")
        middle = f"{self.nonce}:{given.get('nc')}:{given.get('cnonce')}:auth"
        return given.get("response") == md5(f"{user}:{middle}:{uri}")

    def _challenge(self) -> web.Response:
        challenge = f'Digest realm="panel", nonce="{self.nonce}", qop="auth", algorithm=MD5'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})


@pytest.fixture
async def panel():
    panel = Panel()
    runner = web.AppRunner(panel.app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    panel.host = f"127.0.0.1:{runner.addresses[0][1]}"
    yield panel
    await runner.cleanup()


@pytest.fixture
async def driver():
    async with HttpRelayDriver() as driver:
        yield driver


def relay(panel, make, *, password=PASSWORD, code=None, **fields) -> HttpRelay:
    """Make what a building file's lines for this make lead to."""
    table = {"driver": make, "host": panel.host, "scheme": "http", "username": USER, **fields}
    if make in RELAYS:
        table["relay"] = RELAYS[make]
    door = DoorTable(id="main", name="Main", relay=table)
    path = ("door", 0, "relay")
    secrets_found = {path: password, (*path, "code"): code or CODES.get(make)}
    found = relay_of(door, path, None, secrets_found)
    assert isinstance(found, HttpRelay)
    return found


async def pulse(driver, relay):
    return await driver.pulse(relay, 1000, CommandId("c1"), None)


@pytest.mark.parametrize("make", MAKES)
async def test_each_make_opens_once_and_says_sent(driver, panel, make):
    result = await pulse(driver, relay(panel, make))

    assert (result.outcome, result.cause) == (RelayOutcome.SENT, "")
    assert panel.opened == [{"fanvil": "openlock", "grandstream": "1"}.get(make, "2")]


@pytest.mark.parametrize("make", MAKES)
async def test_a_wrong_password_opens_nothing_and_is_named(driver, panel, make):
    result = await pulse(driver, relay(panel, make, password="wrong"))

    said = {
        "akuvox": "the panel refused to open: wrong password",
        "grandstream": "the panel refused to open: Authentication error",
    }
    assert result.outcome is RelayOutcome.FAILED
    assert result.cause == said.get(make, "the relay refused our user name or password")
    assert panel.opened == []
    assert panel.requests <= 2


async def test_a_wrong_remote_pin_opens_nothing(driver, panel):
    result = await pulse(driver, relay(panel, "grandstream", code="0000"))

    assert result.outcome is RelayOutcome.FAILED
    assert panel.opened == []


@pytest.mark.parametrize(
    ("make", "body", "outcome_and_words"),
    [
        (
            "2n",
            '{"success": false, "error": {"code": 12, "description": "switch is disabled"}}',
            (RelayOutcome.FAILED, "the panel refused to open: switch is disabled"),
        ),
        (
            "2n",
            '{"success": false}',
            (RelayOutcome.FAILED, "the panel refused to open: it does not say why"),
        ),
        ("2n", "<html>log in</html>", (RelayOutcome.UNKNOWN, "is not understood")),
        ("2n", "[true]", (RelayOutcome.UNKNOWN, "is not understood")),
        ("2n", '{"success": "true"}', (RelayOutcome.UNKNOWN, "is not understood")),
        ("2n", "[" * 12_000, (RelayOutcome.UNKNOWN, "is not understood")),
        ("akuvox", '{"retcode": 1, "message": "no relay"}', (RelayOutcome.FAILED, "no relay")),
        ("akuvox", "OK", (RelayOutcome.SENT, "")),
        ("doorbird", '{"BHA": {"RETURNCODE": "0"}}', (RelayOutcome.FAILED, "code 0")),
        ("doorbird", "", (RelayOutcome.SENT, "")),
        ("grandstream", "<ResCode>1</ResCode>", (RelayOutcome.FAILED, "does not say why")),
        ("grandstream", "", (RelayOutcome.UNKNOWN, "is not understood")),
        ("fanvil", "anything", (RelayOutcome.SENT, "")),
    ],
)
async def test_a_good_status_with_an_error_inside_is_no_opening(
    driver, panel, make, body, outcome_and_words
):
    outcome, said = outcome_and_words
    panel.body = body

    result = await pulse(driver, relay(panel, make))

    assert result.outcome is outcome
    assert said in result.cause


async def test_words_of_a_panel_are_cut_and_printable(driver, panel):
    panel.body = '{"success": false, "error": {"description": "a\\u0007\\n' + "x" * 500 + '"}}'

    result = await pulse(driver, relay(panel, "2n"))

    assert result.cause == "the panel refused to open: a" + "x" * 79


async def test_a_doorbird_user_without_the_right_is_named(driver, panel):
    panel.status = 204

    result = await pulse(driver, relay(panel, "doorbird"))

    assert (result.outcome, result.cause) == (
        RelayOutcome.FAILED,
        "the relay does not let our user open it",
    )


async def test_akuvox_in_high_security_mode_takes_digest_at_another_path(driver, panel):
    result = await pulse(driver, relay(panel, "akuvox", authentication="digest"))

    assert result.outcome is RelayOutcome.SENT
    assert panel.opened == ["2"]


async def test_fanvil_takes_the_code_that_was_set_in_it(driver, panel):
    await pulse(driver, relay(panel, "fanvil", code="*77&x=1"))

    assert panel.opened == ["*77&x=1"]


async def test_a_panel_without_a_challenge_was_asked_for_nothing(driver, panel):
    found = relay(panel, "grandstream")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}/goform/apicmd"
    refused = HttpRelay("GET", gone, "challenge", answer=found.answer, code=PIN)
    other = HttpRelay("GET", f"http://{panel.host}/fcgi/none", "challenge", answer=found.answer)

    silent, strange = await pulse(driver, refused), await pulse(driver, other)

    assert (silent.outcome, strange.outcome) == (RelayOutcome.FAILED, RelayOutcome.FAILED)
    assert "refuses connections" in silent.cause
    assert "is its HTTP API to open doors on?" in strange.cause


@pytest.mark.parametrize(("text", "outcome"), [("OK", "SENT"), ("DONE", "UNKNOWN")])
async def test_a_text_that_must_stand_in_the_answer_is_looked_for(driver, panel, text, outcome):
    panel.body = "relay 1 OK"
    found = relay(panel, "fanvil")
    own = HttpRelay("GET", found.url, "basic", USER, PASSWORD, expected_text=text, code="x")

    result = await pulse(driver, own)

    assert result.outcome is RelayOutcome[outcome]


@pytest.mark.parametrize("make", MAKES)
def test_no_secret_shows_where_a_relay_is_printed(panel, make):
    shown = repr(relay(panel, make, code="1234" if make == "fanvil" else None))

    assert PASSWORD not in shown
    assert "4711" not in shown
    assert "1234" not in shown
