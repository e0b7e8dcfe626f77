"""Which settings do not go together."""

from typing import TYPE_CHECKING

from intercom.settings.kinds import EVERY_IPV4, family_of

if TYPE_CHECKING:
    from intercom.settings.model import Settings

FEWEST_RTP_PORTS = 8
"""One call with picture: two m-lines to the panel, one to the phone, a spare."""


def objection_to(settings: "Settings") -> tuple[str, str] | None:
    """Name the first setting that does not go with the others, and why."""
    return _to_missing(settings) or _to_hosts(settings) or _to_ports(settings)


def _to_missing(settings: "Settings") -> tuple[str, str] | None:
    for one, other in (
        ("tls_certificate", "tls_key"),
        ("tls_key", "tls_certificate"),
        ("sip_tls_certificate", "sip_tls_key"),
        ("sip_tls_key", "sip_tls_certificate"),
        ("sip_tls_certificate", "sip_tls_client_ca"),
        ("mail_from", "mail_server"),
        ("web_origin", "mail_server"),
        ("mail_server", "mail_username"),
        ("mail_username", "mail_password"),
        ("mail_password", "mail_username"),
    ):
        if getattr(settings, one) is None and getattr(settings, other) is not None:
            return one, f"is missing, and {other} is set"
    return None


def _to_hosts(settings: "Settings") -> tuple[str, str] | None:
    families = {family_of(host) for host in settings.sip_host}
    for setting in ("public_address", "media_host"):
        for host in getattr(settings, setting):
            family = family_of(host)
            is_default = setting == "media_host" and settings.media_host == EVERY_IPV4
            if family is not None and family not in families and not is_default:
                return setting, f"is wrong: sip_host has no IPv{family} address, as {host} is"
    return None


def _to_ports(settings: "Settings") -> tuple[str, str] | None:
    media = range(settings.rtp_port_first, settings.rtp_port_last + 1)
    if len(media) < FEWEST_RTP_PORTS:
        return "rtp_port_last", f"is wrong: {settings.rtp_port_last} leaves too few ports"
    if settings.sip_port in media:
        return "sip_port", f"is wrong: {settings.sip_port} lies among the ports of RTP"
    if settings.webrtc_port in media or settings.webrtc_port == settings.sip_port:
        return "webrtc_port", f"is wrong: {settings.webrtc_port} is a port of RTP or SIP as well"
    if settings.has_sip_tls and settings.sip_tls_port in (settings.sip_port, settings.http_port):
        return (
            "sip_tls_port",
            f"is wrong: {settings.sip_tls_port} is another service's port as well",
        )
    return None
