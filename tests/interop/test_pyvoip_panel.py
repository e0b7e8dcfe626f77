"""pyVoIP is a panel whose ACK belongs to no dialog: the door opens all the same, and nothing is left for ever.

RFC 3261 §13.3.1.4: a 200 that nobody acknowledges is repeated for 64*T1 = 32 s, and then the UAS hangs up. So the
router lets such a panel talk and open for 32 s; a panel that has to talk for longer needs a right ACK.
"""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.interop.house import BUTTON, PANEL, PANEL_PASSWORD
from tests.interop.machine import ChildProcess, text
from tests.interop.script import (
    INVITED,
    Script,
    confirm,
    from_phone,
    hear,
    pause,
    press_5,
    reply,
    sdp,
    wait,
)
from tests.interop.stage import Stage, stage

pytestmark = [pytest.mark.interop, pytest.mark.timeout(80)]

KEY_1 = from_phone(
    "INFO", 9, headers="Content-Type: application/dtmf-relay", body="Signal=1\nDuration=160"
)
PRESSES_AFTER_S = 24.0
PHONE = Script(
    "phone",
    (
        *INVITED,
        reply(180),
        pause(0.3),
        reply(200, body=sdp("recvonly")),
        wait("ACK"),
        pause(1.0),
        KEY_1,
        hear(200),
        pause(PRESSES_AFTER_S),
        press_5(),
        wait("BYE", timeout="40000"),
        confirm(),
    ),
)
"""Accepts, and opens so late that the call would go on past 32 s; it sends no sound, so none is missed."""
STEP_S = 40.0
UNACKNOWLEDGED_S = 32.0
"""64*T1."""


class PyvoipPanel(ChildProcess):
    """The process."""

    def told(self) -> dict[str, float]:
        """When its call reached each state."""
        lines = [json.loads(line) for line in text(self.log).splitlines() if line.startswith("{")]
        return {line["state"]: line["at_s"] for line in lines}


@asynccontextmanager
async def pyvoip_panel(at: Stage) -> AsyncIterator[PyvoipPanel]:
    panel = PyvoipPanel(at.folder, "pyvoip")
    host, port = at.router.sip
    await panel.spawn(
        *(sys.executable, "-m", "tests.interop.pyvoip_panel"),
        *(host, str(port), PANEL, PANEL_PASSWORD, BUTTON),
    )
    try:
        yield panel
    finally:
        await panel.stop()


async def test_the_door_opens_in_the_32_s_that_an_unacknowledged_answer_lives_and_then_it_is_hung_up(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path, PHONE, limit_s=60.0) as at, pyvoip_panel(at) as panel:
        await at.opens_once(STEP_S)
        await at.content(limit_s=STEP_S)
        await panel.ended(STEP_S)
        await at.rests()

    told = panel.told()
    lasted_s = told["ENDED"] - told["DIALING"]  # the phone answered 0.3 s after the press
    assert UNACKNOWLEDGED_S - 0.5 < lasted_s < UNACKNOWLEDGED_S + 3.0, told
