"""The two calls as scripts: act, then expect a hop, and judge by what the strangers saw."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import aiohttp

from intercom.demo.breaks import Break
from intercom.demo.hops import TEXTS, Hop, HopError
from intercom.demo.processes import Child
from intercom.demo.stage import CALLER_ID, Stage
from intercom.demo.timeline import Timeline
from intercom.demo.verdict import (
    AT_LEAST,
    OPENED_HZ,
    OPENED_MIN_MS,
    RESIDENT_HZ,
    SETTLE_MS,
    VISITOR_HZ,
    Recording,
)

POLL_S = 0.02
TALK_MS = 2500
LATEST_MS = 700
"""How late sound may be written down: an app's jitter buffer holds up to 300 ms."""
TONE_POLL_S = 0.2
PROMPT_MIN_MS = 400
"""Shortest that "Somebody is at … main entrance" could be."""

Seen = float | None


class Scene:
    """One call on a stage."""

    def __init__(self, stage: Stage, timeline: Timeline, fault: Break) -> None:
        self.stage = stage
        self.timeline = timeline
        self.fault = fault
        self.pressed_ms = 0.0
        self.marks: dict[str, float] = {}
        """Moments that later measurements count from."""

    # -- acting ------------------------------------------------------------------------------

    async def press(self, button: str = "1") -> None:
        """Press a button of the panel."""
        self.timeline.open()
        self.pressed_ms = now_ms()
        await self._tell(self.stage.panel, "/api/press", {"button": button})

    async def break_panel(self, fault: str) -> None:
        """Switch a fault of the panel on."""
        await self._tell(self.stage.panel, "/api/fault", {"name": fault, "on": True})

    async def resident(self, verb: str) -> None:
        """Let the resident act in the app."""
        if self.stage.resident is not None:
            await self._tell(self.stage.resident, f"/api/{verb}")

    async def phone(self, verb: str, body: Mapping[str, object] | None = None) -> None:
        """Let the resident act on the phone."""
        if self.stage.phone is not None:
            await self._tell(self.stage.phone, f"/api/{verb}", body)

    async def _tell(
        self, child: Child, path: str, body: Mapping[str, object] | None = None
    ) -> None:
        try:
            await self.stage.remote.post(child, path, body)
        except (aiohttp.ClientError, TimeoutError):
            return  # whoever cannot be told shows at the next hop

    # -- expecting ---------------------------------------------------------------------------

    async def expect(
        self, hop: Hop, seen: Callable[[], Any], detail: Callable[[], Any] | None = None
    ) -> float:
        """Wait until `seen` gives the moment at which a hop was reached; show and return it."""
        deadline = time.monotonic() + TEXTS[hop].within_s
        while True:
            moment = await seen()
            if moment is not None:
                break
            if time.monotonic() > deadline:
                raise HopError(hop, await self._what_was_seen(hop))
            await asyncio.sleep(POLL_S)
        text = await detail() if detail is not None else ""
        self.timeline.reached(hop, moment - self.pressed_ms, text)
        return float(moment)

    async def _what_was_seen(self, hop: Hop) -> str:
        panel = await self._state(self.stage.panel)
        words = f"nothing within {TEXTS[hop].within_s:.0f} s"
        ended = (panel.get("call") or {}).get("ended")
        if ended and ended["status"]:
            words += f"; the panel was told: {ended['status']} {ended['reason']}"
        return words

    async def _state(self, child: Child | None) -> Mapping[str, Any]:
        if child is None or child.process.returncode is not None:
            return {}
        try:
            state: Mapping[str, Any] = await self.stage.remote.get(child, "/api/state")
        except (aiohttp.ClientError, TimeoutError):
            return {}
        return state

    def panel_stamp(self, *names: str) -> Callable[[], Any]:
        """Look for the first of these stamps of the panel, of this press."""

        async def look() -> Seen:
            stamps = ((await self._state(self.stage.panel)).get("call") or {}).get("stamps", {})
            return self._first(stamps.get(name) for name in names)

        return look

    def resident_stamp(self, *names: str) -> Callable[[], Any]:
        """Look for the first of these stamps of the resident's app, of this press."""
        return self._stamp(lambda: self.stage.resident, names)

    def phone_stamp(self, *names: str) -> Callable[[], Any]:
        """Look for the first of these stamps of the phone's call, of this press."""
        return self._stamp(lambda: self.stage.phone, names)

    def _stamp(
        self, child: Callable[[], Child | None], names: tuple[str, ...]
    ) -> Callable[[], Any]:
        async def look() -> Seen:
            call = (await self._state(child())).get("call") or {}
            return self._first(call.get(f"{name}_ms") for name in names)

        return look

    def _first(self, moments: Iterable[float | None]) -> Seen:
        """Give the first moment of this press; stamps of an earlier call do not count."""
        pressed_ms = int(self.pressed_ms)
        return next((each for each in moments if each and each >= pressed_ms), None)

    async def carrier_call(self) -> Mapping[str, Any]:
        """Give the carrier's record of this press's call."""
        try:
            calls = await self.stage.remote.get(self.stage.carrier, "/api/calls")
        except (aiohttp.ClientError, TimeoutError):
            return {}
        return next((each for each in calls if each["received_ms"] >= int(self.pressed_ms)), {})

    def pulse(self) -> Mapping[str, Any] | None:
        """Read the relay board's journal for this press's pulse."""
        try:
            lines = self.stage.journal.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return None
        entries = (json.loads(line) for line in lines)
        return next(
            (
                each
                for each in entries
                if each["phase"] == "on"
                and each["at_ms"] >= int(self.pressed_ms)
                and each["coil_ma"] > 0
            ),
            None,
        )

    async def relay_on(self) -> Seen:
        """Say when the relay's coil drew current."""
        pulse = self.pulse()
        return float(pulse["at_ms"]) if pulse else None

    async def relay_words(self) -> str:
        """Say what the board measured."""
        pulse = self.pulse()
        return f"{pulse['coil_ma']} mA" if pulse else ""

    # -- what was heard ----------------------------------------------------------------------

    async def heard(self, child: Child | None) -> Recording:
        """Fetch what one end has heard so far."""
        assert child is not None
        return Recording.of_wav(*await self.stage.remote.sound(child))

    async def expect_sound(self, hop: Hop, resident: Child | None, since_ms: float) -> None:
        """Let both talk, then measure that each end heard the other's tone."""
        from_ms = since_ms + SETTLE_MS
        until_ms = from_ms + TALK_MS
        await asyncio.sleep((until_ms + LATEST_MS - now_ms()) / 1000)
        at_panel = (await self.heard(self.stage.panel)).share(RESIDENT_HZ, from_ms, until_ms)
        at_resident = (await self.heard(resident)).share(VISITOR_HZ, from_ms, until_ms)
        words = (
            f"{VISITOR_HZ} Hz heard inside in {at_resident:.0%} of frames, "
            f"{RESIDENT_HZ} Hz at the door in {at_panel:.0%}"
        )
        if min(at_panel, at_resident) < AT_LEAST:
            raise HopError(hop, words)
        self.timeline.reached(hop, now_ms() - self.pressed_ms, words)

    async def expect_tone(self, hop: Hop, resident: Child | None, since_ms: float) -> None:
        """Wait until both ends have heard the door's tone after the relay's pulse."""
        heard: dict[str, float] = {}
        for where, child in (("at the door", self.stage.panel), ("inside", resident)):
            while where not in heard:
                until_ms = now_ms()
                recording = await self.heard(child)
                moment = recording.first_tone_ms(OPENED_HZ, since_ms, until_ms, OPENED_MIN_MS)
                if moment is not None:
                    heard[where] = moment
                elif until_ms > since_ms + 1000 * TEXTS[hop].within_s:
                    raise HopError(hop, f"{OPENED_HZ} Hz was not heard {where}")
                else:
                    await asyncio.sleep(TONE_POLL_S)
        latest_ms = max(heard.values())
        self.timeline.reached(hop, latest_ms - self.pressed_ms, f"{OPENED_HZ} Hz at both ends")


