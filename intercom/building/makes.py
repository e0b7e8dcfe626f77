"""What is known of each make of panel, as data; docs/panels.md says where it is from and what was tried.

A make only gives defaults: every value of its profile can be written otherwise in the building file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from intercom.routing.directory import EarlyMedia, HttpAnswer, PanelProfile


@dataclass(frozen=True, slots=True)
class OpenWay:
    """How a make's HTTP interface opens a door."""

    path: str
    """{relay} is the relay's number from 1, {code} the door code that the make wants there."""
    authentication: str
    """As in `HttpRelay`."""
    answer: HttpAnswer
    other_paths: Mapping[str, str] = field(default_factory=dict)
    """The paths that go with another authentication."""
    default_code: str | None = None
    """For {code} where the building file gives none; None: it must."""


@dataclass(frozen=True, slots=True)
class PictureWay:
    """Where a make's HTTP interface gives a JPEG."""

    path: str
    authentication: str


@dataclass(frozen=True, slots=True)
class Make:
    profile: PanelProfile
    opens: OpenWay | None = None
    picture: PictureWay | None = None
    needs_code: bool = False
    """Its HTTP interface wants a door code besides the password."""


_AKUVOX_HIGH_SECURITY = "/fcgi/OpenDoor?action=OpenDoor&DoorNum={relay}"
"""What its "high security mode" takes in place of a password in the address."""

MAKES: Mapping[str, Make] = MappingProxyType(
    {
        "generic": Make(PanelProfile()),
        "open-intercom": Make(PanelProfile(ring_limit_s=120)),
        "2n": Make(
            PanelProfile(ring_limit_s=30),  # its ring limit can be set from 30 to 600 s
            OpenWay("/api/switch/ctrl?switch={relay}&action=trigger", "digest", HttpAnswer.SUCCESS),
            PictureWay("/api/camera/snapshot?width=640&height=480", "digest"),
        ),
        "akuvox": Make(
            PanelProfile(early=EarlyMedia.ANSWER, ring_limit_s=60),  # "dial out time", 5 to 120 s
            OpenWay(
                "/fcgi/do?action=OpenDoor&DoorNum={relay}",
                "query",
                HttpAnswer.RETCODE,
                other_paths=dict.fromkeys(("basic", "digest"), _AKUVOX_HIGH_SECURITY),
            ),
        ),
        "grandstream": Make(
            PanelProfile(ring_limit_s=15),  # "ring timeout" of each number that it calls
            OpenWay("/goform/apicmd", "challenge", HttpAnswer.RESCODE),
            needs_code=True,  # the "remote PIN"
        ),
        "doorbird": Make(
            PanelProfile(early=EarlyMedia.ANSWER, ring_limit_s=60),
            OpenWay("/bha-api/open-door.cgi?r={relay}", "digest", HttpAnswer.RETURNCODE),
            PictureWay("/bha-api/image.cgi", "digest"),
        ),
        "fanvil": Make(
            PanelProfile(ring_limit_s=60),
            OpenWay(
                "/cgi-bin/ConfigManApp.com?key=F_LOCK&code={code}",
                "basic",
                HttpAnswer.STATUS,
                default_code="openlock",
            ),
        ),
    }
)
