"""The pages of properties, doors and panels, as a browser without scripts sees them."""

import sqlite3

import pytest
from sqlalchemy import select

from intercom.ports import RelayOutcome, RelayResult
from intercom.routing.directory import PropertyKind
from intercom.store.kinds import Role
from intercom.store.models import Account, CommercialLog, Door, Grant, Panel, Property, QuietHours
from intercom.web.admin.office import PanelLive
from intercom.web.admin.sessions import IDLE_S, AdminSessions
from tests.web.admin.rig import ORIGIN, PANEL_KEY, SIP_SERVER, Client, Rig, browsing

pytestmark = pytest.mark.timeout(20)  # one waits for a database that stays locked

NEW = {
    "name": "Storgata 14",
    "address": "Storgata 14, Oslo",
    "language": "nb",
    "time_zone": "Europe/Oslo",
    "open_keys": "5",
    "kind": "residential",
}
ENTRANCE = {
    "make": "open-intercom",
    "door": "",
    "name": "Hovedinngang",
    "pulse_s": "3",
    "relay_number": "1",
}
PLACE = "/admin/p/storgata-14"


async def _property(client: Client) -> None:
    await client.post("/admin/new", NEW)


async def _entrance(client: Client) -> None:
    await _property(client)
    await client.post(f"{PLACE}/panels/new", ENTRANCE)


async def test_a_new_property_leads_to_its_overview_which_says_the_first_step(client: Client):
    shown = await client.post("/admin/new", NEW)

    assert shown.url == f"{PLACE}?done=property.done.made"
    assert shown.done == "Eiendommen er opprettet"
    assert f"{PLACE}/panels/new" in shown.text


async def test_a_faulty_form_comes_back_with_all_values_and_the_word_at_the_field(client: Client):
    shown = await client.post("/admin/new", NEW | {"open_keys": "x", "address": "Å & <b>"})

    assert shown.status == 422
    assert shown.faults == ["Skriv ett eller flere av tegnene 0\N{EN DASH}9, * og #."]
    assert 'value="Storgata 14"' in shown.text
    assert "Å &amp; &lt;b&gt;" in shown.text
    assert 'value="residential" checked' in shown.text


async def test_two_properties_of_one_name_are_two(client: Client, rig: Rig):
    await _property(client)
    await _property(client)

    async with rig.database.reading() as session:
        assert set(await session.scalars(select(Property.id))) == {"storgata-14", "storgata-14-2"}


async def test_a_commercial_property_has_its_log_from_the_first_day(client: Client, rig: Rig):
    await client.post("/admin/new", NEW | {"kind": "commercial"})

    async with rig.database.reading() as session:
        assert await session.scalar(select(CommercialLog.property_id)) == "storgata-14"


async def test_a_residential_property_has_no_way_to_events(client: Client, rig: Rig):
    await _property(client)
    commercial = await rig.add_property("Kontorgården", PropertyKind.COMMERCIAL)

    residential = await client.get(PLACE)

    assert f"{PLACE}/log" not in residential.text
    assert f"/admin/p/{commercial}/log" in (await client.get(f"/admin/p/{commercial}")).text


async def test_a_property_is_deleted_only_when_its_name_is_typed(client: Client, rig: Rig):
    await _entrance(client)

    wrong = await client.post(f"{PLACE}/settings/delete", typed_name="Storgata")
    right = await client.post(f"{PLACE}/settings/delete", typed_name=" storgata 14 ")

    assert wrong.faults == ["Navnet er ikke det samme. Ingenting er slettet."]
    assert right.done == "Eiendommen er slettet"
    async with rig.database.reading() as session:
        assert list(await session.scalars(select(Panel.id))) == []
        assert list(await session.scalars(select(Door.id))) == []


async def test_with_a_property_go_those_who_belong_nowhere_else_and_no_others(
    client: Client, rig: Rig
):
    await _entrance(client)
    other = await rig.add_property("Havnegata 2")
    await rig.add_account("ola", "Ola", Role.INSTALLER, property_id="storgata-14")
    both = await rig.add_account("per", "Per", Role.ADMINISTRATOR, property_id="storgata-14")
    async with rig.database.writing() as session:
        session.add(Grant(account_id=both.id, role=Role.INSTALLER, property_id=other))

    await client.post(f"{PLACE}/settings/delete", typed_name="Storgata 14")

    async with rig.database.reading() as session:
        assert set(await session.scalars(select(Account.username))) == {"kari", "per"}


