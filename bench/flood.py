"""Flood the running router: `python -m bench.flood [--rate 2000] [--seconds 60]`; what a call loses.

One call is up through `intercom serve` while INVITEs come from one address at the rate; printed are the share of RTP
packets lost in the worse direction, the share of the loop's ticks that were more than 20 ms late, and what
the guard counted. The aim: both below 1 %.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path

from tests.interop.flood import live_audio

LONGEST_S = 170.0
"""A call lasts no longer than the service lets it."""


async def measure(rate: int, seconds: float) -> dict[str, object]:
    """Run it once."""
    with tempfile.TemporaryDirectory() as folder:
        outcome = await live_audio(Path(folder), duration_s=seconds, rate=rate)
    counted = {
        name.removeprefix("intercom_sip_").removesuffix("_total"): value
        for name, value in outcome.metrics.items()
        if name.startswith("intercom_sip_") and name.endswith("_total") and value
    }
    return {
        "invites_sent": outcome.flood_sent,
        "lost_percent": round(outcome.lost_share * 100, 3),
        "ticks_late_percent": round(outcome.late_share * 100, 3),
        "counted": counted,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    seconds = min(options.seconds, LONGEST_S)
    print(json.dumps(asyncio.run(measure(options.rate, seconds)), indent=2))


if __name__ == "__main__":
    main()
