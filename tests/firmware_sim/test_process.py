"""What the simulator processes share."""

import io
import json
import subprocess
import sys
import wave

import aiohttp
from aiohttp import web

from firmware_sim.process import WavRecorder, control_server, json_body

SECOND = bytes(16_000)


def test_a_recording_is_a_wav_file_of_8_khz_mono_with_its_marks():
    recorder = WavRecorder()
    recorder.write(SECOND)
    recorder.mark("door opened")
    recorder.write(SECOND)

    with wave.open(io.BytesIO(recorder.wav())) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        assert file.getnframes() == 16_000
    assert [(mark.name, mark.offset_ms) for mark in recorder.marks] == [("door opened", 1000)]


def test_a_pause_is_recorded_as_silence_and_jitter_is_not():
    recorder = WavRecorder()
    recorder.write(SECOND, at_ms=50_000)
    recorder.write(SECOND, at_ms=51_040)
    assert recorder.length_ms == 2000

    recorder.write(SECOND, at_ms=55_000)

    assert recorder.length_ms == 6000


def test_a_recording_has_an_end():
    recorder = WavRecorder()

    recorder.write(SECOND, at_ms=0)
    recorder.write(SECOND, at_ms=10**9)
    recorder.write(SECOND)

    assert recorder.length_ms == 600_000


async def test_a_body_that_is_no_json_object_is_refused():
    async def handle(request: web.Request) -> web.Response:
        return web.json_response(await json_body(request))

    app = web.Application()
    app.router.add_post("/", handle)
    async with control_server(app) as port, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}/"
        answers = [await http.post(url, data=data) for data in ("", '{"a": 1}', "{", "[]")]

        assert [answer.status for answer in answers] == [200, 200, 400, 400]


def test_a_process_says_that_it_is_ready_and_ends_cleanly_on_sigterm():
    code = """
import asyncio
from firmware_sim import process
async def main():
    process.ready(http_port=1)
    try:
        await asyncio.sleep(60)
    finally:
        print("cleaned up")
process.run(main)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert json.loads(child.stdout.readline()) == {"ready": True, "http_port": 1}

        child.terminate()

        assert child.stdout.read() == "cleaned up\n"
        assert child.wait(4) == 0
