"""People: the list with its search, one person with account, telephone and log-ins, a new one in a unit."""

from functools import partial

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from intercom.administration import accounts, invitations, number_checks, tokens
from intercom.administration.door_rights import rights_of
from intercom.administration.doorbells import set_ring_way
from intercom.administration.letters import SET_PASSWORD
from intercom.administration.outbox import cause_words
from intercom.administration.people import (
    NewPerson,
    PersonDetails,
    add_person,
    change_person,
    change_role,
    count_held,
    invite_held,
    leave_unit,
    standings,
)
from intercom.administration.places import account_in, number, property_at, unit_in
from intercom.administration.search import PAGE_ROWS, search_people
from intercom.errors import RefusedError
from intercom.routing.directory import RingWay
from intercom.store.kinds import Role, TokenPurpose
from intercom.store.models import Account, Grant, Unit
from intercom.texts import words
from intercom.web.admin.choices import languages
from intercom.web.admin.days import day_words, moment_words
from intercom.web.admin.forms import Form, Pager, pager, place_of, refused_form
from intercom.web.admin.hours import days_words, hours_words
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.units import check_typed, forget_bytes, unit_of, unit_path
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, Route

_PEOPLE = "/admin/p/{property}/people"
_PERSON = _PEOPLE + "/{account}"
_NEW = "/admin/p/{property}/units/{unit}/people/new"
MOST_DUE = 20
"""People whose numbers need a new check call, by name; of more the count alone."""


def routes(office: Office) -> list[Route]:
    """List the pages of people."""
    return [
        Route("GET", _PEOPLE, partial(_list, office), ADMINISTRATORS),
        Route("POST", _PEOPLE + "/invite", partial(_invite_held, office), ADMINISTRATORS),
        Route("GET", _NEW, partial(_new, office), ADMINISTRATORS),
        Route("POST", _NEW, partial(_make, office), ADMINISTRATORS),
        Route("GET", _PERSON, partial(_show, office), ADMINISTRATORS),
        Route("POST", _PERSON, partial(_change, office), ADMINISTRATORS),
        Route("POST", _PERSON + "/invite", partial(_invite, office), ADMINISTRATORS),
        Route("POST", _PERSON + "/link", partial(_hand_over, office), ADMINISTRATORS),
        Route("POST", _PERSON + "/check", partial(_check_number, office), ADMINISTRATORS),
        Route("POST", _PERSON + "/ring", partial(_ring, office), ADMINISTRATORS),
        Route("POST", _PERSON + "/unit", partial(_change_unit, office), ADMINISTRATORS),
        Route("POST", _PERSON + "/logins/end", partial(_end_login, office), ADMINISTRATORS),
        Route("POST", _PERSON + "/delete", partial(_delete, office), ADMINISTRATORS),
    ]


def account_of(visit: Visit) -> int:
    """Give the account of a visit whose path has one."""
    return number(visit.at("account"))


def person_path(visit: Visit, *more: str, account_id: int | None = None) -> str:
    """Make the path of a person's page."""
    return path_of("p", place_of(visit), "people", account_id or account_of(visit), *more)


async def _list(office: Office, visit: Visit) -> web.Response:
    text = visit.request.query.get("q", "").strip()[:100]
    asked = pager(visit, PAGE_ROWS * 10**6, PAGE_ROWS).number
    async with office.database.reading() as session:
        found = await search_people(session, place_of(visit), text, asked)
        states = await standings(session, found.people)
        held = await count_held(session, place_of(visit))
        today = office.now().date()
        due = (await number_checks.due_counts(session, today, place_of(visit))).get(place_of(visit))
        due_people = (
            await number_checks.due_people(session, place_of(visit), today, MOST_DUE) if due else []
        )
    return await page(
        office,
        visit,
        "people.html",
        found=found,
        standings=states,
        held=held,
        due=due or 0,
        due_people=due_people,
        text=text,
        pages=Pager(found.count, found.number, PAGE_ROWS),
    )


async def _invite_held(office: Office, visit: Visit) -> web.Response:
    async with office.database.writing() as session:
        await invite_held(session, place_of(visit), office.now())
    office.outbox.wake()
    return done(path_of("p", place_of(visit), "people"), "people.done.invited_all")


