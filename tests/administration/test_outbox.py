"""Mails leave by a real mail server on loopback, also when it refuses, stalls or is not there."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from intercom.adapters.mail import MailError, MailFault, MailServer, Security
from intercom.administration import accounts, credentials, invitations, outbox, tokens
from intercom.administration.outbox import Outbox, cause_words
from intercom.routing.directory import PropertyKind
from intercom.store.kinds import MailState, Role
from intercom.store.models import Account, Alert, Mail, MailToken, Property
from intercom.texts import LANGUAGES
from tests.mail_server import PASSWORD, link_of, mail_server, text_of
from tests.ports import free_port

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ORIGIN = "https://door.example"


class House:
    """A database with a property, and the outbox over it."""

    def __init__(self, database, server: MailServer | None) -> None:
        self.database = database
        self.now = NOW
        self.box = Outbox(database, server, origin=ORIGIN, now=lambda: self.now)

    async def add_property(self) -> None:
        async with self.database.writing() as session:
            session.add(
                Property(
                    id="storgata",
                    name="Storgata",
                    kind=PropertyKind.RESIDENTIAL,
                    address="Storgata 14",
                    contact_email="hjelp@example.org",
                    prompts={},
                    created_on=date(2026, 1, 1),
                )
            )

    async def invite(self, name: str = "Kari Nordmann", *, language: str = "en") -> int:
        """Make an administrator with an invitation on its way."""
        async with self.database.writing() as session:
            account = await accounts.create(
                session,
                name=name,
                email=f"{name.split(maxsplit=1)[0].lower()}@example.org",
                language=language,
                today=date(2026, 3, 2),
            )
            if await session.get(Property, "storgata"):
                await accounts.grant(session, account, Role.ADMINISTRATOR, property_id="storgata")
            await invitations.invite(session, account, self.now)
        return account.id

    async def state(self, account_id: int) -> invitations.MailStatus:
        async with self.database.reading() as session:
            (found,) = await invitations.status(session, account_id)
        return found


def hurry(monkeypatch) -> None:
    monkeypatch.setattr(outbox, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(outbox, "LONGEST_PAUSE_S", 0.1)


async def test_an_invitation_brings_username_link_and_app_and_sets_a_password_once(database):
    async with mail_server() as post:
        house = House(database, post.server)
        await house.add_property()
        account_id = await house.invite()

        await house.box.work()

        (mail,) = post.inbox.mails
        assert "Storgata" in mail["Subject"]
        text = text_of(mail).replace("\r\n", "\n")
        assert "kari.nordmann" in text
        assert f"{ORIGIN}/admin\n" in text  # whoever is rung nowhere has no app
        assert "hjelp@example.org" in text
        token = link_of(mail).removeprefix(f"{ORIGIN}/admin/password/")
        html = mail.get_body(("html",)).get_content()
        assert token in html
        assert mail["Auto-Submitted"] == "auto-generated"
        assert (await house.state(account_id)).state is MailState.SENT

        async with database.writing() as session:
            found = await credentials.set_by_link(session, token, "hash", NOW)
        assert (found.username, found.is_new) == ("kari.nordmann", True)
        with pytest.raises(accounts.RefusedError, match="link_over"):
            async with database.writing() as session:
                await credentials.set_by_link(session, token, "another", NOW)


async def test_the_store_knows_the_digest_of_a_link_alone(sqlite_database, tmp_path):
    async with mail_server() as post:
        house = House(sqlite_database, post.server)
        await house.invite()
        await house.box.work()

        token = link_of(post.inbox.mails[0]).rpartition("/")[2]
        written = b"".join(each.read_bytes() for each in tmp_path.glob("intercom.db*"))
        assert token.encode() not in written
        assert tokens.digest(token) in written


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_kind_of_mail_is_whole_in_every_language(sqlite_database, language):
    from intercom.administration.letters import Facts, letter

    facts = Facts(
        "Kåre", "k@example.org", "kare", language, "Storgata, Oslo", "H1", "a@b.no", ("x",)
    )
    for kind in ("invitation", "password", "transfer", "activation", "alert"):
        made = letter(kind, facts, ORIGIN, "TOKEN")
        assert "{" not in made.subject + made.text
        assert "Kåre" in made.text
        assert f"{ORIGIN}/admin" in made.text
        assert ("TOKEN" in made.text) == (kind != "alert")


async def test_an_invitation_ends_after_seven_days_and_a_forgotten_password_after_one(database):
    async with mail_server() as post:
        house = House(database, post.server)
        await house.invite()
        await house.box.work()
        house.box.forgotten("KARI@example.org")
        await house.box.work()

    first, second = (link_of(each).rpartition("/")[2] for each in post.inbox.mails)
    async with database.reading() as session:
        for token, lives in ((first, timedelta(days=7)), (second, timedelta(days=1))):
            await credentials.holder(session, token, NOW + lives - timedelta(minutes=1))
            with pytest.raises(accounts.RefusedError, match="link_over"):
                await credentials.holder(session, token, NOW + lives)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_mails_leave_encrypted_and_with_a_log_in(sqlite_database, security):
    async with mail_server(security, needs_log_in=security is Security.STARTTLS) as post:
        house = House(sqlite_database, post.server)
        account_id = await house.invite()

        await house.box.work()

        assert len(post.inbox.mails) == 1, await house.state(account_id)


async def test_no_mail_leaves_to_a_server_that_nobody_vouches_for(sqlite_database):
    async with mail_server(Security.STARTTLS) as post:
        house = House(sqlite_database, replace(post.server, trust=None))
        account_id = await house.invite()

        await house.box.work()

        assert post.inbox.mails == []
        state = await house.state(account_id)
        assert state.state is MailState.WAITING
        assert "cannot be secured" in cause_words("en", state.cause)


async def test_no_mail_leaves_in_the_clear_where_starttls_is_wanted(sqlite_database):
    async with mail_server(Security.NONE) as post:
        house = House(sqlite_database, replace(post.server, security=Security.STARTTLS))
        account_id = await house.invite()

        await house.box.work()

        assert post.inbox.mails == []
        assert "cannot be secured" in cause_words("en", (await house.state(account_id)).cause)


async def test_a_wrong_log_in_is_said_and_never_written_with_the_password(sqlite_database):
    async with mail_server(Security.STARTTLS, needs_log_in=True) as post:
        house = House(sqlite_database, replace(post.server, password="not it"))
        account_id = await house.invite()

        await house.box.work()

        cause = (await house.state(account_id)).cause
        assert "does not accept our log-in" in cause_words("en", cause)
        assert "not it" not in cause
        assert PASSWORD not in cause


async def test_a_mail_that_is_refused_for_good_has_failed_and_the_next_one_leaves(sqlite_database):
    async with mail_server() as post:
        post.inbox.says["kari@example.org"] = "550 No such user here"
        house = House(sqlite_database, post.server)
        first = await house.invite()
        second = await house.invite("Ola Nordmann")

        await house.box.work()

        refused = await house.state(first)
        assert refused.state is MailState.FAILED
        assert "No such user here" in cause_words("nb", refused.cause)
        assert (await house.state(second)).state is MailState.SENT
        async with sqlite_database.reading() as session:
            assert await session.scalar(select(func.count()).select_from(MailToken)) == 1


async def test_a_mail_that_is_not_taken_now_is_tried_again_until_it_leaves(
    sqlite_database, monkeypatch
):
    hurry(monkeypatch)
    async with mail_server() as post:
        post.inbox.says["*"] = "451 Come back later"
        house = House(sqlite_database, post.server)
        account_id = await house.invite()
        await house.box.work()
        waiting = await house.state(account_id)
        assert (waiting.state, waiting.cause[:5]) == (MailState.WAITING, "later")

        post.inbox.says.clear()
        await asyncio.sleep(0.12)
        await house.box.work()

        sent = await house.state(account_id)
        assert (sent.state, sent.cause) == (MailState.SENT, "")


async def test_a_mail_that_could_not_leave_for_two_days_has_failed(sqlite_database, monkeypatch):
    hurry(monkeypatch)
    async with mail_server() as post:
        post.inbox.says["*"] = "451 Come back later"
        house = House(sqlite_database, post.server)
        account_id = await house.invite()
        house.now = NOW + timedelta(days=2, minutes=1)

        await house.box.work()

        assert (await house.state(account_id)).state is MailState.FAILED


async def test_a_dead_server_is_asked_once_a_pause_and_everything_leaves_when_it_is_back(
    sqlite_database, monkeypatch
):
    hurry(monkeypatch)
    port = free_port()
    dead = MailServer("127.0.0.1", port, "intercom@example.org", security=Security.NONE)
    house = House(sqlite_database, dead)
    states: list[MailError | None] = []
    house.box.on_state = states.append
    people = [await house.invite(f"Person{number} Berg") for number in range(30)]
    await house.box.work()
    assert [each and each.fault for each in states] == [MailFault.UNREACHABLE]
    assert "cannot be reached" in cause_words("en", (await house.state(people[0])).cause)

    async with mail_server(port=port) as post, asyncio.TaskGroup() as tasks:
        task = tasks.create_task(house.box.keep())
        async with asyncio.timeout(4):
            while len(post.inbox.mails) < 30:
                await asyncio.sleep(0.05)
                house.box.wake()
        await asyncio.sleep(0.1)
        task.cancel()

    assert len({str(each["To"]) for each in post.inbox.mails}) == 30
    assert states[-1] is None
    assert post.inbox.connections <= 4


async def test_a_server_that_falls_silent_does_not_hold_the_others_mails_for_ever(
    sqlite_database, monkeypatch
):
    hurry(monkeypatch)
    async with mail_server() as post:
        post.inbox.stalls.add("kari@example.org")
        house = House(sqlite_database, replace(post.server, timeout_s=0.3))
        first = await house.invite()
        second = await house.invite("Ola Nordmann")

        await house.box.work()
        await asyncio.sleep(0.12)
        await house.box.work()

        assert (await house.state(first)).cause.startswith("timeout")
        assert (await house.state(second)).state is MailState.SENT


async def test_without_a_mail_server_the_state_says_so(sqlite_database):
    house = House(sqlite_database, None)
    account_id = await house.invite()

    await house.box.work()

    assert "no mail server is set up" in cause_words("en", (await house.state(account_id)).cause)


async def test_resending_sends_again_and_one_forgotten_password_is_mailed_once(sqlite_database):
    async with mail_server() as post:
        house = House(sqlite_database, post.server)
        account_id = await house.invite()
        await house.box.work()
        async with sqlite_database.writing() as session:
            await invitations.invite(
                session, await session.get_one(Account, account_id), house.now + timedelta(hours=1)
            )
        await house.box.work()
        for _ in range(5):
            house.box.forgotten("kari.nordmann")
        house.box.forgotten("nobody@example.org")
        await house.box.work()

    assert len(post.inbox.mails) == 3


async def test_alerts_are_mailed_to_administrators_with_all_that_is_wrong_now(sqlite_database):
    async with mail_server() as post:
        house = House(sqlite_database, post.server)
        await house.add_property()
        account_id = await house.invite()
        async with sqlite_database.writing() as session:
            for subject in ("panel-1", "panel-2"):
                session.add(
                    Alert(
                        property_id="storgata", kind="panel-offline", subject=subject, raised_at=NOW
                    )
                )
            session.add(Alert(property_id=None, kind="trunk-down", subject="t", raised_at=NOW))
            await invitations.ask(session, account_id, invitations.ALERT, NOW)

        await house.box.work()

    text = text_of(post.inbox.mails[-1])
    assert "panel-1" in text
    assert "panel-2" in text
    assert "trunk-down" not in text


async def test_mails_that_are_sent_are_no_change_of_the_building(sqlite_database):
    touched: list[object] = []
    async with mail_server() as post:
        house = House(sqlite_database, post.server)
        await house.invite()
        sqlite_database.on_change.append(touched.append)

        await house.box.work()

    assert touched == []


async def test_a_name_with_line_breaks_adds_no_header(sqlite_database):
    async with mail_server() as post:
        house = House(sqlite_database, post.server)
        account_id = await house.invite()
        async with sqlite_database.writing() as session:
            account = await session.get_one(Account, account_id)
            account.name = "Kari\r\nBcc: thief@example.org"

        await house.box.work()

    (mail,) = post.inbox.mails
    assert mail["Bcc"] is None
    assert await _count(sqlite_database) == 1


async def _count(database) -> int:
    async with database.reading() as session:
        return await session.scalar(select(func.count()).select_from(Mail)) or 0


@pytest.mark.parametrize("address", ["a@.b.no", "ø@b.no", "a\x01@b.no", "a@b..no", "<@b.no"])
async def test_an_address_that_no_mail_can_carry_holds_up_nobody_elses_mail(database, address):
    async with mail_server() as post:
        house = House(database, post.server)
        ada_id = await house.invite("Ada Berg")
        async with database.writing() as session:
            (await session.get_one(Account, ada_id)).email = address
        kari_id = await house.invite()

        await house.box.work()

        assert (await house.state(ada_id)).state is MailState.FAILED
        assert (await house.state(kari_id)).state is MailState.SENT
