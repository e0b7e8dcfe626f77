"""The service with the building of bench/soak.py, seen from outside: its figures, memory, descriptors, ports."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from sipp import end, on_core, resident_bytes
from soak_apps import PASSWORD

from intercom.demo.processes import free_range

HOST = "127.0.0.1"
PHONE_PANELS, APP_PANELS = 120, 20
CALLER_ID = "+4723506953"
RTP_PORTS = 1_000
START_S = 30.0

HEAD = """
[property]
name = "Soak"
kind = "commercial"
address = "Loopback 1"
language = "en"
[[trunk]]
id = "t"
address = "{host}:{trunk_port}"
caller_ids = ["{caller_id}"]
"""
PANEL = """
[[door]]
id = "d{n}"
name = "Main entrance"
relay = {{ driver = "panel-link", panel = "p{n}", relay = 1 }}
[[panel]]
id = "p{n}"
door = "d{n}"
password = "bench-p{n}"
buttons = {{ "1" = "b{n}" }}
[[doorbell]]
id = "b{n}"
name = "Flat {n}"
residents = ["r{n}"]
[[resident]]
username = "r{n}"
name = "Resident {n}"
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The service at one moment."""

    at_s: float
    resident_bytes: int
    tasks: int
    calls: int
    descriptors: int
    media_ports: int


class Service:
    """The running service, seen from outside."""

    def __init__(self, pid: int, metrics_port: int, rtp_ports: range) -> None:
        self.pid = pid
        self._url = f"http://{HOST}:{metrics_port}/metrics"
        self._rtp_ports = rtp_ports

    def metrics(self) -> dict[str, float]:
        """Read all figures."""
        with urllib.request.urlopen(self._url, timeout=10) as reply:
            lines = reply.read().decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def sample(self) -> Sample:
        """Look at it now."""
        figures = self.metrics()
        links = []
        for each in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it may be closed by now
                links.append(str(each.readlink()))
        return Sample(
            time.monotonic(),
            resident_bytes(self.pid),
            round(figures["intercom_tasks"]),
            round(figures["intercom_calls"]),
            len(links),
            self._media_ports({link[8:-1] for link in links if link.startswith("socket:[")}),
        )

    def _media_ports(self, inodes: set[str]) -> int:
        count = 0
        for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
            fields = line.split()
            is_ours = fields[9] in inodes
            count += is_ours and int(fields[1].rpartition(":")[2], 16) in self._rtp_ports
        return count


def building(trunk_port: int) -> str:
    """Write a building: every panel has one button, to a phone or to an app."""
    hashed = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    parts = [HEAD.format(host=HOST, trunk_port=trunk_port, caller_id=CALLER_ID)]
    for n in range(PHONE_PANELS + APP_PANELS):
        is_phone = n < PHONE_PANELS
        parts.append(PANEL.format(n=n))
        parts.append(
            f'app = false\nnumber = "+4790{n:06d}"\n'
            if is_phone
            else f'password_hash = "{hashed}"\n'
        )
    return "".join(parts)


@contextlib.contextmanager
def service(folder: Path, ports: dict[str, int]) -> Iterator[Service]:
    """Run the service on the first core."""
    file = folder / "building.toml"
    file.write_text(building(ports["trunk"]), "utf-8")
    rtp_port = free_range(24_000, RTP_PORTS)
    settings = {
        "CALLER_ID": CALLER_ID,
        "STATE_DIR": str(folder / "state"),
        "SIP_HOST": HOST,
        "SIP_PORT": str(ports["sip"]),
        "HTTP_HOST": HOST,
        "HTTP_PORT": str(ports["http"]),
        "METRICS_PORT": str(ports["metrics"]),
        "MEDIA_HOST": HOST,
        "RTP_PORT_FIRST": str(rtp_port),
        "RTP_PORT_LAST": str(rtp_port + RTP_PORTS - 1),
        "WEBRTC_PORT": str(ports["webrtc"]),
        "LOG_LEVEL": "error",
        # Limits against expensive mistakes, not against load.
        "PHONE_CALLS_PER_PANEL_10MIN": "1000",
        "PHONE_CALLS_PER_NUMBER_10MIN": "100",
        "PHONE_CALLS_PER_DAY": "100000",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTERCOM_")}
    environment = {**kept, **{f"INTERCOM_{name}": value for name, value in settings.items()}}
    command = on_core(0, sys.executable, "-m", "intercom", "serve", "--building", str(file))
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    running = Service(process.pid, ports["metrics"], range(rtp_port, rtp_port + RTP_PORTS))
    try:
        _wait_for(running, process, folder / "service.log")
        yield running
    finally:
        end(process)
        sys.stderr.write((folder / "service.log").read_text("utf-8", "replace")[-4000:])


def _wait_for(running: Service, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            running.metrics()
            return
        time.sleep(0.2)
    raise SystemExit(log.read_text("utf-8", "replace"))