async def _new(office: Office, visit: Visit) -> web.Response:
    async with office.database.reading() as session:
        place = await property_at(session, place_of(visit))
        owned = await session.scalar(
            select(Grant.id).where(Grant.unit_id == unit_of(visit), Grant.role == Role.OWNER)
        )
    usual = {
        "language": place.language,
        "role": Role.RESIDENT.value if owned else Role.OWNER.value,
        "is_rung": "yes",
        "is_invited": "yes",
    }
    return await _page_of_new(office, visit, Form(usual))


async def _page_of_new(office: Office, visit: Visit, form: Form) -> web.Response:
    async with office.database.reading() as session:
        unit = await unit_in(session, place_of(visit), unit_of(visit))
    return await page(
        office,
        visit,
        "person_new.html",
        status=form.status,
        unit=unit,
        form=form,
        languages=languages(visit.language),
    )


async def _make(office: Office, visit: Visit) -> web.Response:
    form = visit.form
    try:
        person = NewPerson(
            name=form.get("name", ""),
            username=form.get("username", ""),
            email=form.get("email", ""),
            number=form.get("number", ""),
            language=form.get("language", ""),
            role=_role_from(form.get("role", "")),
            is_rung=form.get("is_rung") == "yes",
            is_invited=form.get("is_invited") == "yes",
        )
        async with office.database.writing() as session:
            unit = await unit_in(session, place_of(visit), unit_of(visit))
            await add_person(session, unit, person, office.now())
    except RefusedError as error:
        return await _page_of_new(office, visit, refused_form(visit, error))
    office.outbox.wake()
    key = "person_invited" if person.is_invited and person.email else "person_made"
    return done(unit_path(visit), f"people.done.{key}")


async def _show(office: Office, visit: Visit) -> web.Response:
    return await show_person(office, visit)


async def show_person(
    office: Office,
    visit: Visit,
    *,
    form: Form | None = None,
    ring_form: Form | None = None,
    delete_form: Form | None = None,
) -> web.Response:
    """Show a person's page; the forms are those that were refused."""
    async with office.database.reading() as session:
        place = await property_at(session, place_of(visit))
        account = await account_in(session, place.id, account_of(visit))
        homes = await session.execute(
            select(Unit.id, Unit.label, Grant.role)
            .join(Grant, Grant.unit_id == Unit.id)
            .where(Grant.account_id == account.id, Unit.property_id == place.id)
            .order_by(Unit.ordered_label)
        )
        found = {
            "homes": [(unit_id, label, role) for unit_id, label, role in homes.all()],
            "standing": (await standings(session, [account]))[account.id],
            "mails": await invitations.status(session, account.id),
            "rights": await rights_of(session, place.id, account_id=account.id),
            "may_manage": await accounts.may_manage(session, place.id, account),
        }
    forms = (
        form or _form_of(account),
        ring_form or Form({"ring_way": account.ring_way.value}),
        delete_form or Form(),
    )
    return await page(
        office,
        visit,
        "person.html",
        status=max(each.status for each in forms),
        account=account,
        form=forms[0],
        ring_form=forms[1],
        delete_form=forms[2],
        is_verified=number_checks.is_verified(account, office.now().date()),
        is_due=number_checks.is_due(account, office.now().date()),
        backup_days=office.backup_days,
        can_check=office.checks is not None,
        check=office.checks.state(account.id) if office.checks else None,
        verified_until=number_checks.ends_on(account),
        languages=languages(visit.language),
        ways=[
            (way.value, words(visit.language, f"people.way.{way.name.lower()}")) for way in RingWay
        ],
        logins=office.logins.of(account.username),
        cause=partial(cause_words, visit.language),
        day=partial(day_words, visit.language),
        moment=partial(moment_words, visit.language, place.time_zone),
        days_words=partial(days_words, visit.language),
        hours_words=partial(hours_words, visit.language),
        **found,
    )


