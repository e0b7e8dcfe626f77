"""A resident's ordinary phone in a box: registers, rings, is answered, talks, presses keys, hangs up.

    python -m firmware_sim.phone --registrar 127.0.0.1:5070 --user 4790000001 --password secret

It runs on pyVoIP (GPLv3), which `phone_line` alone imports; the service never loads either.

    GET  /api/state       registration, the last call, and when each of its steps was reached
    GET  /api/heard.wav   what the phone heard in its last call
    POST /api/behaviour   {"answer_after_s": 2, "press": "5", "press_after_s": 1, …}: see `Behaviour`
    POST /api/answer      pick up now
    POST /api/press       {"digit": "5", "is_in_band": false}
    POST /api/hang_up     end the call, or refuse it while it rings
"""

import argparse
import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_sim import process
from firmware_sim.phone_line import Line, LineCall
from firmware_sim.voice import KEYS

REGISTER_TRIES = 60
REGISTER_S = 10.0
REGISTER_PAUSE_S = 0.5
REGISTER_POLL_S = 0.05
LOUD = 500
"""A frame with a sample above this, of 32767, is sound and not line noise."""
MAX_DIGITS_HEARD = 100
A_KEY = f"^[{KEYS}]$"


class Behaviour(BaseModel):
    """What the person does by themselves; holds from the next call on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answer_after_s: float | None = 2.0
    """From the first ring; pyVoIP takes at least 1. None: never."""
    is_busy: bool = False
    """Refuses each call with 486."""
    press: str | None = Field(default=None, pattern=A_KEY)
    press_after_s: float = 1.0
    """From the answer."""
    is_in_band: bool = False
    """Presses sound as two tones instead of telephone-events."""
    hang_up_after_s: float | None = None
    """From the answer, or from the press if there is one."""
    deaf_for_s: float = 0.0
    """A fault: its earpiece is dead for so long after the answer."""
    answers_after_cancel: bool = False
    """A fault: picks up although the caller has cancelled meanwhile."""


class Press(BaseModel):
    """The body of POST /api/press."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    digit: str = Field(pattern=A_KEY)
    is_in_band: bool = False


Body = TypeVar("Body", bound=BaseModel)


@dataclass(slots=True)
class CallRecord:
    """What the phone saw of a call; stamps are CLOCK_MONOTONIC in ms."""

    caller_id: str
    asserted_identity: str
    phase: str = "ringing"
    """ringing, talking or ended"""
    how_ended: str | None = None
    pressed: list[str] = field(default_factory=list)
    digits_heard: list[str] = field(default_factory=list)
    """Telephone-events that came in: there must be none."""
    ringing_ms: int | None = None
    answered_ms: int | None = None
    first_sound_ms: int | None = None
    pressed_ms: int | None = None
    """The first packet of the first digit."""
    ended_ms: int | None = None


