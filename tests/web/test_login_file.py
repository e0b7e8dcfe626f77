"""Log-ins live over a restart of the service, and their file tells no secret."""

import asyncio
import stat

from intercom.routing.directory import Directory
from intercom.web.login_file import SETTLE_S, LoginFile
from intercom.web.sessions import LoginTable
from tests.web.desk import ANNA, Clock, building

RESIDENTS = building().residents


async def written(path, table: LoginTable) -> None:
    """Keep the table in its file for as long as one write takes."""
    file = LoginFile(path, table)
    table.on_changed()
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(file.keep())
        async with asyncio.timeout(SETTLE_S + 2):
            while not path.exists():  # noqa: ASYNC110 - a file tells nobody that it is there
                await asyncio.sleep(0.02)
        keeping.cancel()


async def test_a_log_in_is_found_again_by_its_cookie_after_a_restart(tmp_path):
    path = tmp_path / "logins.json"
    before = LoginTable(clock=Clock())
    token = before.create(RESIDENTS[ANNA])
    await written(path, before)

    after = LoginTable(clock=Clock())
    LoginFile(path, after).load()

    assert after.find(token) == before.find(token)
    assert after.find(token + "x") is None


async def test_the_file_is_private_and_holds_neither_token_nor_password_hash(tmp_path):
    path = tmp_path / "logins.json"
    table = LoginTable(clock=Clock())
    token = table.create(RESIDENTS[ANNA])
    await written(path, table)

    text = path.read_text("utf-8")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in text
    assert RESIDENTS[ANNA].password_hash not in text


async def test_a_revoked_log_in_is_gone_from_the_file_even_when_the_service_stops_at_once(tmp_path):
    path = tmp_path / "logins.json"
    table = LoginTable(clock=Clock())
    token = table.create(RESIDENTS[ANNA])
    await written(path, table)
    file = LoginFile(path, table)

    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(file.keep())
        await asyncio.sleep(0)
        table.revoke(token)
        keeping.cancel()

    after = LoginTable(clock=Clock())
    LoginFile(path, after).load()
    assert after.find(token) is None


async def test_a_changed_password_ends_a_log_in_that_was_restored(tmp_path):
    path = tmp_path / "logins.json"
    table = LoginTable(clock=Clock())
    token = table.create(RESIDENTS[ANNA])
    await written(path, table)
    after = LoginTable(clock=Clock())
    LoginFile(path, after).load()

    after.directory_changed(Directory())

    assert after.find(token) is None


async def test_a_damaged_file_restores_nothing_and_stops_nobody(tmp_path):
    path = tmp_path / "logins.json"
    table = LoginTable(clock=Clock())
    for text in ("", "{", "[1]", '[{"token_digest": "zz"}]', "null"):
        path.write_text(text, "utf-8")

        LoginFile(path, table).load()

    assert len(table) == 0
