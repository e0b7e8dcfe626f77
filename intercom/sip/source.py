"""How sources are counted: an IPv4 address is one, and so is a whole IPv6 /64 (RFC 4291 §2.5.4)."""

import ipaddress

MAX_CACHED = 4_096


class SourceKeys:
    """Makes the keys; remembers those of the IPv6 addresses that it has just seen."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def key_of(self, host: str) -> str:
        """Give the key that a source is counted by."""
        if ":" not in host:
            return host
        key = self._known.get(host)
        if key is None:
            if len(self._known) >= MAX_CACHED:
                self._known.clear()
            key = self._known[host] = _prefix_of(host)
        return key


def _prefix_of(host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> 64:x}::/64"
