"""Units, people, doorbells and imports in a browser without scripts."""

import re

from sqlalchemy import select

from intercom.store.models import Account, Doorbell, Mail, Transfer, Unit
from tests.web.admin.rig import Client, Rig

PLACE = "/admin/p/storgata-14"
FILE = "Enhet;Navn;E-post\nH0201;Lise Moe;lise@example.no\nH0101;Ola Nordmann;ola@example.no\n"


async def move_in(client: Client, **more: str) -> None:
    """Make unit H0101 with its owner."""
    owner = {"label": "H0101", "name": "Kari Nordmann", "email": "kari@example.no"}
    shown = await client.post(f"{PLACE}/units/new", {**owner, "language": "nb", **more})
    assert shown.status == 200, shown.faults


async def start(rig: Rig, client: Client) -> None:
    """Begin with a property that is empty."""
    await rig.add_property()


async def test_a_unit_with_its_owner_is_one_form(rig: Rig, client: Client):
    await start(rig, client)

    await move_in(client)

    shown = await client.get(f"{PLACE}/units?q=nordmann")
    assert "H0101" in shown.text
    assert rig.outbox.woken
    async with rig.database.reading() as session:
        assert await session.scalar(select(Doorbell.name)) == "Nordmann"
        assert await session.scalar(select(Mail.kind)) == "invitation"


async def test_a_refused_form_keeps_what_was_typed(rig: Rig, client: Client):
    await start(rig, client)

    shown = await client.post(
        f"{PLACE}/units/new",
        {"label": "H0101", "name": "Kari", "email": "nonsense", "language": "nb"},
    )

    assert shown.status == 422
    assert shown.faults
    assert 'value="nonsense"' in shown.text
    async with rig.database.reading() as session:
        assert await session.scalar(select(Unit.id)) is None


async def test_a_doorbell_changes_by_its_form_alone(rig: Rig, client: Client):
    await start(rig, client)
    await move_in(client)
    bell = f"{PLACE}/units/1/doorbell"

    wrong = await client.post(bell, {"name": "Nordmann", "layout": "sequential", "step_s": "5"})
    right = await client.post(
        bell, {"name": "K. Nordmann", "layout": "grouped", "is_hidden": "yes"}
    )
    quiet = await client.post(
        f"{bell}/quiet", {"day0": "yes", "start": "22:00", "end": "07:00", "mode": "phone-only"}
    )

    assert (wrong.status, right.status, quiet.status) == (422, 200, 200)
    assert "22:00" in quiet.text
    async with rig.database.reading() as session:
        found = await session.scalar(select(Doorbell))
        assert (found.name, found.layout.value, found.is_hidden) == ("K. Nordmann", "grouped", True)


async def test_a_person_is_changed_and_deleted_when_the_name_was_typed(rig: Rig, client: Client):
    await start(rig, client)
    await move_in(client)
    person = f"{PLACE}/people/2"

    changed = await client.post(
        person, {"name": "Kari Berg", "email": "", "number": "900 12 345", "language": "en"}
    )
    unconfirmed = await client.post(f"{person}/delete", {"typed": "Kari"})
    deleted = await client.post(f"{person}/delete", {"typed": "kari berg"})

    assert (changed.status, unconfirmed.status, deleted.status) == (200, 422, 200)
    assert (await client.get(person)).status == 404
    async with rig.database.reading() as session:
        assert list(await session.scalars(select(Account.username))) == ["kari"]


async def test_an_operator_who_lives_here_is_not_changed_by_a_property(rig: Rig, client: Client):
    await start(rig, client)
    await move_in(client)
    async with rig.database.writing() as session:
        from intercom.store.kinds import Role
        from intercom.store.models import Grant

        session.add(Grant(account_id=1, role=Role.RESIDENT, unit_id=1))

    shown = await client.post(f"{PLACE}/people/1", {"name": "X", "language": "nb"})

    assert shown.status == 422
    async with rig.database.reading() as session:
        assert (await session.get_one(Account, 1)).name == "Kari Nordmann"


async def test_a_transfer_is_asked_for_and_taken_back(rig: Rig, client: Client):
    await start(rig, client)
    await move_in(client)
    unit = f"{PLACE}/units/1"

    asked = await client.post(f"{unit}/transfer", {"name": "Per Ny", "email": "per@example.no"})
    async with rig.database.reading() as session:
        assert await session.scalar(select(Transfer.unit_id)) == 1
    back = await client.post(f"{unit}/transfer/cancel")

    assert "Per Ny" in asked.text
    assert "Per Ny" not in back.text


async def test_an_import_is_shown_then_done_then_taken_back(rig: Rig, client: Client):
    await start(rig, client)
    await move_in(client)

    preview = await client.post(f"{PLACE}/import", {"text": FILE})
    mark = preview.text.partition('name="mark" value="')[2].partition('"')[0]
    stale = await client.post(f"{PLACE}/import/apply", {"text": FILE, "mark": "another"})
    applied = await client.post(f"{PLACE}/import/apply", {"text": FILE, "mark": mark})

    assert "Lise Moe" in preview.text
    assert not stale.done
    assert applied.done
    assert "Lise Moe" in (await client.get(f"{PLACE}/people")).text
    assert (await client.get(f"{PLACE}/import/undo?import=1")).status == 200
    assert (await client.post(f"{PLACE}/import/undo", {"import": "1"})).done
    assert "Lise Moe" not in (await client.get(f"{PLACE}/people")).text


async def test_a_file_with_a_fault_imports_nothing(rig: Rig, client: Client):
    await start(rig, client)
    text = FILE + "H0202;Per Moe;nonsense\n"

    preview = await client.post(f"{PLACE}/import", {"text": text})
    applied = await client.post(f"{PLACE}/import/apply", {"text": text, "mark": "x"})

    assert (preview.status, applied.status) == (422, 422)
    assert "Linje 4" in preview.text
    async with rig.database.reading() as session:
        assert await session.scalar(select(Unit.id)) is None


async def test_the_sample_file_can_be_imported(rig: Rig, client: Client):
    await start(rig, client)

    sample = await client.get(f"{PLACE}/import/sample.csv")
    preview = await client.post(f"{PLACE}/import", {"text": sample.text})

    assert preview.status == 200
    assert "Ola Nordmann" in preview.text


async def test_a_number_can_be_checked_only_where_calls_can_be_made(rig: Rig, client: Client):
    await start(rig, client)
    await move_in(client, number="900 12 345")

    shown = await client.get(f"{PLACE}/people/2")

    assert "+4790012345" in shown.text
    assert "Ikke bekreftet" in shown.text
    assert "/people/2/check" not in shown.text


async def test_whom_no_mail_reaches_is_handed_a_link_until_a_password_is_chosen(
    rig: Rig, client: Client
):
    await start(rig, client)
    await move_in(client)
    person = f"{PLACE}/people/2"

    shown = await client.post(f"{person}/link", {})
    link = re.search(r"/admin/password/[\w-]+", shown.text)
    assert link is not None
    chosen = await client.get(link.group())
    assert (shown.status, chosen.status) == (200, 200)
    assert link.group() not in (await client.get(person)).text

    async with rig.database.writing() as session:
        (await session.get_one(Account, 2)).password_hash = "$argon2id$chosen"
    refused = await client.post(f"{person}/link", {})
    assert refused.status in (404, 409, 422)
    assert "/admin/password/" not in refused.text
