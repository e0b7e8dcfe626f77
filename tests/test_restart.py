"""A talk while the service stops and starts anew, while the clock is set, and what a panel may claim."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from intercom.app import Service
from intercom.sip.address import Address
from intercom.sip.digest import Credentials
from intercom.sip.events import (
    DialogEnded,
    InfoAnswered,
    InviteAnswered,
    InviteConfirmed,
    InviteFailed,
    InviteReceived,
)
from tests.adapters.phone_rig import PANEL_PASSWORD, building, press, service_for
from tests.adapters.sip_rig import HOST, Stranger, stranger, until
from tests.adapters.stream_rig import free_tcp_port
from tests.fakes import ANNA_NUMBER, CALLER_ID
from tests.interop.house import Door

CLAIMED = "+4790000666"
HOUR_S = 3600.0


@dataclass
class Street:
    """A panel, a carrier and a door on loopback, round a service that comes and goes."""

    panel: Stranger
    carrier: Stranger
    door: Door
    folder: Path
    port: int = field(default_factory=free_tcp_port)

    def service(self) -> contextlib.AbstractAsyncContextManager[Service]:
        text = building(self.door.url, self.carrier.address)
        return service_for(text, self.folder, self.port)

    async def talk(self, service: Service) -> None:
        press(self.panel, service)
        await self.carrier.hear(InviteReceived)
        self.carrier.answer()
        await self.panel.hear(InviteAnswered)
        await self.carrier.hear(InviteConfirmed)


@pytest.fixture
async def street(tmp_path) -> AsyncIterator[Street]:
    async with Door() as door, stranger() as panel, stranger() as carrier:
        yield Street(panel, carrier, door, tmp_path)


async def test_stopping_in_a_talk_says_bye_to_both(street):
    async with street.service() as service:
        await street.talk(service)

    await street.panel.hear(DialogEnded)
    await street.carrier.hear(DialogEnded)


async def test_a_call_of_before_a_restart_opens_no_door_and_is_told_that_it_is_over(street):
    async with street.service() as service:
        await street.talk(service)
        for each in (street.panel, street.carrier):
            each.sip.is_lost = lambda _: True  # as if the service had been killed: nobody says BYE
    for each in (street.panel, street.carrier):
        each.sip.is_lost = None
    async with street.service() as service:
        street.carrier.send_info("5")
        answered = await street.carrier.hear(InfoAnswered)
        await street.carrier.hear(DialogEnded)

        assert answered.status == 481
        assert service.switchboard.calls == 0
    assert street.door.openings == 0


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S])
async def test_a_clock_that_is_set_by_an_hour_ends_no_call_and_opens_nothing_by_itself(
    street, monkeypatch, by_s
):
    true_time = time.time  # noqa: TID251 - the very clock that is set
    async with street.service() as service:
        await street.talk(service)
        monkeypatch.setattr(time, "time", lambda: true_time() + by_s)
        await asyncio.sleep(0.2)
        assert service.switchboard.calls == 1
        assert street.panel.all(DialogEnded) == street.carrier.all(DialogEnded) == []
        assert street.door.openings == 0

        street.carrier.send_info("5")
        await until(lambda: street.door.openings)
    assert street.door.openings == 1


def test_only_what_is_written_for_people_reads_the_wall_clock():
    reads = re.compile(r"\b(time\.time(_ns)?|datetime\.(now|utcnow|today)|localtime|gmtime)\(")
    root = Path(__file__).parents[1]
    found = {
        str(path.relative_to(root))
        for package in ("intercom", "firmware_sim")
        for path in (root / package).rglob("*.py")
        if reads.search(path.read_text("utf-8"))
    }

    assert found == {
        "intercom/app/sip_trace.py",
        "intercom/adapters/sip/hep.py",
        "intercom/adapters/panel_link/connection.py",  # the welcome's, which panels show
        "intercom/wall_clock.py",
    }


def test_the_wall_clock_is_given_out_at_the_edge_alone():
    """Calls, doors and limits count by the loop's clock; hours of people come to them as an argument."""
    root = Path(__file__).parents[1] / "intercom"
    takers = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(
            r"^from intercom(\.wall_clock)? import .*\b(wall_clock|now|today)\b",
            path.read_text("utf-8"),
            re.M,
        )
    }

    assert {each for each in takers if not each.startswith(("app/", "cli/"))} == {
        "web/sessions.py",  # the day of a log-in, in the list of them
        "web/admin/sessions.py",
    }


async def test_a_number_that_a_panel_claims_in_any_header_is_neither_dialled_nor_passed_on(street):
    async with street.service() as service:
        host = f"{HOST}:{service.settings.sip_port}"
        street.panel.sip.endpoint.invite(
            street.panel.sip.now,
            target=f"sip:anna@{host}",
            destination=Address(HOST, service.settings.sip_port),
            from_uri=f"sip:{CLAIMED}@{host}",
            from_display=CLAIMED,
            body=street.panel.offer,
            credentials=Credentials("main", PANEL_PASSWORD),
            headers=[
                (name, f"<sip:{CLAIMED}@{host}>")
                for name in (
                    "P-Asserted-Identity",
                    "P-Preferred-Identity",
                    "Remote-Party-ID",
                    "Diversion",
                    "P-Called-Party-ID",
                    "Referred-By",
                    "Reply-To",
                )
            ],
        )
        street.panel.sip.flush()
        invite = (await street.carrier.hear(InviteReceived)).request

        assert CLAIMED.encode() not in b"".join(street.carrier.datagrams)
        assert ANNA_NUMBER in invite.uri
        assert CALLER_ID in invite.from_.uri
        assert CALLER_ID in invite.required("p-asserted-identity")


async def test_a_number_in_a_panels_request_uri_is_no_button(street):
    async with street.service() as service:
        host = f"{HOST}:{service.settings.sip_port}"
        street.panel.sip.endpoint.invite(
            street.panel.sip.now,
            target=f"sip:{CLAIMED}@{host}",
            destination=Address(HOST, service.settings.sip_port),
            from_uri=f"sip:main@{host}",
            body=street.panel.offer,
            credentials=Credentials("main", PANEL_PASSWORD),
        )
        street.panel.sip.flush()
        failed = await street.panel.hear(InviteFailed)

        assert failed.status == 404
        assert street.carrier.events == []
