"""Door relays behind a maker's HTTP interface."""

from intercom.adapters.relay_http.driver import HttpRelayDriver

__all__ = ["HttpRelayDriver"]
