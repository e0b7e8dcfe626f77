"""The property of the manual's pictures."""

from datetime import UTC, datetime
from pathlib import Path

from intercom.store.database import Database
from tests.administration.house import snapshot_of
from tests.e2e.believable_house import HOUSE, OFFICE, furnish

IMAGES = Path(__file__).parents[3] / "docs" / "img" / "admin"
MAX_BYTES = 150_000


async def test_the_house_of_the_manual_is_one_that_rings(sqlite_database: Database):
    await furnish(sqlite_database)

    snapshot = snapshot_of(sqlite_database, today=datetime.now(UTC).date())
    await snapshot.load()

    assert snapshot.left_out == {}
    panels = snapshot.directory.panels
    assert {each.property_id for each in panels.values()} == {HOUSE, OFFICE}
    assert all(each.buttons for each in panels.values())


def test_every_picture_of_the_manual_is_small_and_in_it():
    manual = (IMAGES.parents[1] / "administrator.md").read_text()
    pictures = sorted(IMAGES.glob("*.png"))

    assert len(pictures) > 8
    assert [each.name for each in pictures if f"img/admin/{each.name}" not in manual] == []
    assert [each.name for each in pictures if each.stat().st_size > MAX_BYTES] == []