async def test_quiet_hours_are_added_read_in_words_and_taken_away(client: Client, rig: Rig):
    await _property(client)
    days = {f"day{day}": "yes" for day in range(5)}

    added = await client.post(
        f"{PLACE}/settings/quiet", days | {"start": "22.00", "end": "07:00", "mode": "say-so"}
    )

    assert "Mandag\N{EN DASH}fredag" in added.text
    assert "22:00\N{EN DASH}07:00" in added.text
    async with rig.database.reading() as session:
        quiet = (await session.scalars(select(QuietHours))).one()
    assert (quiet.days, quiet.start_minute, quiet.end_minute) == (31, 1320, 420)
    ended = await client.post(f"{PLACE}/settings/quiet/end", quiet=str(quiet.id))
    assert "Ingen stilletid" in ended.text


async def test_quiet_hours_without_a_day_or_a_time_are_refused(client: Client):
    await _property(client)
    hours = {"start": "22:00", "end": "07:00", "mode": "say-so"}

    no_day = await client.post(f"{PLACE}/settings/quiet", hours)
    no_time = await client.post(f"{PLACE}/settings/quiet", hours | {"day1": "yes", "end": "7:61"})

    assert no_day.faults == ["Velg minst én dag."]
    assert no_time.faults == ["Skriv et klokkeslett, for eksempel 22:00."]


async def test_an_entrance_is_a_door_and_its_panel_which_opens_it(client: Client, rig: Rig):
    await _property(client)

    shown = await client.post(f"{PLACE}/panels/new", ENTRANCE)

    async with rig.database.reading() as session:
        door = (await session.scalars(select(Door))).one()
        panel = (await session.scalars(select(Panel))).one()
    assert panel.door_id == door.id
    assert door.document["relay"] == {"driver": "panel-link", "panel": panel.id, "relay": 1}
    assert panel.document["password"] in shown.text


async def test_our_own_panel_is_given_all_by_which_it_finds_and_knows_the_service(
    client: Client,
):
    await _property(client)

    shown = await client.post(f"{PLACE}/panels/new", ENTRANCE)
    later = await client.get(f"{PLACE}/panels/storgata-14-hovedinngang")

    for page in (shown, later):
        assert all(each in page.text for each in (ORIGIN, SIP_SERVER, PANEL_KEY))


async def test_another_makes_panel_is_told_the_sip_server_with_its_port_and_no_key(client: Client):
    await _property(client)

    shown = await client.post(f"{PLACE}/panels/new", ENTRANCE, make="generic", code="1234")

    assert SIP_SERVER in shown.text
    assert PANEL_KEY not in shown.text


async def test_a_panels_password_is_shown_once(client: Client, rig: Rig):
    await _entrance(client)
    async with rig.database.reading() as session:
        panel = (await session.scalars(select(Panel))).one()

    texts = [
        (await client.get(path)).text
        for path in (f"{PLACE}/panels", f"{PLACE}/panels/{panel.id}", f"{PLACE}/doors")
    ]

    assert not any(panel.document["password"] in text for text in texts)
    renewed = await client.post(f"{PLACE}/panels/{panel.id}/password")
    assert panel.document["password"] not in renewed.text
    async with rig.database.reading() as session:
        again = (await session.scalars(select(Panel))).one()
    assert again.document["password"] in renewed.text


async def test_another_makes_entrance_needs_its_log_in_and_nothing_is_saved_without(
    client: Client, rig: Rig
):
    await _property(client)

    shown = await client.post(
        f"{PLACE}/panels/new", ENTRANCE | {"make": "2n", "host": "192.0.2.9", "username": "admin"}
    )

    assert shown.faults == ["Skriv passordet til panelets nettside."]
    async with rig.database.reading() as session:
        assert list(await session.scalars(select(Door.id))) == []


async def test_a_secret_stays_when_its_field_is_left_empty_and_is_never_shown(
    client: Client, rig: Rig
):
    await _property(client)
    relay = {"make": "2n", "host": "192.0.2.9", "username": "admin", "password": "hemmelig"}
    await client.post(f"{PLACE}/panels/new", ENTRANCE | relay)
    door = f"{PLACE}/doors/storgata-14-hovedinngang"

    form = await client.get(door)
    await client.post(
        door,
        {"name": "Port", "pulse_s": "4,5", "driver": "2n", "host": "192.0.2.9"},
        username="admin",
        password="",
        relay_number="1",
        scheme="https",
    )

    assert "hemmelig" not in form.text
    async with rig.database.reading() as session:
        stored = (await session.scalars(select(Door))).one()
    assert stored.document["relay"]["password"] == "hemmelig"
    assert (stored.name, stored.pulse_ms) == ("Port", 4500)


async def test_one_relay_opens_one_door(client: Client):
    await _entrance(client)

    shown = await client.post(
        f"{PLACE}/doors/new",
        {"name": "Bod", "pulse_s": "3", "driver": "panel-link", "relay_number": "1"},
        panel="storgata-14-hovedinngang",
    )

    assert shown.faults == ["Dette reléet åpner allerede Hovedinngang. Velg et annet nummer."]


