"""How long until the picture is there: a real browser, the real service, a panel with a 4 s GOP.

    python bench/firstframe.py [--n 20] [--devices 1,3] [--json FILE]

The router, the panel and Chromium are processes of their own, on loopback. The panel gives a key frame
each 4 s and none on request. A clock in its picture tells when each picture was drawn, and the page
reads it where it shows it, so that all times are of one clock, CLOCK_MONOTONIC:

    ring → first frame        the ring message is in the page → the first picture is to be displayed
    press → first frame       the same from the press at the panel on
    answer → door heard       the finger leaves Answer → the visitor's sound is loud in the page
    answer → resident heard   the finger leaves Answer → the microphone's sound has come to the panel
    glass to glass            a picture is drawn in the camera → it is to be displayed in the page

The exit code is 1 when an aim is missed; aims are for a machine that does nothing else.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import platform
import statistics
import struct
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from intercom.demo.stage import RESIDENT, Plan, Stage, open_stage
from intercom.demo.verdict import RESIDENT_HZ, VISITOR_HZ, Recording

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
)
PROBE = (Path(__file__).parent / "firstframe_probe.js").read_text("utf-8")
PHONE_SIZE = {"width": 320, "height": 568}
"""Small, and without animations: all devices are drawn by this machine's processors alone."""
WATCH_S = 1.5
"""How long pictures are watched before somebody answers."""
TALK_S = 1.2
LIMIT_S = 10.0
HEARD_LEAST_MS = 60
MICROPHONE_HZ = 48_000

RING = "ring → first frame"
PRESS = "press → first frame"
DOOR = "answer → door heard"
RESIDENT_HEARD = "answer → resident heard"
GLASS = "glass to glass"
AIMS_MS: Mapping[str, float] = {RING: 200, DOOR: 150, RESIDENT_HEARD: 150, GLASS: 250}


@dataclass(slots=True)
class Row:
    """One line of the table; times in ms."""

    measure: str
    devices: int
    times_ms: list[float] = field(default_factory=list)
    missing: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.times_ms) if self.times_ms else math.inf

    @property
    def p90(self) -> float:
        ordered = sorted(self.times_ms) or [math.inf]
        return ordered[math.ceil(0.9 * len(ordered)) - 1]

    @property
    def is_met(self) -> bool | None:
        """Whether the aim is met; None where there is none."""
        aim = AIMS_MS.get(self.measure)
        return None if aim is None else not self.missing and self.median <= aim


@dataclass(slots=True)
class Device:
    """One device's page, and by how much CLOCK_MONOTONIC is ahead of the page's own clock."""

    page: Page
    ahead_ms: float = 0.0

    async def set_clock(self) -> None:
        """Compare the clocks; the shortest of some looks is the truest."""
        looks = []
        for _ in range(20):
            before = now_ms()
            there = float(await self.page.evaluate("performance.now()"))
            after = now_ms()
            looks.append((after - before, (before + after) / 2 - there))
        self.ahead_ms = min(looks)[1]

    async def is_showing(self) -> bool:
        """Wait for the first picture."""
        return bool(await self.page.evaluate(f"probe.isShown({1000 * LIMIT_S})"))

    async def seen(self) -> dict[str, Any]:
        """Give what the probe has noted of this ring."""
        seen: dict[str, Any] = await self.page.evaluate("probe.seen()")
        return seen


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=20, help="presses for each number of devices")
    parser.add_argument("--devices", default="1,3", help="how many ring at once (default: 1,3)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--verbose", action="store_true", help="say what each press gave")
    arguments = parser.parse_args()
    counts = [int(count) for count in arguments.devices.split(",")]
    before = _busy_s()
    began_at = time.monotonic()
    rows = asyncio.run(run(arguments.n, counts, is_verbose=arguments.verbose))
    capacity_s = (time.monotonic() - began_at) * (os.cpu_count() or 1)
    busy = [(after - early) / capacity_s for after, early in zip(_busy_s(), before, strict=True)]
    report(rows, busy, arguments.json)
    sys.exit(any(row.is_met is False for row in rows))


