"""A resident with the app, in a box: logs in, is rung with the picture, talks, opens, hangs up.

    python -m firmware_sim.resident --server http://127.0.0.1:8080 --username kari --password secret

It says a steady tone once it accepted, and nothing before; it decodes the picture and notes when.

    GET  /api/state             whether it is connected; the last call, and when each step was reached
    GET  /api/heard.wav         what it heard in the last call
    POST /api/accept            answer
    POST /api/open              ask for the door; {"id": "…"} repeats a former command's id
    POST /api/ready_answer      {"answer": "coming"}, leave_it or wrong_door: tell the visitor
    POST /api/key               {"door": "…"} without a call; {"id": "…"} repeats a former wish's id
    POST /api/decline
    POST /api/hang_up
    POST /api/talk_out_of_turn  a fault: send the tone before the answer
"""

import argparse
import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from firmware_sim import app_media, process
from firmware_sim.app_client import AppClient


def control(app: AppClient) -> web.Application:
    """Build the resident's HTTP API."""

    async def state(_: web.Request) -> web.Response:
        return web.json_response(app.state())

    async def heard(_: web.Request) -> web.Response:
        return app.heard_sound.response()

    async def open_door(request: web.Request) -> web.Response:
        command_id = (await process.json_body(request)).get("id")
        return _done(app.open(str(command_id) if command_id is not None else None))

    async def ready_answer(request: web.Request) -> web.Response:
        return _done(app.ready_answer(str((await process.json_body(request)).get("answer"))))

    async def turn_key(request: web.Request) -> web.Response:
        wish = await process.json_body(request)
        wish_id = wish.get("id")
        return _done(app.turn_key(str(wish.get("door")), None if wish_id is None else str(wish_id)))

    def act(method: Callable[[], bool]) -> Handler:
        async def handler(_: web.Request) -> web.Response:
            return _done(method())

        return handler

    pages = web.Application()
    pages.router.add_get("/api/state", state)
    pages.router.add_get("/api/heard.wav", heard)
    pages.router.add_post("/api/open", open_door)
    pages.router.add_post("/api/ready_answer", ready_answer)
    pages.router.add_post("/api/key", turn_key)
    pages.router.add_post("/api/accept", act(app.accept))
    pages.router.add_post("/api/decline", act(app.decline))
    pages.router.add_post("/api/hang_up", act(app.hang_up))
    pages.router.add_post("/api/talk_out_of_turn", act(app.talk_out_of_turn))
    return pages


async def main(arguments: argparse.Namespace) -> None:
    """Run the resident until cancelled."""
    if urlsplit(arguments.server).hostname in {"127.0.0.1", "localhost"}:
        app_media.stay_on_loopback()
    async with asyncio.TaskGroup() as tasks:
        app = AppClient(
            tasks,
            server=arguments.server,
            username=arguments.username,
            password=arguments.password,
            tone_hz=arguments.tone_hz,
            auto_answer_after_s=arguments.auto_answer_after_s,
        )
        async with process.control_server(control(app), arguments.http_port) as http_port:
            process.ready(http_port=http_port)
            await app.serve()


def _done(is_done: bool) -> web.Response:
    status = 200 if is_done else 409  # 409: no call in a state for it
    return web.json_response({"done": is_done}, status=status)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="firmware_sim.resident", description=__doc__)
    parser.add_argument("--server", required=True, metavar="URL")
    parser.add_argument("--username", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--tone-hz", type=int, default=1000)
    parser.add_argument("--auto-answer-after-s", type=float, default=None)
    return parser.parse_args()


if __name__ == "__main__":
    process.run(lambda: main(_arguments()))
