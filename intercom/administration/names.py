"""Short names by which things are known in addresses, on the wire and to panels: made of what people call them."""

import re

from sqlalchemy.ext.asyncio import AsyncSession

from intercom.store.folding import folded
from intercom.store.models import Door, Panel, Property

MAX_ID = 64
_STEM = 48


def slug(text: str) -> str:
    """Make a short name of letters, digits and dashes; empty when nothing of the text can stand in one."""
    return "-".join(re.findall(r"[a-z0-9]+", folded(text)))[:_STEM].strip("-")


async def free_id(
    session: AsyncSession, table: type[Property] | type[Door] | type[Panel], wanted: str
) -> str:
    """Find a short name that nothing of its kind has: storgata-14, storgata-14-2."""
    stem, name, count = wanted, wanted, 1
    while await session.get(table, name) is not None:
        count += 1
        name = f"{stem}-{count}"
    return name
