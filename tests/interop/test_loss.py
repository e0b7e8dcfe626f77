"""Twenty calls at once, each over a network of its own that loses a fifth of every direction."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from typing_extensions import override

from tests.interop.house import HOST, Door, House, Router
from tests.interop.lossy import Lane, lossy_network
from tests.interop.machine import free_ports, free_tcp_port
from tests.interop.script import (
    INVITED,
    Script,
    confirm,
    from_panel,
    hear,
    invite,
    pause,
    perhaps,
    press_5,
    reply,
    sdp,
    wait,
)
from tests.interop.stage import rests
from tests.interop.strangers import Sipp

pytestmark = [pytest.mark.interop, pytest.mark.timeout(80)]

SEEDS = range(1, 21)
MOST = 14
"""Of the twenty calls so many open at least; the others end cleanly."""
PLAY_S = 34.0
REST_S = 40.0
RTP_PORTS = 200

AGAIN = (
    '<label id="again"/>',
    confirm(),
    '<recv request="BYE" timeout="3000" ontimeout="end"/>',
    '<nop next="again"/>',
    '<label id="end"/>',
)
"""Our 200 to BYE may be lost, too."""
PHONE = Script(
    "phone",
    (
        *INVITED,
        reply(180),
        pause(0.3),
        reply(200, body=sdp()),
        wait("ACK"),
        pause(0.5),
        press_5(),
        wait("BYE"),
        *AGAIN,
    ),
)
PANEL = Script(
    "panel",
    tuple(
        step.replace("[caller]", "[field0]")
        for step in (
            invite(),
            perhaps(100, 180, 183),
            hear(200, route="yes"),
            from_panel("ACK", 1),
            pause(8.0),
            from_panel("BYE", 2),
            hear(200),
        )
    ),
)


class Doors(Door):
    """One door for each lane."""

    def __init__(self) -> None:
        super().__init__()
        self.by_lane: Counter[str] = Counter()

    @override
    async def _open(self, request: web.Request) -> web.Response:
        self.by_lane[request.query["lane"]] += 1
        return await super()._open(request)


@dataclass(frozen=True, slots=True)
class Street(House):
    """A panel, a door and a resident with a SIP phone for each lane."""

    lanes: list[Lane] = field(default_factory=list)

    @override
    def text(self, door_url: str) -> str:
        first = '[property]\nname = "S"\nkind = "commercial"\naddress = "A"\nlanguage = "en"\n'
        return first + "".join(self._of(lane, door_url) for lane in self.lanes)

    def _of(self, lane: Lane, door_url: str) -> str:
        number, port = lane.seed, lane.phone_address[1]
        return f"""
[[door]]
id = "door-{number}"
name = "Door"
relay = {{ driver = "http", url = "{door_url}?lane={number}" }}
[[panel]]
id = "panel-{number}"
door = "door-{number}"
allowed_addresses = ["{HOST}"]
buttons = {{ "100" = "bell-{number}" }}
profile = {{ early = "183", ring_limit_s = 60 }}
[[doorbell]]
id = "bell-{number}"
name = "Bell"
residents = ["resident-{number}"]
app_stage_s = 0
phone_stage_s = 20
[[resident]]
username = "resident-{number}"
name = "R"
app = false
sip_phones = ["sip:desk-{number}@{HOST}:{port}"]
"""


async def test_twenty_calls_with_a_fifth_of_all_packets_lost_open_once_or_end_cleanly(
    tmp_path: Path,
) -> None:
    rtp_first, metrics_port = free_ports(HOST, RTP_PORTS), free_tcp_port(HOST)
    settings = {
        "INTERCOM_RTP_PORT_FIRST": str(rtp_first),
        "INTERCOM_RTP_PORT_LAST": str(rtp_first + RTP_PORTS - 1),
        "INTERCOM_METRICS_PORT": str(metrics_port),
    }
    users = tmp_path / "users.csv"
    users.write_text("SEQUENTIAL\n" + "".join(f"panel-{seed};\n" for seed in SEEDS))
    count = len(SEEDS)
    async with (
        Doors() as doors,
        Sipp(PHONE.write(tmp_path), folder=tmp_path, calls=count) as phone,
    ):
        street = Street(settings=settings)
        router = Router(street, folder=tmp_path, door=doors)
        async with lossy_network(router.sip, phone.address, SEEDS) as network:
            street.lanes.extend(network.lanes)
            async with (
                router,
                Sipp(
                    PANEL.write(tmp_path),
                    folder=tmp_path,
                    remote=network.address,
                    service="100",
                    calls=count,
                    more=("-inf", str(users), "-r", "10", "-l", str(count)),
                ) as panel,
            ):
                async with asyncio.timeout(PLAY_S):
                    await panel.ended(PLAY_S)
                await rests(metrics_port, REST_S)

    fates = sum((lane.fates for lane in network.lanes), Counter[str]())
    assert 0.15 < fates["lost"] / (fates["lost"] + fates["passed"]) < 0.25
    assert set(doors.by_lane.values()) == {1}, doors.by_lane
    assert len(doors.by_lane) >= MOST, (doors.by_lane, panel.errors(), router.log())
    assert all(len(lane.answered) <= 1 for lane in network.lanes)
