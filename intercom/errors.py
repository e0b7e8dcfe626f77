"""The exception tree: split by whose fault it is.

IntercomError
├── ProtocolError            a wire protocol was broken; `status_hint` is the SIP status to answer with
│   ├── RemoteProtocolError  by the peer: the only thing that bytes from outside may raise
│   └── LocalProtocolError   by us: a bug
├── TrunkError               a carrier's trunk cannot be used
├── PanelError               a door panel cannot be used
├── MediaError               sound or picture cannot be set up
├── StoreDownError           the database cannot be reached, or not in time: nothing was saved
├── RefusedError             what somebody asked for cannot be done; names the words that say why
└── ConfigError              a setting or a building file is wrong; names it and the remedy
    └── NotThereYetError     it is right in itself, but a port, an address or DNS is not there now
"""


class IntercomError(Exception):
    """Anything that this service raises on purpose."""


class ProtocolError(IntercomError):
    """A wire protocol was broken."""

    def __init__(self, message: str, *, status_hint: int = 400) -> None:
        super().__init__(message)
        self.status_hint = status_hint


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; `status_hint` is what to answer with."""


class LocalProtocolError(ProtocolError):
    """We broke the protocol."""


class TrunkError(IntercomError):
    """A carrier's trunk cannot be used."""


class PanelError(IntercomError):
    """A door panel cannot be used."""


class MediaError(IntercomError):
    """Sound or picture cannot be set up."""


class StoreDownError(IntercomError):
    """The database cannot be reached, or not in time: nothing was saved, and trying again may help."""


class RefusedError(IntercomError):
    """What somebody asked for cannot be done; nothing was changed."""

    def __init__(self, key: str, *, field: str = "", **values: object) -> None:
        """`key` names the words in `intercom.texts`, `values` what stands in them, `field` the form's field."""
        super().__init__(key)
        self.key = key
        self.field = field
        self.values = values


class ConfigError(IntercomError):
    """A setting or a building file is wrong; the message names it and the remedy."""


class NotThereYetError(ConfigError):
    """What a setting names is not there now: a port is taken, an address or a name unknown.

    It may come by itself, such as an address by DHCP after the machine has started; so systemd tries again.
    """
