"""A resident's app without a screen: the same log-in, WebSocket and WebRTC as the page."""

import asyncio
import contextlib
import json
import random
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import aiohttp

from firmware_sim import process
from firmware_sim.app_media import AppMedia

REQUEST_S = 5.0
HEARTBEAT_S = 8.0
RETRY_S = 1.0
LOUD = 500
"""A frame with a sample above this, of 32767, is sound and not line noise."""


class NotLoggedInError(Exception):
    """The service did not take the user name, the password or the cookie."""


@dataclass(slots=True)
class CallRecord:
    """What the app saw of a call; stamps are CLOCK_MONOTONIC in ms."""

    door: str
    place: str
    doorbell: str
    codec: str
    has_picture: bool
    phase: str = "ringing"
    """ringing, accepted, talking or ended"""
    is_quiet: bool = False
    ended_reason: str | None = None
    ended_text: str = ""
    frames: int = 0
    """Pictures decoded so far."""
    media_state: str = "new"
    door_states: list[dict[str, object]] = field(default_factory=list)
    ready_answers: list[dict[str, object]] = field(default_factory=list)
    """Each with its state: told, or refused."""
    errors: list[str] = field(default_factory=list)
    ring_ms: int | None = None
    media_connected_ms: int | None = None
    first_frame_ms: int | None = None
    first_sound_ms: int | None = None
    accepted_ms: int | None = None
    talking_ms: int | None = None
    open_asked_ms: int | None = None
    opening_ms: int | None = None
    opened_ms: int | None = None
    sent_ms: int | None = None
    refused_ms: int | None = None
    unknown_ms: int | None = None
    failed_ms: int | None = None
    ended_ms: int | None = None


class _Call:
    def __init__(self, token: str, record: CallRecord) -> None:
        self.token = token
        self.record = record
        self.media: AppMedia | None = None

    @property
    def is_live(self) -> bool:
        return self.record.phase != "ended"


