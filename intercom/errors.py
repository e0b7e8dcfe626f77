"""The exception tree: split by whose fault it is.

IntercomError
├── ProtocolError            a wire protocol was broken; `status_hint` is the SIP status to answer with
│   ├── RemoteProtocolError  by the peer: the only thing that bytes from outside may raise
│   └── LocalProtocolError   by us: a bug
├── TrunkError               a carrier's trunk cannot be used
├── PanelError               a door panel cannot be used
├── MediaError               sound or picture cannot be set up
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


class ConfigError(IntercomError):
    """A setting or a building file is wrong; the message names it and the remedy."""


class NotThereYetError(ConfigError):
    """What a setting names is not there now: a port is taken, an address or a name unknown.

    It may come by itself, such as an address by DHCP after the machine has started; so systemd tries again.
    """
