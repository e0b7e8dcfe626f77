"""The router with a large estate: 2,000 panels in 1,000 properties, made in memory.

    python bench/big_house.py STATE_DIR SIP_PORT TRUNK_PORT HTTP_PORT WEBRTC_PORT [PANELS]

PANELS is how many each property has, if not two.

It is the service as it ships, with everything checked that it always checks; only the building
comes from here instead of a file. `bench/sip.py` starts it.
"""

import asyncio
import sys
from pathlib import Path

from intercom import logs
from intercom.app import service
from intercom.building import Building
from intercom.routing.directory import (
    Button,
    Directory,
    Door,
    Doorbell,
    Panel,
    PanelLinkRelay,
    Property,
    Resident,
    Trunk,
)
from intercom.routing.ids import (
    DoorbellId,
    DoorId,
    PanelId,
    PropertyId,
    ResidentId,
    TrunkId,
)
from intercom.settings import load_settings

PROPERTIES = 1_000
PANELS_OF_A_PROPERTY = 2
BUTTON = "1"
"""All the same: sipp's digest can name but one Request-URI."""
CALLER_ID = "+4723506953"
HOST = "127.0.0.1"
RTP_PORTS = (24_000, 32_700)  # below those that Linux gives out by itself


def panel_names(panels_of: int = PANELS_OF_A_PROPERTY) -> list[str]:
    """Name every panel; its password is "bench-" and its name."""
    return [f"p{i}-{j}" for i in range(PROPERTIES) for j in range(panels_of)]


def estate(trunk_port: int, panels_of: int = PANELS_OF_A_PROPERTY) -> Directory:
    """Make the directory."""
    properties, doors, panels, doorbells, residents = {}, {}, {}, {}, {}
    for i in range(PROPERTIES):
        property_id = PropertyId(f"h{i}")
        properties[property_id] = Property(property_id, f"House {i}", "Loopback 1", "en")
        for j in range(panels_of):
            number = f"+479{i * panels_of + j:07d}"
            resident = Resident(
                ResidentId(f"r{i}-{j}"), "Resident", "", has_app=False, number=number
            )
            doorbell = Doorbell(
                DoorbellId(f"b{i}-{j}"), property_id, "Flat", (resident.resident_id,)
            )
            panel_id, door_id = PanelId(f"p{i}-{j}"), DoorId(f"d{i}-{j}")
            residents[resident.resident_id] = resident
            doorbells[doorbell.doorbell_id] = doorbell
            doors[door_id] = Door(door_id, property_id, "Entrance", PanelLinkRelay(panel_id, 1))
            panels[panel_id] = Panel(
                panel_id,
                property_id,
                door_id,
                (Button(BUTTON, doorbell.doorbell_id),),
                password=f"bench-{panel_id}",
            )
    trunk = Trunk(TrunkId("t"), f"{HOST}:{trunk_port}", caller_ids=frozenset({CALLER_ID}))
    return Directory(properties, doors, panels, doorbells, residents, (trunk,))


async def main(  # noqa: PLR0917 - as in the command line
    state_dir: Path,
    sip_port: int,
    trunk_port: int,
    http_port: int,
    webrtc_port: int,
    panels_of: int = PANELS_OF_A_PROPERTY,
) -> None:
    """Serve until SIGTERM."""
    directory = estate(trunk_port, panels_of)

    def load(*_: object, **__: object) -> Building:
        return Building(directory, ())

    service.load_building = load
    settings = load_settings(
        environment={},
        building_file=state_dir / "none.toml",
        state_dir=state_dir,
        caller_id=CALLER_ID,
        sip_host=HOST,
        sip_port=sip_port,
        http_host=HOST,
        http_port=http_port,
        webrtc_port=webrtc_port,
        media_host=HOST,
        rtp_port_first=RTP_PORTS[0],
        rtp_port_last=RTP_PORTS[1],
        phone_calls_per_day=100_000,
        log_level="error",
    )
    logs.configure(settings.log_level.value, settings.log_format.value)
    await service.serve(settings)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:7])))