async def run(presses: int, counts: Sequence[int], *, is_verbose: bool) -> list[Row]:
    """Set the stage and press so many times for each number of devices."""
    rows: list[Row] = []
    async with open_stage(Plan(app_stage_s=60)) as stage:
        for name in ("router", "carrier", "panel"):
            await getattr(stage, f"start_{name}")()
        await stage.wait_online()
        fault = {"name": "stubborn_camera", "on": True}
        await stage.remote.post(stage.panel, "/api/fault", fault)
        with tempfile.TemporaryDirectory() as name:
            async with open_browser(Path(name)) as browser:
                devices: list[Device] = []
                for count in sorted(counts):
                    while len(devices) < count:
                        devices.append(await open_device(browser, stage))
                    rows += await measure(stage, devices, presses, is_verbose=is_verbose)
    return rows


async def measure(
    stage: Stage, devices: Sequence[Device], presses: int, *, is_verbose: bool
) -> list[Row]:
    """Press, look, answer on the first device, listen, and end it; again and again."""
    rows = {name: Row(name, len(devices)) for name in (RING, PRESS, DOOR, RESIDENT_HEARD, GLASS)}
    await one_press(stage, devices, {}, is_verbose=False)  # to warm up
    for n in range(presses):
        for device in devices:
            await device.set_clock()
        await one_press(stage, devices, rows, is_verbose=is_verbose)
        if is_verbose:
            last = (
                f"{row.measure} {row.times_ms[-1]:.0f}" for row in rows.values() if row.times_ms
            )
            print(n + 1, *last, sep=", ", flush=True)
    return list(rows.values())


async def one_press(
    stage: Stage, devices: Sequence[Device], rows: Mapping[str, Row], *, is_verbose: bool
) -> None:
    """Make one call and add what it gave to the rows."""
    first = devices[0]
    for device in devices:
        await device.page.evaluate("probe.begin()")
    pressed_ms = now_ms()
    await stage.remote.post(stage.panel, "/api/press", {"button": "1"})
    for device in devices:
        if not await device.is_showing():
            await stage.remote.post(stage.panel, "/api/cancel")
            for row in rows.values():
                row.missing += 1
            return
    await asyncio.sleep(WATCH_S)
    await first.page.evaluate("probe.answer()")
    await asyncio.sleep(TALK_S)
    recording = Recording.of_wav(*await stage.remote.sound(stage.panel))
    noted = [await device.seen() for device in devices]
    await first.page.evaluate("probe.hangUp()")
    for device in devices:
        await device.page.wait_for_selector("home-view", timeout=1000 * LIMIT_S)
    if is_verbose:
        print(noted[0]["steps"], noted[0]["microphone_ms"], flush=True)
    if rows:
        note(rows, devices, noted, recording, pressed_ms)


def note(
    rows: Mapping[str, Row],
    devices: Sequence[Device],
    noted: Sequence[Mapping[str, Any]],
    recording: Recording,
    pressed_ms: float,
) -> None:
    """Turn the stamps of one call into times."""
    for device, seen in zip(devices, noted, strict=True):
        shown_at, rang_at = seen["shown_at"], seen["rang_at"]
        if shown_at is None or rang_at is None:
            rows[RING].missing += 1
            continue
        rows[RING].times_ms.append(shown_at - rang_at)
        rows[PRESS].times_ms.append(shown_at + device.ahead_ms - pressed_ms)
        delays = [(at + device.ahead_ms - clock) % 2**32 for at, clock in seen["clocks"]]
        if delays:
            rows[GLASS].times_ms.append(statistics.median(delays))
        else:
            rows[GLASS].missing += 1
    answered = noted[0]
    if answered["heard_at"] is None:
        rows[DOOR].missing += 1
    else:
        rows[DOOR].times_ms.append(answered["heard_at"] - answered["answered_at"])
    answered_ms = answered["answered_at"] + devices[0].ahead_ms
    heard_ms = recording.first_tone_ms(
        RESIDENT_HZ, answered_ms, answered_ms + 1000 * TALK_S, HEARD_LEAST_MS
    )
    if heard_ms is None:
        rows[RESIDENT_HEARD].missing += 1
    else:
        rows[RESIDENT_HEARD].times_ms.append(heard_ms - answered_ms)


