"""A person's own data: all that is stored of them, nothing of others', no secrets."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from intercom.errors import ConfigError
from intercom.store.kinds import TokenPurpose
from intercom.store.models import Account, CommercialLog, Event, Mail, MailToken, Undo
from intercom.store.person_export import export_person, tables_of_people
from tests.store.house_file import SMALL
from tests.store.test_building_import import take

pytestmark = pytest.mark.timeout(20)
NOW = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)


@pytest.fixture
async def house(database, tmp_path):
    """Give a database with a commercial property, its people, a mail, a line of the log, an import."""
    text = SMALL.replace('"residential"', '"commercial"')
    text = text.replace('username = "kari"', 'username = "kari"\nemail = "Kari@example.org"')
    await take(database, text, tmp_path)
    async with database.writing() as session:
        kari = await session.scalar(select(Account.id).where(Account.username == "kari"))
        log = await session.scalar(select(CommercialLog.id))
        session.add(Mail(account_id=kari, kind="invitation", asked_at=NOW))
        session.add(
            MailToken(
                digest=b"secret digest",
                account_id=kari,
                purpose=TokenPurpose.SET_PASSWORD,
                expires_at=NOW,
            )
        )
        for person in ("kari", "ola"):
            session.add(
                Event(id=f"e-{person}", log_id=log, at=NOW, call="c", what="rang", person=person)
            )
        steps = [{"username": "kari"}, {"username": "ola"}]
        session.add(Undo(property_id="storgata", made_at=NOW, summary={}, steps=steps))
    return database


@pytest.mark.parametrize("name", ["kari", "KARI", "kari@EXAMPLE.org"])
async def test_a_person_gets_all_that_is_stored_of_them_and_nothing_of_others(house, name):
    found = await export_person(house, name)

    assert found["username"] == "kari"
    assert found["account"][0]["number"] == "+4790012345"
    assert found["grant"][0]["unit_name"] == "Hansen"
    assert found["member"][0]["doorbell_name"] == "Hansen"
    assert [each["id"] for each in found["event"]] == ["e-kari"]
    assert found["undo"][0]["steps"] == [{"username": "kari"}]
    assert {"mail", "mail_token"} <= found.keys()
    text = json.dumps(found)
    assert "Ola" not in text
    assert '"ola"' not in text


async def test_secrets_are_said_to_be_there_and_no_more(house):
    found = await export_person(house, "kari")

    assert found["account"][0]["password_hash"] == "is set, and is not shown"
    assert "argon2id" not in json.dumps(found)
    assert "secret digest" not in json.dumps(found)


async def test_nobody_of_a_name_is_said_so(house):
    with pytest.raises(ConfigError, match="There is no person"):
        await export_person(house, "kari nordmann")


def test_every_table_that_names_an_account_is_exported():
    assert set(tables_of_people()) >= {
        *("account", "grant", "member", "button", "door_right", "mail", "mail_token"),
        *("transfer", "event", "undo"),
    }
