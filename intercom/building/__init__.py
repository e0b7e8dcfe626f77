"""The building file: TOML that says which doors, panels, doorbells, residents and trunks there are."""

from intercom.building.change import BuildingChange, diff
from intercom.building.load import Building, load_building

__all__ = ["Building", "BuildingChange", "diff", "load_building"]