async def play_app_call(scene: Scene) -> None:
    """Call 1: the app rings with the picture, is answered, and opens."""
    fault, stage = scene.fault, scene.stage
    if fault.is_at(Hop.PICTURE):
        await scene.break_panel("no_video")
    if fault.is_at(Hop.SOUND):
        await scene.break_panel("no_sound")
    await scene.press(fault.button())
    await scene.expect(Hop.TRYING, scene.panel_stamp("100"))
    await scene.expect(Hop.PROGRESS, scene.panel_stamp("183", "200"))
    await scene.expect(Hop.RING, scene.resident_stamp("ring"))
    await scene.expect(Hop.PICTURE, scene.resident_stamp("first_frame"))
    await scene.resident("talk_out_of_turn")  # must stop at the gate
    await asyncio.sleep(1.0)  # the resident looks who it is
    await _expect_silence(scene)
    if not fault.is_at(Hop.ANSWER):
        await scene.resident("accept")
    answered_ms = await scene.expect(Hop.ANSWER, scene.panel_stamp("200"))
    await scene.expect_sound(Hop.SOUND, stage.resident, answered_ms)
    await _open_by_app(scene)


async def _open_by_app(scene: Scene) -> None:
    fault, stage = scene.fault, scene.stage
    if fault.is_at(Hop.RELAY):
        await scene.break_panel("relay_stuck")
    if fault.is_at(Hop.TONE):
        await scene.break_panel("no_speaker")
    if fault.is_at(Hop.OPEN):
        freeze(stage.resident)
    await scene.resident("open")
    await scene.expect(Hop.OPEN, scene.resident_stamp("opening", "opened"))
    relay_ms = await scene.expect(Hop.RELAY, scene.relay_on, scene.relay_words)
    await scene.expect_tone(Hop.TONE, stage.resident, relay_ms)
    if fault.is_at(Hop.HANG_UP):
        freeze(stage.resident)
    await scene.resident("hang_up")
    await scene.expect(Hop.HANG_UP, scene.panel_stamp("ended"))


