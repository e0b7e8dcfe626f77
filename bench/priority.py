"""Go before other programs of the machine, with all that is started from here (Linux, as root)."""

import contextlib
import os
from pathlib import Path

NICE = -19


def take_priority() -> None:
    """Take the processor's time first; a real-time class would be throttled where a core is nearly full."""
    with contextlib.suppress(PermissionError):  # it leads its session already
        os.setsid()
    with contextlib.suppress(
        FileNotFoundError
    ):  # sched(7): without autogroups the next line says all
        Path("/proc/self/autogroup").write_text(f"{NICE}\n", "ascii")
    os.nice(NICE)