def _form_of(account: Account) -> Form:
    return Form(
        {
            "name": account.name,
            "email": account.email or "",
            "number": account.number or "",
            "language": account.language,
        }
    )


async def _change(office: Office, visit: Visit) -> web.Response:
    form = visit.form
    details = PersonDetails(
        name=form.get("name", ""),
        email=form.get("email", ""),
        number=form.get("number", ""),
        language=form.get("language", ""),
    )
    try:
        async with office.database.writing() as session:
            place = await property_at(session, place_of(visit))
            account = await managed(session, visit)
            await change_person(session, account, details, place.time_zone)
    except RefusedError as error:
        return await show_person(office, visit, form=refused_form(visit, error))
    return done(person_path(visit), "people.done.saved")


async def _invite(office: Office, visit: Visit) -> web.Response:
    async with office.database.writing() as session:
        account = await managed(session, visit)
        await invitations.invite(session, account, office.now())
    office.outbox.wake()
    return done(person_path(visit), "people.done.invited")


async def _hand_over(office: Office, visit: Visit) -> web.Response:
    """Show a link to choose a password, for somebody whom no mail reaches; once, and never again."""
    async with office.database.writing() as session:
        account = await managed(session, visit)
        if account.password_hash is not None:
            raise RefusedError("people.refused.has_password")
        until = office.now() + tokens.INVITATION_LIFETIME
        token = await tokens.make(session, account.id, TokenPurpose.SET_PASSWORD, until)
    return await page(
        office,
        visit,
        "person_link.html",
        account=account,
        link=f"{office.origin}{SET_PASSWORD}{token}",
        app=f"{office.origin}/",
    )


async def _check_number(office: Office, visit: Visit) -> web.Response:
    async with office.database.reading() as session:
        account = await managed(session, visit)
    try:
        if office.checks is not None:
            office.checks.start(account, place_of(visit))
    except RefusedError as error:
        return await show_person(office, visit, form=refused_form(visit, error))
    return done(person_path(visit), "people.done.check_started")


async def _ring(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            account = await managed(session, visit)
            set_ring_way(account, _way_from(visit.form.get("ring_way", "")))
    except RefusedError as error:
        return await show_person(office, visit, ring_form=refused_form(visit, error))
    return done(person_path(visit), "people.done.saved")


async def _change_unit(office: Office, visit: Visit) -> web.Response:
    """Let a person move out of a unit, or make an owner of a resident."""
    do = visit.form.get("do", "")
    async with office.database.writing() as session:
        unit = await unit_in(session, place_of(visit), number(visit.form.get("unit", "")))
        account = await account_in(session, place_of(visit), account_of(visit))
        is_gone = False
        if do == "leave":
            is_gone = await leave_unit(session, unit, account)
        else:
            await change_role(session, unit, account, _role_from(do))
    if do != "leave":
        return done(person_path(visit), "people.done.saved")
    if is_gone:
        await forget_bytes(office)
    key = "people.done.deleted" if is_gone else "people.done.left"
    return done(unit_path(visit, unit_id=unit.id), key)


async def _end_login(office: Office, visit: Visit) -> web.Response:
    async with office.database.reading() as session:
        account = await managed(session, visit)
    office.logins.end(account.username, visit.form.get("device", ""))
    return done(person_path(visit), "people.done.login_ended")


async def _delete(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            account = await managed(session, visit)
            check_typed(visit, account.name)
            await accounts.delete_account(session, account)
    except RefusedError as error:
        return await show_person(office, visit, delete_form=refused_form(visit, error))
    await forget_bytes(office)
    return done(path_of("p", place_of(visit), "people"), "people.done.deleted")


async def managed(session: AsyncSession, visit: Visit) -> Account:
    """Find the account in the path; refuse one that is of other places, too, or runs something."""
    account = await account_in(session, place_of(visit), account_of(visit))
    if not await accounts.may_manage(session, place_of(visit), account):
        raise RefusedError("people.refused.elsewhere")
    return account


def _role_from(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise RefusedError("people.refused.role", field="role") from None


def _way_from(text: str) -> RingWay:
    try:
        return RingWay(text)
    except ValueError:
        raise RefusedError("admin.not_there") from None
