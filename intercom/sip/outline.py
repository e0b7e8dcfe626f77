"""What a SIP message is about, in a few words; lenient, and never more than may be shown."""

import re
from dataclasses import dataclass

from typing_extensions import override

from intercom.sip.masking import Masking, split

_STATUS = re.compile(r"SIP/2\.0 +([1-6][0-9]{2})(?: +(.*))?", re.IGNORECASE)
_USER = re.compile(r"sips?:([^@;>\s]{0,256}+)@|tel:([^;>\s]{0,256}+)", re.IGNORECASE)
_URI = re.compile(r"(?:sips?|tel):[^\s<>\";?]+", re.IGNORECASE)
_RTPMAP = re.compile(r"a=rtpmap:([0-9]+) +([\w.+-]+)", re.IGNORECASE)
_STATIC = {"0": "PCMU", "8": "PCMA", "9": "G722", "18": "G729"}  # RFC 3551 §6
_SHORT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "c": "content-type", "m": "contact"}
_TAG = re.compile(r";\s*tag=", re.IGNORECASE)
_QUIET_DIRECTIONS = {"a=sendonly": "sendonly", "a=recvonly": "recvonly", "a=inactive": "hold"}


@dataclass(frozen=True, slots=True)
class Outline:
    """The parts that a ladder is made of; all but `sip_call_id` may be shown."""

    sip_call_id: str
    method: str
    """Of the request, or of the CSeq in a response."""
    status: int | None
    """None: a request."""
    reason: str
    cseq: str
    target: str
    """Request-URI, masked."""
    from_user: str
    to_user: str
    has_to_tag: bool
    has_credentials: bool
    media: str
    """What its SDP says."""
    words: str
    """Reason, Warning or what else explains it."""

    @property
    def is_call_start(self) -> bool:
        """Tell whether it is an INVITE outside a dialog."""
        return self.status is None and self.method == "INVITE" and not self.has_to_tag


def outline(data: bytes, masking: Masking) -> Outline | None:
    """Read a message; None where it is no SIP."""
    head, body = split(data)
    lines = head.split("\n")
    headers = _headers(lines)
    number, _, cseq_method = headers.get("cseq", "").partition(" ")
    status = _STATUS.match(lines[0])
    parts = lines[0].split()
    if status is None and (len(parts) < 3 or not parts[-1].upper().startswith("SIP/")):
        return None
    uri = "" if status else _URI.match(parts[1])
    return Outline(
        sip_call_id=headers.get("call-id", ""),
        method=cseq_method.strip()[:20] if status else parts[0][:20],
        status=int(status[1]) if status else None,
        reason=masking.value((status[2] or "").strip()[:60]) if status else "",
        cseq=number[:10],
        target=masking.value(uri[0]) if uri else "",
        from_user=_user(headers.get("from", ""), masking),
        to_user=_user(headers.get("to", ""), masking),
        has_to_tag=_TAG.search(headers.get("to", "").rpartition(">")[2]) is not None,
        has_credentials="authorization" in headers or "proxy-authorization" in headers,
        media=_media(body, masking) if "sdp" in headers.get("content-type", "").lower() else "",
        words=_words(headers, masking),
    )


def _headers(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        key = name.strip().lower()
        found.setdefault(_SHORT.get(key, key), value.strip())
    return found


def _user(header: str, masking: Masking) -> str:
    match = _USER.search(header)
    if match is None:
        return ""
    whole = f"sip:{(match[1] or match[2] or '').partition(':')[0]}@"
    return masking.value(whole)[4:-1]


def _words(headers: dict[str, str], masking: Masking) -> str:
    """Find who explains why: Reason (RFC 3326), Warning (RFC 3261 §20.43), and what is awaited."""
    found = [
        masking.value(headers[name][:120]) for name in ("reason", "warning") if name in headers
    ]
    if "dtmf" in headers.get("content-type", "").lower():
        found.append("a key")
    if "retry-after" in headers:
        found.append(f"retry after {headers['retry-after'][:20]}")
    return ", ".join(found)


class _Line:
    """One m-line of SDP."""

    def __init__(self, line: str, host: str) -> None:
        parts = line[2:].split()
        self.kind = parts[0] if parts else "?"
        self.port = parts[1].partition("/")[0] if len(parts) > 1 else ""
        self.profile = parts[2].upper() if len(parts) > 2 else ""
        self.formats = parts[3:]
        self.host = host
        self.names: dict[str, str] = {}
        self.direction = ""
        self.has_crypto = False

    def take(self, line: str) -> None:
        if line.startswith("c=IN "):
            self.host = line.rsplit(maxsplit=1)[-1]
        elif match := _RTPMAP.match(line):
            self.names[match[1]] = match[2]
        elif line.lower().startswith("a=crypto:"):
            self.has_crypto = True
        elif line in _QUIET_DIRECTIONS:
            self.direction = _QUIET_DIRECTIONS[line]

    @override
    def __str__(self) -> str:
        if self.port == "0":
            return f"{self.kind} refused"
        codecs = [self._codec(each) for each in self.formats]
        host = f"[{self.host}]" if ":" in self.host else self.host
        said = f"{self.kind} {'/'.join(codecs[:3])}"
        said += "/…" if len(codecs) > 3 else ""
        said += f" → {host}:{self.port}"
        if self.has_crypto or "SAVP" in self.profile:
            said += " srtp"
        return f"{said} {self.direction}".rstrip()

    def _codec(self, payload_type: str) -> str:
        name = self.names.get(payload_type) or _STATIC.get(payload_type, "")
        short = "dtmf" if name.lower() == "telephone-event" else name
        return f"{short} {payload_type}".strip()


def _media(body: str, masking: Masking) -> str:
    host, direction, found = "", "", list[_Line]()
    for line in map(str.strip, body.split("\n")):
        if line.startswith("m="):
            found.append(_Line(line, host))
            found[-1].direction = direction
        elif found:
            found[-1].take(line)
        elif line.startswith("c=IN "):
            host = line.split()[-1]
        elif line in _QUIET_DIRECTIONS:
            direction = _QUIET_DIRECTIONS[line]
    return masking.value(", ".join(map(str, found[:6])))[:300]
