"""Doorbells and their buttons: each layout's, the order of the persons, the numbers on the panels."""

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration.buttons import give_buttons
from intercom.administration.doorbells import (
    Face,
    change_face,
    doorbell_of,
    hide_member,
    move_member,
    put_in_order,
    set_ring_way,
)
from intercom.errors import RefusedError
from intercom.routing.directory import RingWay
from intercom.store.database import Database, Row
from intercom.store.kinds import Layout
from intercom.store.models import Button, Doorbell, Panel, Unit
from tests.administration.street import build, settle


async def _bell(session: AsyncSession, unit: Unit) -> Doorbell:
    bell = await doorbell_of(session, unit.id)
    assert bell is not None
    return bell


async def _buttons(session: AsyncSession, panel_id: str) -> list[tuple[str, int | None]]:
    rows = select(Button.name, Button.account_id).where(Button.panel_id == panel_id)
    return [(name, account_id) for name, account_id in await session.execute(rows.order_by("name"))]


async def test_each_person_has_a_button_where_the_layout_says_so(database: Database):
    await build(database)
    async with database.writing() as session:
        unit, (kari, ola) = await settle(session, "1", "Kari Nordmann", "Ola Nordmann")
        assert await _buttons(session, "storgata-panel1") == [("101", None)]

        await change_face(session, await _bell(session, unit), Face("Nordmann", Layout.GROUPED))

        assert await _buttons(session, "storgata-panel1") == [("101", kari.id), ("102", ola.id)]
        assert await _buttons(session, "storgata-panel2") == [("101", kari.id), ("102", ola.id)]

        await change_face(session, await _bell(session, unit), Face("Nordmann", Layout.SEQUENTIAL))

        assert len(await _buttons(session, "storgata-panel1")) == 1


async def test_giving_buttons_again_touches_nothing(database: Database):
    await build(database)
    async with database.writing() as session:
        await settle(session, "1", "Kari Nordmann", "Ola Nordmann")
    touched: list[frozenset[Row]] = []
    database.on_change.append(touched.append)

    async with database.writing() as session:
        await give_buttons(session, "storgata")

    assert touched == []


async def test_a_new_panel_has_the_numbers_of_the_others(database: Database):
    await build(database)
    async with database.writing() as session:
        await settle(session, "1", "Kari Nordmann")
        await settle(session, "2", "Ola Hansen")
        session.add(
            Panel(id="garage", property_id="storgata", door_id="storgata-main", document={})
        )
        await session.flush()
        session.add(
            Button(
                panel_id="garage",
                name="101",
                doorbell_id=(
                    await session.scalars(select(Doorbell.id).order_by(Doorbell.unit_id.desc()))
                ).first(),
            )
        )

        await give_buttons(session, "storgata")

        assert [name for name, _ in await _buttons(session, "garage")] == ["101", "103"]
        assert [name for name, _ in await _buttons(session, "storgata-panel1")] == ["101", "102"]


async def test_numbers_go_on_above_those_that_are_there(database: Database):
    await build(database, panels=1)
    async with database.writing() as session:
        unit, _ = await settle(session, "1", "Kari Nordmann")
        bell = await _bell(session, unit)
        for name in ("hansen", "0950", "123456789", "²3"):
            session.add(Button(panel_id="storgata-panel1", name=name, doorbell_id=bell.id))
        await session.flush()

        await settle(session, "2", "Ola Hansen")

        assert "951" in [name for name, _ in await _buttons(session, "storgata-panel1")]


async def test_persons_are_moved_up_and_down(database: Database):
    await build(database)
    async with database.writing() as session:
        unit, (kari, ola, per) = await settle(session, "1", "Kari A", "Ola B", "Per C")
        bell = await _bell(session, unit)
        move_member(bell, per.id, -1)
        move_member(bell, kari.id, -1)

    async with database.writing() as session:
        bell = await _bell(session, unit)
        assert [each.account_id for each in bell.members] == [kari.id, per.id, ola.id]
        put_in_order(bell, [ola.id])
        hide_member(bell, per.id, is_hidden=True)

    async with database.reading() as session:
        bell = await _bell(session, unit)
        assert [each.account_id for each in bell.members] == [ola.id, kari.id, per.id]
        assert [each.is_hidden for each in bell.members] == [False, False, True]


@pytest.mark.parametrize("step_s", [19.9, 31.0, float("nan")])
async def test_between_two_persons_are_20_to_30_seconds(sqlite_database: Database, step_s: float):
    await build(sqlite_database)
    async with sqlite_database.writing() as session:
        unit, _ = await settle(session, "1", "Kari Nordmann")

        with pytest.raises(RefusedError):
            await change_face(
                session,
                await _bell(session, unit),
                Face("Nordmann", Layout.SEQUENTIAL, step_s=step_s),
            )


async def test_phone_alone_needs_a_number(sqlite_database: Database):
    await build(sqlite_database)
    async with sqlite_database.writing() as session:
        _, (kari,) = await settle(session, "1", "Kari Nordmann")

        with pytest.raises(RefusedError):
            set_ring_way(kari, RingWay.PHONE_ONLY)
        kari.number = "+4790012345"
        set_ring_way(kari, RingWay.PHONE_ONLY)

    assert kari.ring_way is RingWay.PHONE_ONLY
