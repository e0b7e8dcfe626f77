"""The event log of a running service: a call in a commercial property is in its database, of a residential one nothing."""

import pytest
from sqlalchemy import select

from intercom.routing.directory import PropertyKind
from intercom.store.models import Event
from tests.adapters.sip_rig import stranger
from tests.administration.house import build_house
from tests.store.databases import opened
from tests.test_database_service import TODAY, assert_a_press_rings, running, settings_of


@pytest.mark.timeout(30)
@pytest.mark.parametrize("kind", PropertyKind)
async def test_a_call_is_in_the_log_of_a_commercial_property_alone(sqlite_address, tmp_path, kind):
    async with stranger() as carrier, opened(sqlite_address) as database:
        at = carrier.address
        await build_house(database, kind=kind, carrier=f"{at.host}:{at.port}", today=TODAY)
        async with running(settings_of(sqlite_address, tmp_path)) as service:
            await assert_a_press_rings(service, carrier)
        async with database.reading() as session:
            found = list(await session.scalars(select(Event).order_by(Event.at, Event.id)))

    expected = [("rang", "anna"), ("missed", "")] if kind is PropertyKind.COMMERCIAL else []
    assert [(each.what, each.person) for each in found] == expected
    assert not (tmp_path / "state" / "events.spool").exists()
