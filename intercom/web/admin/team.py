"""Who has access to a property, and who runs the service: given, taken back, invited again."""

from functools import partial

from aiohttp import web

from intercom.administration import accounts, invitations, people, team
from intercom.administration.places import number
from intercom.errors import RefusedError
from intercom.store.kinds import Role
from intercom.store.models import Account
from intercom.texts import words
from intercom.web.admin.forms import Form, refused_form
from intercom.web.admin.gate import Gate
from intercom.web.admin.office import Office
from intercom.web.admin.page import done, page, path_of
from intercom.web.admin.visit import Visit
from intercom.web.rules import ADMINISTRATORS, OPERATORS, Route, Rule

TEAM = "/admin/p/{property}/team"
OPERATORS_PATH = "/admin/operators"


def routes(office: Office, gate: Gate) -> list[Route]:
    """List the pages of access."""
    return [*_of(TEAM, office, gate, ADMINISTRATORS), *_of(OPERATORS_PATH, office, gate, OPERATORS)]


def _of(path: str, office: Office, gate: Gate, rule: Rule) -> list[Route]:
    return [
        Route("GET", path, partial(_show, office), rule),
        Route("POST", path, partial(_add, office), rule),
        Route("POST", path + "/{grant}/revoke", partial(_revoke, office, gate), rule),
        Route("POST", path + "/{grant}/invite", partial(_invite, office), rule),
    ]


async def _show(office: Office, visit: Visit) -> web.Response:
    return await _page(office, visit, Form({"role": Role.ADMINISTRATOR.value}))


async def _page(
    office: Office, visit: Visit, form: Form, fault: Form | None = None
) -> web.Response:
    async with office.database.reading() as session:
        found = await team.colleagues(session, visit.property_id)
        standings = await people.standings(session, [each.account for each in found])
    return await page(
        office,
        visit,
        "team.html",
        status=max(form.status, fault.status if fault else 200),
        form=form,
        fault=fault or Form(),
        found=found,
        standings=standings,
        path=_path(visit),
        roles=[
            (
                each.value,
                words(visit.language, f"account.role.{each.value}"),
                words(visit.language, f"account.role.{each.value}_hint"),
            )
            for each in team.PROPERTY_ROLES
        ],
    )


async def _add(office: Office, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            account = await team.add(
                session,
                name=visit.form.get("name", ""),
                email=visit.form.get("email", ""),
                role=_role(visit),
                property_id=visit.property_id,
                language=visit.language,
                now=office.now(),
                may_see_all=visit.account.is_operator,
            )
    except RefusedError as error:
        return await _page(office, visit, refused_form(visit, error))
    office.outbox.wake()
    return done(_path(visit), f"account.done.{'granted' if account.password_hash else 'invited'}")


async def _revoke(office: Office, gate: Gate, visit: Visit) -> web.Response:
    try:
        async with office.database.writing() as session:
            row = await team.grant_of(session, number(visit.at("grant")), visit.property_id)
            account_id = row.account_id
            username = (await session.get_one(Account, account_id)).username
            await accounts.revoke(session, row)
            is_gone = await session.get(Account, account_id) is None
    except RefusedError as error:
        if error.key.endswith(".not_there"):
            raise
        return await _page(office, visit, Form(), refused_form(visit, error))
    if is_gone:
        gate.sessions.end(account_id)
        office.logins.end(username)
        await office.database.forget_deleted()
    is_self = account_id == visit.account.id and not visit.account.is_operator
    return done("/admin" if is_self else _path(visit), "account.done.revoked")


async def _invite(office: Office, visit: Visit) -> web.Response:
    async with office.database.writing() as session:
        row = await team.grant_of(session, number(visit.at("grant")), visit.property_id)
        account = await session.get_one(Account, row.account_id)
        await invitations.invite(session, account, office.now())
    office.outbox.wake()
    return done(_path(visit), "account.done.invited_again")


def _role(visit: Visit) -> Role:
    if visit.property_id is None:
        return Role.OPERATOR
    for each in team.PROPERTY_ROLES:
        if each.value == visit.form.get("role"):
            return each
    raise RefusedError("account.role_unknown", field="role")


def _path(visit: Visit) -> str:
    if visit.property_id is None:
        return OPERATORS_PATH
    return path_of("p", visit.property_id, "team")