class _Talk:
    """A call and its record, with what its person waits for."""

    def __init__(self, call: LineCall) -> None:
        self.call = call
        self.record = CallRecord(call.caller_id, call.asserted_identity)
        self.record.ringing_ms = process.now_ms()
        self.is_answerable = asyncio.Event()
        self.is_answered = asyncio.Event()
        self.is_over = asyncio.Event()
        """Set together with the two others, so that a wait for them ends."""

    async def lasts(self, seconds: float | None) -> bool:
        """Wait so long, or for ever; false as soon as the call is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.is_over.wait()
        return not self.is_over.is_set()


class Phone:
    """One phone: its line's events in the loop's thread, its person, its record."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.behaviour = Behaviour()
        self.is_registered = False
        self.registered_ms: int | None = None
        self.calls = 0
        self.heard_sound = process.WavRecorder()
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._talk: _Talk | None = None

    def state(self) -> process.JsonObject:
        """Describe the phone and its last call, for /api/state."""
        return {
            "registered": self.is_registered,
            "registered_ms": self.registered_ms,
            "calls": self.calls,
            "behaviour": self.behaviour.model_dump(),
            "call": asdict(self._talk.record) if self._talk is not None else None,
        }

    def answer(self) -> bool:
        """Pick up the call that rings; false when there is none."""
        talk = self._talk
        if talk is None or not talk.is_answerable.is_set() or not talk.call.pick_up():
            return False
        talk.record.phase, talk.record.answered_ms = "talking", process.now_ms()
        talk.is_answered.set()
        self.heard_sound.clear()
        self.heard_sound.mark("answered")
        return True

    def press(self, press: Press) -> bool:
        """Press a key; false when nobody is talking."""
        if self._talk is None or self._talk.record.phase != "talking":
            return False
        self._talk.call.press(press.digit, is_in_band=press.is_in_band)
        return True

    def hang_up(self) -> bool:
        """End or refuse the call; false when there is none."""
        if self._talk is None or self._talk.is_over.is_set():
            return False
        was_ringing = self._talk.record.phase == "ringing"
        self._talk.call.end()
        self._end(self._talk, "refused" if was_ringing else "by the phone")
        return True

    async def serve(self, make_line: Callable[["Phone"], Line]) -> None:
        """Keep a line registered until cancelled."""
        line = make_line(self)
        try:
            for _ in range(REGISTER_TRIES):
                await asyncio.to_thread(line.start)
                if await _is_registered(line):
                    break
                await asyncio.sleep(REGISTER_PAUSE_S)
                line = make_line(self)
            self.is_registered, self.registered_ms = line.is_registered, process.now_ms()
            await asyncio.Event().wait()
        finally:
            self.hang_up()
            await asyncio.to_thread(line.stop)

    # The line's words: each comes in a thread of pyVoIP and goes on in the loop's.

    def ringing(self, call: LineCall) -> None:
        self._pass_on(lambda: self._begin(call))

    def answerable(self, call: LineCall) -> None:
        self._pass_on(lambda: self._for(call, lambda talk: talk.is_answerable.set()))

    def ended(self, call: LineCall, how: str) -> None:
        if how == "cancelled" and self.behaviour.answers_after_cancel:
            return
        self._pass_on(lambda: self._for(call, lambda talk: self._end(talk, how)))

    def heard(self, call: LineCall, pcm: bytes, at_ms: int) -> None:
        self._pass_on(lambda: self._for(call, lambda talk: self._hear(talk, pcm, at_ms)))

    def heard_digit(self, call: LineCall, digit: str) -> None:
        self._pass_on(lambda: self._for(call, lambda talk: self._note(talk, digit)))

    def pressed(self, call: LineCall, digit: str, at_ms: int) -> None:
        self._pass_on(lambda: self._for(call, lambda talk: self._has_pressed(talk, digit, at_ms)))

    def _pass_on(self, act: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
            self._loop.call_soon_threadsafe(act)

    def _for(self, call: LineCall, act: Callable[[_Talk], None]) -> None:
        if self._talk is not None and self._talk.call is call:
            act(self._talk)

    def _begin(self, call: LineCall) -> None:
        if self._talk is not None and not self._talk.is_over.is_set():
            call.end()  # one line: 486 to a second caller
            return
        self.calls += 1
        self._talk = _Talk(call)
        self._tasks.create_task(self._person(self._talk, self.behaviour))

    def _end(self, talk: _Talk, how: str) -> None:
        if talk.is_over.is_set():
            return
        talk.record.phase, talk.record.how_ended = "ended", how
        talk.record.ended_ms = process.now_ms()
        talk.call.forget()
        for each in (talk.is_over, talk.is_answerable, talk.is_answered):
            each.set()

    def _hear(self, talk: _Talk, pcm: bytes, at_ms: int) -> None:
        if at_ms < (talk.record.answered_ms or at_ms) + 1000 * self.behaviour.deaf_for_s:
            return
        self.heard_sound.write(pcm, at_ms)
        if talk.record.first_sound_ms is None and is_loud(pcm):
            talk.record.first_sound_ms = at_ms
            self.heard_sound.mark("first_sound")

    def _note(self, talk: _Talk, digit: str) -> None:
        if len(talk.record.digits_heard) < MAX_DIGITS_HEARD:
            talk.record.digits_heard.append(digit)

    def _has_pressed(self, talk: _Talk, digit: str, at_ms: int) -> None:
        talk.record.pressed.append(digit)
        if talk.record.pressed_ms is None:
            talk.record.pressed_ms = at_ms

    async def _person(self, talk: _Talk, behaviour: Behaviour) -> None:
        """Do by itself what the behaviour says, for one call."""
        if behaviour.is_busy:
            self.hang_up()
        elif behaviour.answer_after_s is not None:
            await talk.lasts(behaviour.answer_after_s)
            await talk.is_answerable.wait()
            if not talk.is_over.is_set():
                self.answer()
        await talk.is_answered.wait()
        if behaviour.press is not None and await talk.lasts(behaviour.press_after_s):
            self.press(Press(digit=behaviour.press, is_in_band=behaviour.is_in_band))
        if behaviour.hang_up_after_s is not None and await talk.lasts(behaviour.hang_up_after_s):
            self.hang_up()


async def _is_registered(line: Line) -> bool:
    """Wait for pyVoIP's three attempts, which go on in its own thread."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REGISTER_S):
            while not (line.is_registered or line.has_failed):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(REGISTER_POLL_S)
    return line.is_registered


def is_loud(pcm: bytes) -> bool:
    """Tell sound from line noise, in 16-bit samples."""
    return any(abs(sample) > LOUD for sample in memoryview(pcm).cast("h"))


def control(phone: Phone) -> web.Application:
    """Build the phone's HTTP API."""

    async def state(_: web.Request) -> web.Response:
        return web.json_response(phone.state())

    async def heard(_: web.Request) -> web.Response:
        return phone.heard_sound.response()

    async def behaviour(request: web.Request) -> web.Response:
        changes = await process.json_body(request)
        phone.behaviour = _parse(Behaviour, phone.behaviour.model_dump() | changes)
        return web.json_response(phone.behaviour.model_dump())

    async def press(request: web.Request) -> web.Response:
        return _done(phone.press(_parse(Press, await process.json_body(request))))

    async def answer(_: web.Request) -> web.Response:
        return _done(phone.answer())

    async def hang_up(_: web.Request) -> web.Response:
        return _done(phone.hang_up())

    app = web.Application()
    app.add_routes(
        [
            web.get("/api/state", state),
            web.get("/api/heard.wav", heard),
            web.post("/api/behaviour", behaviour),
            web.post("/api/press", press),
            web.post("/api/answer", answer),
            web.post("/api/hang_up", hang_up),
        ]
    )
    return app


async def main(arguments: argparse.Namespace) -> None:
    """Run the phone until cancelled."""
    host, _, port = arguments.registrar.rpartition(":")

    def make_line(phone: Phone) -> Line:
        return Line(
            (host, int(port)),
            arguments.user,
            arguments.password,
            host=arguments.host,
            tone_hz=arguments.tone_hz,
            listener=phone,
        )

    async with asyncio.TaskGroup() as tasks:
        phone = Phone(tasks)
        phone.behaviour = Behaviour(
            answer_after_s=arguments.answer_after_s,
            press=arguments.press,
            press_after_s=arguments.press_after_s,
        )
        async with process.control_server(control(phone), arguments.http_port) as http_port:
            process.ready(http_port=http_port)
            await phone.serve(make_line)


def _parse(kind: type[Body], values: process.JsonObject) -> Body:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _done(is_done: bool) -> web.Response:
    status = 200 if is_done else 409  # 409: no call in a state for it
    return web.json_response({"done": is_done}, status=status)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="firmware_sim.phone", description=__doc__)
    parser.add_argument("--registrar", required=True, metavar="HOST:PORT")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--host", default=process.HOST, help="address of its SIP and RTP")
    parser.add_argument("--tone-hz", type=int, default=1000)
    parser.add_argument("--answer-after-s", type=float, default=None)
    parser.add_argument("--press", default=None)
    parser.add_argument("--press-after-s", type=float, default=1.0)
    return parser.parse_args()


if __name__ == "__main__":
    process.run(lambda: main(_arguments()))
