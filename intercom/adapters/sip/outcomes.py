"""What a carrier's or phone's final response means in the words of call control."""

from intercom.routing.events import LegFailure

FAILURES: dict[int, LegFailure] = {
    401: LegFailure.REFUSED,
    402: LegFailure.REFUSED,
    403: LegFailure.REFUSED,
    404: LegFailure.NO_ROUTE,
    407: LegFailure.REFUSED,
    408: LegFailure.UNREACHABLE,
    480: LegFailure.NO_ANSWER,
    484: LegFailure.NO_ROUTE,
    486: LegFailure.BUSY,
    487: LegFailure.CANCELLED,
    488: LegFailure.REFUSED,
    600: LegFailure.BUSY,
    603: LegFailure.DECLINED,
    604: LegFailure.NO_ROUTE,
}
"""What is not here: 5xx is UNREACHABLE, all else REFUSED."""

NEXT_TRUNK = frozenset({401, 402, 407})
"""Refusals of our account with this carrier, which say nothing about another one's. A 403 or 488 may
be about our identity: no other carrier is tried with it, somebody has to look."""

UNREACHABLE_REMEDY = "`intercom status` says which trunks answer; is its address right and up?"
CERTIFICATE_REMEDY = (
    "its certificate is not for the name in [[trunk]], has expired, or is of an authority that is not"
    " known here: correct the address, or give the authority's file in INTERCOM_SIP_TLS_CA"
)
TRUNK_REMEDIES: dict[int, str] = {
    401: "the trunk's user name or password is wrong: correct [[trunk]] in the building file",
    402: "the carrier wants to be paid: look at the account with it",
    403: "the carrier forbids this call: ask it to allow your caller ID and this address",
    407: "the trunk's user name or password is wrong: correct [[trunk]] in the building file",
    488: "the carrier takes none of our codecs, or wants SRTP: ask it for G.711 (PCMA or PCMU),"
    ' or give srtp = "required" and transport = "tls"',
}