async def test_a_door_with_a_panel_beside_it_is_not_deleted_alone(client: Client, rig: Rig):
    await _entrance(client)

    kept = await client.post(f"{PLACE}/doors/storgata-14-hovedinngang/delete")
    gone = await client.post(f"{PLACE}/panels/storgata-14-hovedinngang/delete")

    assert "Flytt eller slett panelet først" in kept.text
    assert gone.done == "Panelet er slettet"
    async with rig.database.reading() as session:
        assert list(await session.scalars(select(Door.id))) == []


async def test_a_test_pulse_says_what_was_measured_and_asks_for_the_door(client: Client, rig: Rig):
    await _entrance(client)

    tested = await client.post(f"{PLACE}/doors/storgata-14-hovedinngang/test")
    confirmed = await client.post(f"{PLACE}/doors/storgata-14-hovedinngang/tested", is_open="yes")

    assert rig.pulsed == ["storgata-14-hovedinngang"]
    assert "212 mA" in tested.text
    assert "Slapp døren?" in tested.text
    assert "Du bekreftet" in confirmed.text


async def test_a_pulse_that_failed_says_why_and_never_that_it_opened(client: Client, rig: Rig):
    await _entrance(client)
    rig.relay = RelayResult(RelayOutcome.FAILED, "the panel is offline")

    shown = await client.post(f"{PLACE}/doors/storgata-14-hovedinngang/test")

    assert "Døren fikk ikke beskjeden." in shown.text
    assert "the panel is offline" in shown.text
    assert "Slapp døren?" not in shown.text


async def test_the_list_of_panels_says_which_are_there_now(client: Client, rig: Rig):
    await _entrance(client)
    panel = "storgata-14-hovedinngang"

    rig.live.panels[panel] = PanelLive(is_online=True, since_s=10.0, firmware="1.4")
    online = await client.get(f"{PLACE}/panels")
    rig.live.panels[panel] = PanelLive(is_online=False, since_s=3 * 3600)
    offline = await client.get(f"{PLACE}/panels")

    assert "På nett" in online.text
    assert "Borte i 3 timer" in offline.text


async def test_an_installer_sees_doors_and_panels_of_one_property_and_nothing_of_people(
    client: Client, rig: Rig
):
    await _entrance(client)
    other = await rig.add_property("Havnegata 2")
    await rig.add_account("ola", "Ola", Role.INSTALLER, property_id="storgata-14")

    async with browsing(rig) as browser:
        first = await browser.log_in("ola")
        doors = await browser.get(f"{PLACE}/doors")
        settings = await browser.get(f"{PLACE}/settings")
        elsewhere = await browser.get(f"/admin/p/{other}/doors")

    assert first.url == PLACE
    assert doors.status == 200
    assert "/people" not in doors.text
    assert settings.status == 403
    assert elsewhere.status == 404


async def test_a_database_that_is_down_gives_the_form_once_more_without_its_password(
    client: Client, rig: Rig
):
    await _entrance(client)
    path = rig.database.engine.url.database
    assert path is not None
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")  # another process that does not let go

    shown = await client.post(
        f"{PLACE}/doors/new",
        {"name": "Bod", "pulse_s": "3", "driver": "http", "url": "https://192.0.2.9/open"},
        authentication="digest",
        username="admin",
        password="hemmelig",
    )
    lock.execute("ROLLBACK")
    lock.close()

    assert shown.status == 503
    assert "Ikke lagret. Prøv igjen" in shown.text
    assert 'name="name" value="Bod"' in shown.text
    assert "hemmelig" not in shown.text
    assert 'type="password" name="password"' in shown.text


async def test_what_a_page_asks_by_itself_keeps_no_log_in_alive():
    clock = [0.0]
    sessions = AdminSessions(lambda: clock[0])
    token = sessions.create(1, "hash", "Chromium")

    clock[0] = IDLE_S - 1
    assert sessions.find(token, is_use=False) is not None
    clock[0] = IDLE_S + 1

    assert sessions.find(token) is None


async def test_only_words_that_were_meant_for_it_are_said_after_a_form(client: Client):
    await _property(client)

    assert (await client.get(f"{PLACE}?done=property.done.saved")).done == "Lagret"
    assert (await client.get(f"{PLACE}?done=property.delete.text")).done == ""
    assert (await client.get(f"{PLACE}?done=../../x.done.y")).done == ""


async def test_a_page_that_is_not_there_says_so(client: Client):
    shown = await client.get("/admin/p/nowhere")

    assert shown.status == 404
    assert "Siden finnes ikke" in shown.text