class AppClient:
    """One log-in of one resident; takes one call at a time."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        *,
        server: str,
        username: str,
        password: str,
        tone_hz: int,
        auto_answer_after_s: float | None = None,
    ) -> None:
        self.auto_answer_after_s = auto_answer_after_s
        self.heard_sound = process.WavRecorder()
        self._tasks = tasks
        self._server = server.rstrip("/")
        self._credentials = {"username": username, "password": password}
        self._tone_hz = tone_hz
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._connected_ms: int | None = None
        self._name = ""
        self._doors: object = []
        self._keys: dict[str, dict[str, object]] = {}
        """What came of each wish to open a door without a call, by its id."""
        self._calls = 0
        self._call: _Call | None = None
        self._problem = ""

    def state(self) -> process.JsonObject:
        """Describe the app and its last call, for /api/state."""
        return {
            "connected": self._socket is not None,
            "connected_ms": self._connected_ms,
            "name": self._name,
            "doors": self._doors,
            "keys": self._keys,
            "problem": self._problem,
            "calls": self._calls,
            "call": asdict(self._call.record) if self._call is not None else None,
        }

    # -- what the person does; each says whether there was a call for it ---------------------

    def accept(self) -> bool:
        """Answer the call that rings; only now is the tone sent."""
        call = self._live_call("ringing")
        if call is None or not self._send(call, "accept"):
            return False
        call.record.phase, call.record.accepted_ms = "accepted", process.now_ms()
        self.heard_sound.mark("accepted")
        if call.media is not None:
            call.media.talk(self._tone_hz)
        return True

    def decline(self) -> bool:
        """Decline the call that rings."""
        call = self._live_call("ringing")
        return call is not None and self._send(call, "decline")

    def hang_up(self) -> bool:
        """End the call."""
        call = self._live_call()
        return call is not None and self._send(call, "hang_up")

    def open(self, command_id: str | None = None) -> bool:
        """Ask for the door; with an id that was used before, as a replay would."""
        call = self._live_call()
        if call is None:
            return False
        call.record.open_asked_ms = process.now_ms()
        self.heard_sound.mark("open")
        return self._send(call, "open", id=command_id or secrets.token_hex(16))

    def ready_answer(self, answer: str) -> bool:
        """Let the visitor be told coming, leave_it or wrong_door."""
        call = self._live_call()
        return call is not None and self._send(call, "ready_answer", answer=answer)

    def turn_key(self, door: str, wish_id: str | None = None) -> bool:
        """Ask for a door without a call; with an id that was used before, as a replay would."""
        return self._send_frame(type="key", door=door, id=wish_id or secrets.token_hex(16))

    def talk_out_of_turn(self) -> bool:
        """Send the tone although nobody accepted: a fault."""
        call = self._live_call()
        if call is None or call.media is None:
            return False
        call.media.talk(self._tone_hz)
        return True

    # -- the connection ----------------------------------------------------------------------

    async def serve(self) -> None:
        """Stay logged in and connected until cancelled."""
        jar = aiohttp.CookieJar(unsafe=True)  # unsafe: cookies for an IP address too
        timeout = aiohttp.ClientTimeout(total=REQUEST_S)
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=timeout) as session:
            try:
                while True:
                    await self._connect_once(session)
                    await asyncio.sleep(random.uniform(0, RETRY_S))
            finally:
                await self._end("stopped")

    async def _connect_once(self, session: aiohttp.ClientSession) -> None:
        try:
            await self._log_in(session)
            async with session.ws_connect(
                f"{self._server}/ws", origin=self._server, heartbeat=HEARTBEAT_S
            ) as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        await self._received(socket, json.loads(message.data))
        except (aiohttp.ClientError, TimeoutError, NotLoggedInError) as error:
            self._problem = str(error) or type(error).__name__
        self._socket = None

    async def _log_in(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{self._server}/api/me") as response:
            if response.status == 200:
                return
        async with session.post(f"{self._server}/api/login", json=self._credentials) as response:
            if response.status != 200:
                msg = f"log-in: {response.status} {await response.text()}"
                raise NotLoggedInError(msg)

    def _send(self, call: _Call, frame_type: str, **fields: str) -> bool:
        return self._send_frame(type=frame_type, call=call.token, **fields)

    def _send_frame(self, **fields: str) -> bool:
        if self._socket is None or self._socket.closed:
            return False
        self._tasks.create_task(self._send_text(self._socket, json.dumps(fields)))
        return True

    async def _send_text(self, socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
        with contextlib.suppress(ConnectionError):  # the reader sees the end too
            await socket.send_str(text)

    # -- what the service says ---------------------------------------------------------------

    async def _received(
        self, socket: aiohttp.ClientWebSocketResponse, frame: Mapping[str, object]
    ) -> None:
        if frame["type"] == "hello":
            await self._greeted(socket, frame)
        elif frame["type"] == "ring":
            await self._rang(frame)
        elif frame["type"] == "key_result":
            self._keys[str(frame["id"])] = dict(frame)
        elif self._call is not None and frame.get("call") == self._call.token:
            await self._told(self._call, frame)

    async def _greeted(
        self, socket: aiohttp.ClientWebSocketResponse, frame: Mapping[str, object]
    ) -> None:
        resident = frame["resident"]
        self._name = str(resident["name"]) if isinstance(resident, dict) else ""
        self._doors = frame["doors"]
        if socket is not self._socket:
            self._socket, self._connected_ms, self._problem = socket, process.now_ms(), ""
            if self._live_call("ringing", "accepted") is not None:
                await self._end("lost")  # the service rings anew what still rings

    async def _rang(self, frame: Mapping[str, object]) -> None:
        if self._live_call() is not None:
            return  # one call at a time; the service ends what nobody takes
        now_ms = process.now_ms()
        door = frame["door"]
        record = CallRecord(
            door=str(door["name"]) if isinstance(door, dict) else "",
            place=str(frame.get("place", "")),
            doorbell=str(frame.get("doorbell", "")),
            codec=str(frame.get("codec", "")),
            has_picture=bool(frame.get("has_picture")),
            ring_ms=now_ms,
        )
        call = self._call = _Call(str(frame["call"]), record)
        self._calls += 1
        self.heard_sound.clear()
        if frame.get("offer"):
            await self._answer_offer(call, str(frame["offer"]))
        if self.auto_answer_after_s is not None:
            self._tasks.create_task(self._answer_later(call, self.auto_answer_after_s))

    async def _answer_offer(self, call: _Call, offer: str) -> None:
        call.media = AppMedia(
            self._tasks,
            on_sound=lambda pcm, at_ms: self._heard(call, pcm, at_ms),
            on_frame=lambda at_ms: _saw(call.record, at_ms),
            on_state=lambda state: _media_changed(call.record, state),
        )
        try:
            sdp = await call.media.answer(offer)
        except ValueError as error:  # aiortc's word for an offer that it cannot read
            call.record.errors.append(f"offer: {error}")
            return
        self._send(call, "answer_sdp", sdp=sdp)

    async def _answer_later(self, call: _Call, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if call is self._call:
            self.accept()

    async def _told(self, call: _Call, frame: Mapping[str, object]) -> None:
        record = call.record
        match frame["type"]:
            case "quiet":
                record.is_quiet = True
            case "talking" if call.is_live:
                record.phase, record.talking_ms = "talking", process.now_ms()
                self.heard_sound.mark("talking")
            case "door":
                _door_said(record, frame)
            case "ready_answer":
                told = {"answer": frame.get("answer"), "state": frame.get("state")}
                record.ready_answers.append(told)
            case "ended" if call.is_live:
                await self._end(str(frame.get("reason", "")), str(frame.get("text", "")))
            case "error":
                record.errors.append(str(frame.get("code", "")))
            case _:  # a picture's state: the frames say it themselves
                pass

    def _heard(self, call: _Call, pcm: bytes, at_ms: int) -> None:
        if call is not self._call or not call.is_live:
            return
        self.heard_sound.write(pcm, at_ms)
        is_loud = any(abs(sample) > LOUD for sample in memoryview(pcm).cast("h"))
        if is_loud and call.record.first_sound_ms is None:
            call.record.first_sound_ms = at_ms
            self.heard_sound.mark("first_sound")

    async def _end(self, reason: str, text: str = "") -> None:
        call = self._live_call()
        if call is None:
            return
        call.record.phase, call.record.ended_ms = "ended", process.now_ms()
        call.record.ended_reason, call.record.ended_text = reason, text
        if call.media is not None:
            await call.media.close()

    def _live_call(self, *phases: str) -> _Call | None:
        call = self._call
        if call is None or not call.is_live or (phases and call.record.phase not in phases):
            return None
        return call


def _saw(record: CallRecord, at_ms: int) -> None:
    record.frames += 1
    if record.first_frame_ms is None:
        record.first_frame_ms = at_ms


def _media_changed(record: CallRecord, state: str) -> None:
    record.media_state = state
    if state == "connected" and record.media_connected_ms is None:
        record.media_connected_ms = process.now_ms()


def _door_said(record: CallRecord, frame: Mapping[str, object]) -> None:
    state, now_ms = str(frame.get("state", "")), process.now_ms()
    record.door_states.append({"state": state, "at_ms": now_ms, "cause": frame.get("cause", "")})
    if state in {"opening", "opened", "sent", "refused", "unknown", "failed"}:
        setattr(record, f"{state}_ms", now_ms)
