"""The service's settings: `load_settings` reads and checks them all, once, at the start."""

from intercom.settings.kinds import MailSecurity
from intercom.settings.load import (
    PREFIX,
    SETTINGS_VARIABLE,
    find_control_socket,
    load_secrets,
    load_settings,
)
from intercom.settings.model import LogFormat, LogLevel, Settings, SipDigest

__all__ = [
    "PREFIX",
    "SETTINGS_VARIABLE",
    "LogFormat",
    "LogLevel",
    "MailSecurity",
    "Settings",
    "SipDigest",
    "find_control_socket",
    "load_secrets",
    "load_settings",
]
