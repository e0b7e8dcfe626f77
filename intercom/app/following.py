"""Who is told of a building that changed: each looks at what concerns it, and at nothing else.

With thousands of doorbells a change of one costs microseconds, so it comes between two packets of a call.
"""

import asyncio
from typing import TYPE_CHECKING

from intercom.routing.change import DirectoryChange
from intercom.routing.directory import Directory
from intercom.routing.ids import PanelId

if TYPE_CHECKING:
    from intercom.app.build import Parts


def follow(parts: "Parts", trunks_changed: asyncio.Event) -> asyncio.Event:
    """Tell every part of each change; give the event of those that may have brought new names."""
    names_changed = asyncio.Event()

    def tell(directory: Directory, change: DirectoryChange) -> None:
        parts.switchboard.directory_changed()
        parts.hub.directory_changed(change)
        parts.panel_link.directory_changed(panels_to_look_at(directory, change))
        if change.residents:
            parts.sip_side.registered.directory_changed()
        if change.has_other_trunks:
            trunks_changed.set()
        if change.has_other_trunks or change.residents:
            names_changed.set()

    parts.building.on_change.append(tell)
    return names_changed


def panels_to_look_at(directory: Directory, change: DirectoryChange) -> frozenset[PanelId]:
    """Give the panels that are others now, or have something else on their screens."""
    bells = (directory.doorbells.get(each) for each in change.doorbells)
    doors = (directory.doors.get(each) for each in change.doors)
    properties = change.properties | {each.property_id for each in (*bells, *doors) if each}
    if not properties:
        return change.panels
    panels = directory.panels.values()
    return change.panels | {each.panel_id for each in panels if each.property_id in properties}
