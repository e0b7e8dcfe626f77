"""How commands end, for scripts and for systemd; `intercom --help` lists the same."""

from enum import IntEnum


class ExitCode(IntEnum):
    DONE = 0
    NOT_DONE = 1
    """It was tried and did not succeed: the door did not open, the service refused the file."""
    USAGE = 2  # click's own
    NO_SERVICE = 3
    """The service does not run, or its socket is not ours to use."""
    CONFIGURATION = 78  # sysexits.h EX_CONFIG; the systemd unit does not restart after it
