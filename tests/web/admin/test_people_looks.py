"""The pages of units and people in a real browser: axe-core, the strict policy, nothing wider than the screen."""

import pytest
from playwright.async_api import Browser

from intercom.administration.doorbells import Face, change_face, doorbell_of
from intercom.administration.people import NewPerson, add_person
from intercom.administration.units import add_unit
from intercom.store.kinds import Layout, Role
from tests.web.admin.conftest import Axe
from tests.web.admin.rig import Rig
from tests.web.admin.test_property_looks import SIZES, logged_in

pytestmark = pytest.mark.timeout(90)

PLACE = "/admin/p/storgata-14"
PAGES = {
    "units": f"{PLACE}/units",
    "units-none": f"{PLACE}/units?q=nobody",
    "unit": f"{PLACE}/units/1",
    "unit-new": f"{PLACE}/units/new",
    "doorbell": f"{PLACE}/units/1/doorbell",
    "unit-doors": f"{PLACE}/units/1/doors",
    "transfer": f"{PLACE}/units/1/transfer",
    "person-new": f"{PLACE}/units/1/people/new",
    "people": f"{PLACE}/people",
    "person": f"{PLACE}/people/2",
    "person-doors": f"{PLACE}/people/2/doors",
    "activation": f"{PLACE}/activation",
    "import": f"{PLACE}/import",
}


async def _settle(rig: Rig) -> None:
    place = await rig.add_property()
    async with rig.database.writing() as session:
        unit = await add_unit(session, place, "H0101")
        for name, role in (("Kari Berg", Role.OWNER), ("Ola Berg", Role.RESIDENT)):
            person = NewPerson(name, email="berg@example.no", number="90012345", role=role)
            await add_person(session, unit, person, rig.now)
        bell = await doorbell_of(session, unit.id)
        assert bell is not None
        await change_face(session, bell, Face("Berg", Layout.GROUPED))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_of_people_is_accessible(
    rig: Rig, browser: Browser, axe: Axe, size: str, scheme: str
):
    await _settle(rig)
    found: dict[str, list[str]] = {}

    async with logged_in(browser, rig, size, scheme, bypass_csp=True) as tab:
        for name, path in PAGES.items():
            await tab.open(path)
            found[name] = await axe(tab.page)
            if await tab.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found[name].append("wider than the screen")
            await tab.picture(f"{name}-{size}-{scheme}")

    assert {name: faults for name, faults in found.items() if faults} == {}
