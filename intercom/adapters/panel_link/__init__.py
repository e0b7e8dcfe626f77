"""The panel link's router end: our own panels' WebSocket, their relays and their screens."""

from intercom.adapters.panel_link.hub import PanelLinkHub, PanelLinkState
from intercom.adapters.panel_link.key import load_or_create_key, public_key_text

__all__ = ["PanelLinkHub", "PanelLinkState", "load_or_create_key", "public_key_text"]