async def _expect_silence(scene: Scene) -> None:
    """Measure that nothing of the resident was heard at the door before the answer."""
    heard = await scene.heard(scene.stage.panel)
    share = heard.share(RESIDENT_HZ, scene.pressed_ms, now_ms())
    if share > 0:
        words = f"the resident was heard before the answer, in {share:.0%} of frames"
        raise HopError(Hop.ANSWER, words)


async def play_phone_call(scene: Scene) -> None:
    """Call 2: nobody takes the app; the phone is called, talks, and presses 5."""
    fault, stage = scene.fault, scene.stage
    if fault.is_at(Hop.PRESS_AGAIN):
        freeze(stage.panel)
    if fault.is_at(Hop.RING_AGAIN):
        freeze(stage.resident)
    await scene.phone("behaviour", _phone_behaviour(fault))
    await scene.press()
    await scene.expect(Hop.PRESS_AGAIN, scene.panel_stamp("183", "200"))
    await scene.expect(Hop.RING_AGAIN, scene.resident_stamp("ring"))
    await scene.expect(Hop.TRUNK, lambda: _admitted(scene))
    await scene.expect(Hop.CALLER_ID, lambda: _with_caller_id(scene), lambda: _caller_id(scene))
    await scene.expect(Hop.PHONE_RING, scene.phone_stamp("ringing"))
    answered_ms = await scene.expect(Hop.PHONE_ANSWER, scene.phone_stamp("answered"))
    await scene.expect(Hop.PROMPT, lambda: _prompt(scene, answered_ms))
    prompt_end_ms = await _prompt_end(scene)
    if fault.is_at(Hop.TALK):
        await scene.break_panel("no_sound")
    await scene.expect_sound(Hop.TALK, stage.phone, prompt_end_ms)
    if fault.is_at(Hop.PHONE_RELAY):
        await scene.break_panel("relay_stuck")
    if fault.is_at(Hop.PHONE_TONE):
        await scene.break_panel("no_speaker")
    await scene.phone("press", {"digit": "4" if fault.is_at(Hop.KEY) else "5"})
    await scene.expect(Hop.KEY, lambda: _key_five(scene))
    relay_ms = await scene.expect(Hop.PHONE_RELAY, scene.relay_on, scene.relay_words)
    await scene.expect_tone(Hop.PHONE_TONE, stage.phone, relay_ms)
    if not fault.is_at(Hop.PHONE_HANG_UP):
        await scene.phone("hang_up")
    await scene.expect(Hop.PHONE_HANG_UP, scene.panel_stamp("ended"))


def _phone_behaviour(fault: Break) -> dict[str, object]:
    return {
        "answer_after_s": None if fault.is_at(Hop.PHONE_ANSWER) else 1.5,
        "press": None,
        "deaf_for_s": 5.0 if fault.is_at(Hop.PROMPT) else 0.0,
    }


async def _admitted(scene: Scene) -> Seen:
    call = await scene.carrier_call()
    return call.get("received_ms")


async def _caller_id(scene: Scene) -> str:
    return str((await scene.carrier_call()).get("from_user", ""))


async def _with_caller_id(scene: Scene) -> Seen:
    call = await scene.carrier_call()
    return call.get("received_ms") if call.get("from_user") == CALLER_ID else None


async def _key_five(scene: Scene) -> Seen:
    call = (await scene.stage.remote.get(scene.stage.phone, "/api/state"))["call"]  # type: ignore[arg-type]  # the phone was answered
    return call["pressed_ms"] if "5" in call["pressed"] else None


async def _prompt(scene: Scene, answered_ms: float) -> Seen:
    """Find speech, which is sound but not the visitor's tone, at the beginning of the call."""
    end_ms = await _prompt_end(scene)
    return end_ms if end_ms - answered_ms >= PROMPT_MIN_MS else None


async def _prompt_end(scene: Scene) -> float:
    """Say when the visitor's tone took over from the prompt; 0 while it has not."""
    heard = await scene.heard(scene.stage.phone)
    first = heard.first_tone_ms(VISITOR_HZ, heard.started_ms, now_ms(), 200)
    if first is None or heard.is_silent(heard.started_ms, first):
        return 0.0
    return first


def freeze(child: Child | None) -> None:
    """Stop a process where it stands, as a hang would."""
    if child is not None and child.process.returncode is None:
        os.kill(child.process.pid, signal.SIGSTOP)


def now_ms() -> float:
    """Read CLOCK_MONOTONIC, which all processes share."""
    return time.monotonic_ns() / 1_000_000
