"""The panel's page and control API on 127.0.0.1."""

import asyncio
import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path

from aiohttp import web

from firmware_sim import journal
from firmware_sim.call_media import MediaCounts
from firmware_sim.panel_box import Fault, Panel
from firmware_sim.process import JsonObject, json_body, now_ms
from firmware_sim.sip_call import PanelCall
from firmware_sim.voice import KEYS

STATIC = Path(__file__).parent / "static"
REFRESH_S = 1.0
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_PANEL: web.AppKey[Panel] = web.AppKey("panel", Panel)
_CLOSING: web.AppKey[asyncio.Event] = web.AppKey("closing", asyncio.Event)


def build_app(panel: Panel) -> web.Application:
    """Make the application of a panel."""
    app = web.Application()
    app[_PANEL] = panel
    app[_CLOSING] = asyncio.Event()
    app.add_routes(
        [
            web.get("/", _get_page),
            web.get("/api/state", _get_state),
            web.get("/api/live", _get_live),
            web.get("/api/journal", _get_journal),
            web.get("/api/heard.wav", _get_heard),
            web.post("/api/press", _post_press),
            web.post("/api/cancel", _post_cancel),
            web.post("/api/language", _post_language),
            web.get("/api/names", _get_names),
            web.post("/api/play", _post_play),
            web.post("/api/fault", _post_fault),
            web.static("/static", STATIC),
        ]
    )
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(_end_live)
    return app


def snapshot(panel: Panel) -> JsonObject:
    """Say everything about a panel; every time is CLOCK_MONOTONIC in ms."""
    shown = panel.screen.shown
    calls = [_call_of(call) for call in panel.phone.calls]
    words, content, answer = panel.screen.words, panel.content, panel.screen.answer
    return {
        "panel_id": panel.settings.account.panel_id,
        "name": content.door or panel.settings.name,
        "place": content.place,
        "language": words.language,
        "languages": {each: words.name_of(each) for each in words.languages},
        "labels": {**words.labels(), "press": words.find("state.idle")},
        "now_ms": now_ms(),
        "names_rev": panel.names_rev,
        "cfg_rev": 0 if panel.screen_memory is None else panel.screen_memory.rev,
        "screen": _plain(asdict(shown)),
        "answer": None if answer is None else _plain(asdict(answer)),
        "is_registered": panel.phone.is_registered,
        "has_router": panel.has_router,
        "link": None
        if panel.link is None
        else {"is_online": panel.link.is_online, "ctr": panel.link.ctr},
        "board_pid": panel.board.pid,
        "relays": [
            {**asdict(coil), "phase": coil.phase.value}
            for _, coil in sorted(panel.board.coils.items())
        ],
        "faults": {fault.value: fault in panel.faults for fault in Fault},
        "call": calls[-1] if calls else None,
        "calls": calls,
    }


def _plain(fields: JsonObject) -> JsonObject:
    return {
        name: value.value if isinstance(value, Enum) else value for name, value in fields.items()
    }


def _call_of(call: PanelCall) -> JsonObject:
    counts: MediaCounts = call.media.counts
    stamps = dict(call.stamps)
    if counts.first_rtp_in_ms is not None:
        stamps["first_rtp_in"] = counts.first_rtp_in_ms
    if counts.first_picture_out_ms is not None:
        stamps["first_picture_out"] = counts.first_picture_out_ms
    return {
        "button": call.button,
        "phase": call.phase.value,
        "stamps": stamps,
        "ended": {"status": call.ended_status, "reason": call.ended_reason}
        if call.is_over
        else None,
        "states": list(call.states),
        "media": asdict(counts),
    }


async def _get_page(_: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "panel.html")


async def _get_state(request: web.Request) -> web.Response:
    return web.json_response(snapshot(request.app[_PANEL]))


async def _get_names(request: web.Request) -> web.Response:
    """Give the names in order; they are many and change seldom, so they are not in the state."""
    panel = request.app[_PANEL]
    rows = [asdict(row) for row in panel.names]
    return web.json_response({"rev": panel.names_rev, "rows": rows})


async def _get_live(request: web.Request) -> web.StreamResponse:
    """Send the state as server-sent events, at every change and every second, until the page goes."""
    panel, closing = request.app[_PANEL], request.app[_CLOSING]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    while not closing.is_set():
        changed = panel.changes.next()
        try:
            async with asyncio.timeout(REFRESH_S):
                await response.write(f"data: {json.dumps(snapshot(panel))}\n\n".encode())
        except (ConnectionError, TimeoutError):
            break
        try:
            async with asyncio.timeout(REFRESH_S):
                await changed.wait()
        except TimeoutError:
            continue
    return response


async def _get_journal(request: web.Request) -> web.Response:
    transitions = journal.read(request.app[_PANEL].settings.state_dir)
    return web.json_response([{**asdict(t), "phase": t.phase.value} for t in transitions])


async def _get_heard(request: web.Request) -> web.Response:
    return request.app[_PANEL].speaker.recording.response()


async def _post_press(request: web.Request) -> web.Response:
    button = (await json_body(request)).get("button")
    if not isinstance(button, str) or not button.isprintable() or not button.strip():
        raise web.HTTPBadRequest(text='{"button": "NAME"} is wanted.')
    call = await request.app[_PANEL].press(button)
    return web.json_response(_call_of(call))


async def _post_cancel(request: web.Request) -> web.Response:
    request.app[_PANEL].cancel()
    return web.json_response({})


async def _post_language(request: web.Request) -> web.Response:
    """Speak another language to this visitor."""
    language = (await json_body(request)).get("language")
    panel = request.app[_PANEL]
    panel.screen.choose(language if isinstance(language, str) else None)
    return web.json_response({"language": panel.screen.words.language})


async def _post_play(request: web.Request) -> web.Response:
    """Play a key's tones into the microphone; "is_in_band": false sends telephone-events."""
    body = await json_body(request)
    digit = body.get("digit")
    if not isinstance(digit, str) or len(digit) != 1 or digit not in KEYS:
        raise web.HTTPBadRequest(text='{"digit": "5", "is_in_band": true} is wanted.')
    for call in request.app[_PANEL].phone.live_calls:
        call.media.press_key(digit, is_in_band=body.get("is_in_band") is not False)
    return web.json_response({})


async def _post_fault(request: web.Request) -> web.Response:
    body = await json_body(request)
    name, is_on = body.get("name"), body.get("on")
    names = [fault.value for fault in Fault]
    if name not in names or not isinstance(is_on, bool):
        raise web.HTTPBadRequest(text=f"name: one of {', '.join(names)}; on: true or false.")
    await request.app[_PANEL].turn_fault(Fault(name), is_on=is_on)
    return web.json_response({"name": name, "on": is_on})


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)


async def _end_live(app: web.Application) -> None:
    app[_CLOSING].set()
    app[_PANEL].changes.notify()
