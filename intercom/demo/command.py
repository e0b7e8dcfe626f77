"""`intercom demo`: set the stage, play the two calls, judge, and stay up for a person to try."""

import asyncio
import contextlib
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path

import click

from intercom.demo.breaks import Break
from intercom.demo.hops import Hop, HopError
from intercom.demo.processes import DemoError
from intercom.demo.scenes import Scene, play_app_call, play_phone_call
from intercom.demo.stage import RESIDENT, Plan, Stage, open_stage
from intercom.demo.timeline import Timeline
from intercom.demo.verdict import count_pulses

BROKEN_ONLINE_TIMEOUT_S = 4.0
"""Of a stage on which something never comes online."""
APP_STAGE_S = 4.0
PERSONS_APP_STAGE_S = 20.0


@click.command("demo")
@click.option("--once", is_flag=True, help="End after the two calls; do not stay up.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the trace of both calls and the verdict to this file.",
)
@click.option(
    "--break",
    "broken",
    type=click.Choice([hop.value for hop in Hop]),
    help="Break one hop on purpose; the demonstration must then fail and name it.",
)
def demo(*, once: bool, json_file: Path | None, broken: str | None) -> None:
    """Play two calls from the press to the open door, with nothing mocked, and judge them.

    Call 1 is taken by the app, call 2 by the phone. The verdict comes from the relay board's
    journal and from what both ends heard. Exit code 0: every hop was reached.
    """
    fault = Break(Hop(broken) if broken else None)
    stays = not once and broken is None and sys.stdin.isatty()
    try:
        is_well = asyncio.run(_perform(fault, json_file, stays=stays))
    except DemoError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        is_well = True
    sys.exit(0 if is_well else 1)


async def _perform(fault: Break, json_file: Path | None, *, stays: bool) -> bool:
    plan = Plan(app_stage_s=APP_STAGE_S, has_known_ports=stays)
    async with open_stage(fault.plan(plan)) as stage:
        click.echo("Starting five processes on this machine's loopback:")
        await _set(stage, fault)
        calls = [
            Timeline("Call 1: the app takes it"),
            Timeline("Call 2: nobody takes the app, the phone does"),
        ]
        is_well = await _play(stage, fault, calls)
        if json_file is not None:
            _write_trace(json_file, calls, stage, is_well=is_well)
        if is_well and stays:
            await _stay(stage)
        return is_well


async def _set(stage: Stage, fault: Break) -> None:
    """Start every process, each with a line that says so."""
    for name, start in (
        ("router", stage.start_router),
        ("carrier", stage.start_carrier),
        ("phone", stage.start_phone if stage.plan.has_phone else None),
        ("panel", stage.start_panel),
        ("resident's app", stage.start_resident),
    ):
        if start is None:
            continue
        click.echo(f"  {name:15}", nl=False)
        child = await start()
        click.echo(f"pid {child.process.pid}")
    if fault.hop is None:
        await stage.wait_online()
    else:
        with contextlib.suppress(DemoError):
            await stage.wait_online(timeout_s=BROKEN_ONLINE_TIMEOUT_S)


async def _play(stage: Stage, fault: Break, calls: list[Timeline]) -> bool:
    """Play both calls; True when every hop of both was reached."""
    for play, timeline in zip((play_app_call, play_phone_call), calls, strict=True):
        try:
            await play(Scene(stage, timeline, fault))
        except HopError as error:
            timeline.broke(error.hop, error.seen)
            return False
    pulses = count_pulses(stage.journal)
    is_well = pulses == len(calls)
    word = "two pulses" if is_well else f"{pulses} pulses, where there must be two"
    click.echo(f"\nThe relay board's journal shows {word}; both ends heard each other.")
    return is_well


def _write_trace(file: Path, calls: list[Timeline], stage: Stage, *, is_well: bool) -> None:
    pulses = count_pulses(stage.journal)
    document = {"ok": is_well, "pulses": pulses, "calls": [call.as_json() for call in calls]}
    file.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    click.echo(f"The trace is in {file}.")


async def _stay(stage: Stage) -> None:
    """Leave the stage to a person until Ctrl-C."""
    stage.change_building(replace(stage.plan, app_stage_s=PERSONS_APP_STAGE_S))
    if stage.resident is not None:
        await stage.resident.stop()
    if stage.phone is not None:
        await stage.remote.post(
            stage.phone,
            "/api/behaviour",
            {"answer_after_s": 3.0, "press": "5", "press_after_s": 6.0},
        )
    click.echo(
        f"""
Now you. Everything stays up until you press Ctrl-C.

  1. The resident: open {stage.app_url}
     and log in as {RESIDENT} with the password {stage.secrets.resident}
  2. The visitor:  open {stage.panel.url}/ in another window and press the name.

Answer in the first window, hold "Open the door", watch the relay in the second.
If nobody answers for 20 s, or nobody is logged in, the simulated phone is called: it answers,
talks, and presses 5 after six seconds.
"""
    )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    click.echo("\nStopping.")
