"""One visit to a page: who asks, where, with what; made by `gate`, given to every handler."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.web_request import FileField

from intercom.store.kinds import Role


@dataclass(frozen=True, slots=True)
class RoleAt:
    """A role and its place, as in `store.models.Grant`."""

    role: Role
    property_id: str | None = None
    unit_id: int | None = None


@dataclass(frozen=True, slots=True)
class Somebody:
    """The account behind a visit, as it was in the store when the visit began."""

    id: int
    username: str
    name: str
    language: str
    grants: frozenset[RoleAt] = frozenset()
    email: str | None = None

    @property
    def is_operator(self) -> bool:
        """Whether this is somebody who runs the service."""
        return RoleAt(Role.OPERATOR) in self.grants

    def properties(self, *roles: Role) -> frozenset[str]:
        """List the properties in which the account has one of the roles by a grant of its own."""
        return frozenset(
            each.property_id for each in self.grants if each.role in roles and each.property_id
        )

    def units(self, *roles: Role) -> frozenset[int]:
        """List the units in which the account has one of the roles."""
        return frozenset(
            each.unit_id for each in self.grants if each.role in roles and each.unit_id is not None
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that passed its route's rule."""

    request: web.Request
    somebody: Somebody | None
    """None on pages for anybody, such as log-in; use `account` elsewhere."""
    language: str
    """Of the page: the account's, else what the browser asks for."""
    property_id: str | None = None
    """From {property} in the path; it exists, and the rule was checked there."""
    unit_id: int | None = None
    """From {unit} in the path; it is of that property."""
    csrf: str = ""
    """Every form carries it in a hidden field `csrf`."""
    device_id: str = ""
    """The log-in by which this came."""
    form: Mapping[str, str] = field(default_factory=dict)
    """A POST's fields, stripped; the last one of each name. Files are in `files`."""
    files: Mapping[str, FileField] = field(default_factory=dict)

    @property
    def account(self) -> Somebody:
        """Who is logged in; the rule of the route makes sure of it."""
        if self.somebody is None:
            raise LookupError("This page is for anybody: its visit has no account")
        return self.somebody

    def can(self, role: Role) -> bool:
        """Tell whether the account has the role at this visit's place; an operator has every one."""
        return self.somebody is not None and has_role(
            self.somebody, frozenset({role}), self.property_id, self.unit_id
        )

    def at(self, name: str) -> str:
        """Give a part of the path, such as "door"."""
        return self.request.match_info[name]


def has_role(
    somebody: Somebody, roles: frozenset[Role], property_id: str | None, unit_id: int | None
) -> bool:
    """Tell whether somebody has one of the roles at a place; an operator has them all, everywhere."""
    if somebody.is_operator:
        return True
    return any(
        each.role in roles
        and (
            (each.property_id is not None and each.property_id == property_id)
            or (each.unit_id is not None and each.unit_id == unit_id)
        )
        for each in somebody.grants
    )
