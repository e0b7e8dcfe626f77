"""What stands around a page: the property's name, and the ways that are open to whoever visits."""

from dataclasses import dataclass

from sqlalchemy import Select, func, select

from intercom.routing.directory import PropertyKind
from intercom.store.database import Database
from intercom.store.models import Alert, Property
from intercom.web.admin.visit import Visit, has_role
from intercom.web.rules import RULES


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the navigation; it is shown where its route exists and its rule lets the visitor in."""

    name: str
    """Words: admin.nav.{name}; a template says `{% set section = "name" %}`."""
    path: str
    icon: str
    only: PropertyKind | None = None
    """Residential properties have no log, so they have no way to it either."""


PROPERTY_SECTIONS = (
    Section("overview", "/admin/p/{property}", "house"),
    Section("units", "/admin/p/{property}/units", "layout-list"),
    Section("people", "/admin/p/{property}/people", "users-round"),
    Section("activation", "/admin/p/{property}/activation", "user-check"),
    Section("doors", "/admin/p/{property}/doors", "door-closed"),
    Section("panels", "/admin/p/{property}/panels", "tablet"),
    Section("log", "/admin/p/{property}/log", "scroll-text", only=PropertyKind.COMMERCIAL),
    Section("alerts", "/admin/p/{property}/alerts", "triangle-alert"),
    Section("privacy", "/admin/p/{property}/privacy", "shield-check"),
    Section("team", "/admin/p/{property}/team", "user-cog"),
    Section("settings", "/admin/p/{property}/settings", "settings"),
)
SERVICE_SECTIONS = (
    Section("properties", "/admin", "building-2"),
    Section("operators", "/admin/operators", "user-cog"),
    Section("service_alerts", "/admin/alerts", "triangle-alert"),
)


@dataclass(frozen=True, slots=True)
class Way:
    """A section that this visitor may go to."""

    name: str
    href: str
    icon: str
    count: int = 0
    """Open alerts; 0: nothing is shown."""


@dataclass(frozen=True, slots=True)
class Frame:
    property_name: str = ""
    """Empty: the page is of no property."""
    property_address: str = ""
    ways: tuple[Way, ...] = ()
    is_one_of_many: bool = False
    """Whether there is a list of properties to go back to."""


async def load_frame(database: Database, visit: Visit) -> Frame:
    """Read what the frame says; raises StoreDownError when the database is down."""
    if visit.somebody is None:
        return Frame()
    is_one_of_many = visit.somebody.is_operator or len(visit.somebody.grants) > 1
    async with database.reading() as session:
        alerts = await session.scalar(_count_alerts(visit.property_id))
        found = (
            None if visit.property_id is None else await session.get(Property, visit.property_id)
        )
    if found is None:
        return Frame(
            ways=_ways(visit, SERVICE_SECTIONS, None, alerts or 0), is_one_of_many=is_one_of_many
        )
    return Frame(
        property_name=found.name,
        property_address=found.address,
        ways=_ways(visit, PROPERTY_SECTIONS, found.kind, alerts or 0),
        is_one_of_many=is_one_of_many,
    )


def _ways(
    visit: Visit, sections: tuple[Section, ...], kind: PropertyKind | None, alerts: int
) -> tuple[Way, ...]:
    rules = visit.request.app.get(RULES, {})
    found = []
    for each in sections:
        rule = rules.get(("GET", each.path))
        if rule is None or (each.only is not None and each.only is not kind):
            continue
        if rule.roles and not has_role(visit.account, rule.roles, visit.property_id, None):
            continue
        href = each.path.replace("{property}", visit.property_id or "")
        found.append(Way(each.name, href, each.icon, alerts if "alerts" in each.name else 0))
    return tuple(found)


def _count_alerts(property_id: str | None) -> Select[int]:
    place = Alert.property_id.is_(None) if property_id is None else Alert.property_id == property_id
    return select(func.count()).select_from(Alert).where(place, Alert.cleared_at.is_(None))