@contextlib.asynccontextmanager
async def open_browser(directory: Path) -> AsyncIterator[Browser]:
    """Start Chromium with a microphone that hears a tone."""
    sound = f"--use-file-for-fake-audio-capture={write_tone(directory / 'microphone.wav')}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, sound]
        )
        try:
            yield browser
        finally:
            await browser.close()


async def open_device(browser: Browser, stage: Stage) -> Device:
    """Open the resident's page as on a device of its own, and log in."""
    context = await browser.new_context(
        viewport=PHONE_SIZE,  # type: ignore[arg-type]  # playwright's own TypedDict
        locale="en-GB",
        reduced_motion="reduce",
        permissions=["microphone"],
    )
    await context.add_init_script(PROBE.replace("VISITOR_HZ", str(VISITOR_HZ)))
    page = await context.new_page()
    await page.goto(stage.app_url)
    await page.fill("input[name=username]", RESIDENT)
    await page.fill("input[name=password]", stage.secrets.resident)
    await page.click("button.pri")
    await page.wait_for_selector(".pill.ok")
    device = Device(page)
    await device.set_clock()
    return device


def write_tone(file: Path, length_s: int = 2) -> Path:
    """Write the microphone's sound: a steady tone that fits into its length, so that it loops."""
    samples = (
        round(8000 * math.sin(2 * math.pi * RESIDENT_HZ * n / MICROPHONE_HZ))
        for n in range(MICROPHONE_HZ * length_s)
    )
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(MICROPHONE_HZ)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file


def now_ms() -> float:
    """Read CLOCK_MONOTONIC."""
    return time.monotonic_ns() / 1e6


def _busy_s() -> tuple[float, float]:
    """Read the CPU time that was used on this machine, and taken by its host, so far."""
    with Path("/proc/stat").open(encoding="ascii") as stat:  # proc(5): in ticks
        ticks = [int(word) for word in stat.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        count / os.sysconf("SC_CLK_TCK") for count in ticks
    )
    return user + nice + system + irq + softirq, steal


def report(rows: Sequence[Row], busy: Sequence[float], json_file: Path | None) -> None:
    """Print the table and, if asked, write it as JSON."""
    facts = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "cpu_used_in_all": f"{busy[0]:.0%}",
        "cpu_taken_by_the_host": f"{busy[1]:.0%}",
        "load": f"{os.getloadavg()[1]:.1f}",
        "python": platform.python_version(),
    }
    print(*(f"{name} {value}" for name, value in facts.items()), sep=", ", end="\n\n")
    print("| ms | devices | n | missing | median | p90 | max | aim | met |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for row in rows:
        aim = AIMS_MS.get(row.measure)
        met = {None: "", True: "yes", False: "**no**"}[row.is_met]
        latest = max(row.times_ms, default=math.inf)
        print(
            f"| {row.measure} | {row.devices} | {len(row.times_ms)} | {row.missing} "
            f"| {row.median:.0f} | {row.p90:.0f} | {latest:.0f} "
            f"| {'' if aim is None else f'{aim:.0f}'} | {met} |"
        )
    if json_file is not None:
        table = [
            {**asdict(row), "median": row.median, "p90": row.p90, "is_met": row.is_met}
            for row in rows
        ]
        json_file.write_text(json.dumps({**facts, "rows": table}, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
