"""SIP messages as an operator may see them: without passwords, keys, codes, tokens and, by default, numbers.

Where secrets may stand, what is let through is a list: of an Authorization header the parameters that say how it
was made, of an INFO body only that it was a key. What cannot be read is not shown.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

HIDDEN = "•••"
# Anybody's messages come here, of up to 64 kB, and the loop waits: no input may make these backtrack.
_STATUS = re.compile(r"SIP/2\.0 ++[1-6][0-9]{2}\b", re.IGNORECASE)
_METHOD = re.compile(r"[A-Z]{1,20}", re.IGNORECASE)
_FOLD = re.compile(r"\n[ \t]+")
_CREDENTIALS = frozenset(
    {
        *("authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"),
        *("authentication-info", "proxy-authentication-info"),
    }
)
_SHOWN_PARAMETERS = frozenset({"realm", "algorithm", "qop", "nc", "stale", "uri", "charset"})
_PARAMETER = re.compile(r'(?<![\w-])([\w-]++)\s*+=\s*+("(?:[^"\\]|\\.)*+"?|[^,\s]*+)')
_SECRET_NAME = re.compile(
    r"auth|token|secret|passw|cookie|key|identity|signature|credential", re.IGNORECASE
)
_HARMLESS = frozenset({"p-asserted-identity", "p-preferred-identity", "key-events"})
_ASSIGNED = re.compile(r"(?<![\w.+-])([\w.+-]++)\s*+=\s*+")
_SECRET_WORD = re.compile(
    r"tok|secret|passw|pwd|key|auth|pin|code(?!c)|prid|pn-param|session-?id|sig", re.IGNORECASE
)
_ASSIGNED_VALUE = re.compile(r"""("[^"]*+"?|'[^']*+'?|[^;,&?>\s"]++)""")
_QUERY = re.compile(r"(?<=[\w\]/)%+*#.-])\?[^\s>\"]*")
_URI_PASSWORD = re.compile(r"(sips?:[^\s:@<>\";]{0,256}+):[^\s@<>\"]{0,256}+@", re.IGNORECASE)
_WEB_USER = re.compile(r"://[^/\s@<>\"]*@")
_URI_NUMBER = re.compile(
    r"(?<=sip:)(?:%2B|\+)?[0-9(][0-9().-]{3,}[0-9](?=[@;])"
    r"|(?<=sips:)(?:%2B|\+)?[0-9(][0-9().-]{3,}[0-9](?=[@;])"
    r"|(?<=tel:)(?:%2B|\+)?[0-9(][0-9().-]*[0-9]",
    re.IGNORECASE,
)
_PLUS_NUMBER = re.compile(r"(?:\+|%2B)[0-9](?:[0-9]|[ ().-](?=[0-9(])){5,18}", re.IGNORECASE)
_PLAIN_NUMBER = re.compile(r"(?<![\w.:=+•-])[0-9](?:[0-9]|[ -](?=[0-9])){6,16}(?![\w.:])")
_STRUCTURE = frozenset(
    {
        *("via", "v", "call-id", "i", "cseq", "content-length", "l", "max-forwards", "expires"),
        *("session-expires", "x", "min-se", "min-expires", "rseq", "rack", "date", "timestamp"),
        *("retry-after", "content-type", "c", "user-agent", "server", "allow", "supported", "k"),
    }
)
_CRYPTO = re.compile(r"(a=crypto:\s*[0-9]+ +[\w-]+)", re.IGNORECASE)
_SECRET_LINE = re.compile(r"(a=(?:key-mgmt|ice-pwd|ice-ufrag|zrtp[\w-]*)|k)[:=].*", re.IGNORECASE)
_SDP_LINE = re.compile(r"[a-z]=.*")
_SDP_NUMBERS = re.compile(r"[ipuse]=")
"""Lines of SDP that may hold a number of a person."""
_KEY_LINE = re.compile(r"\s*(signal|duration)\s*[=:]\s*(\S*)", re.IGNORECASE)


class Masked(NamedTuple):
    """A message that may be shown."""

    head: tuple[str, ...]
    """The start line and the headers, unfolded."""
    body: tuple[str, ...]

    def text(self) -> str:
        """Give the whole."""
        return "\r\n".join((*self.head, "", *self.body))


class Masking:
    """How much is masked: numbers, too, unless they are asked for."""

    def __init__(self, *, shows_numbers: bool = False) -> None:
        self._shows_numbers = shows_numbers

    def message(self, data: bytes) -> Masked:
        """Mask a whole message."""
        head, body = split(data)
        lines = head.split("\n")
        if not _is_start(lines[0]):
            return Masked((f"unreadable, {len(data)} bytes",), ())
        headers = [self._header(line) for line in lines[1:]]
        return Masked((self.value(lines[0]), *headers), self._body(lines, body))

    def value(self, text: str) -> str:
        """Mask the value of a header, a start line or a URI."""
        text = _URI_PASSWORD.sub(rf"\1:{HIDDEN}@", text)
        text = _WEB_USER.sub(f"://{HIDDEN}@", text)
        text = _QUERY.sub(f"?{HIDDEN}", text)
        text = _mask_parameters(text)
        return text if self._shows_numbers else mask_numbers(text, is_free=True)

    def _header(self, line: str) -> str:
        name, colon, value = line.partition(":")
        if not colon:
            return f"[a line of {len(line)} characters that is no header]"
        key = name.strip().lower()
        if key in _CREDENTIALS:
            return f"{name}: {self._credentials(value)}"
        if key in ("y", "identity") or (key not in _HARMLESS and _SECRET_NAME.search(key)):
            return f"{name}: {HIDDEN}"
        if key in _STRUCTURE:
            text = _mask_parameters(value)
            is_plain = self._shows_numbers
            return f"{name}:{text if is_plain else mask_numbers(text, is_free=False)}"
        return f"{name}:{self.value(value)}"

    def _credentials(self, value: str) -> str:
        """Show how somebody logs in, and nothing that helps to do it."""
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() == "digest":
            value = rest
        elif "=" not in scheme:  # Basic, Bearer and whatever else comes
            return f"{scheme if scheme.isalpha() and rest else ''} {HIDDEN}".strip()
        else:
            scheme = ""
        shown = []
        for name, given in _PARAMETER.findall(value):
            key = name.lower()
            if key in _SHOWN_PARAMETERS:
                shown.append(f"{name}={given if key == 'nc' else self.value(given)}")
            elif key == "username":
                shown.append(f"{name}={part_of(given)}")
            else:
                shown.append(f"{name}={HIDDEN}")
        return f"{scheme} {', '.join(shown)}".strip()

    def _body(self, head: list[str], body: str) -> tuple[str, ...]:
        if not body:
            return ()
        kind = _header_of(head, ("content-type", "c")).lower()
        lines = re.split(r"\r\n|\r|\n", body)
        if kind.startswith("application/sdp"):
            return tuple(self._sdp(line) for line in lines if line)
        if kind.startswith("multipart/"):
            return tuple(self._sdp(line) for line in lines if _SDP_LINE.fullmatch(line))
        if "dtmf" in kind:
            return _keys(lines)
        return (f"[{len(body)} characters that may hold a code: not shown]",)

    def _sdp(self, line: str) -> str:
        if line[:8].lower() == "a=crypto":
            match = _CRYPTO.match(line)
            return f"{match[1] if match else 'a=crypto:'} inline:{HIDDEN}"
        secret = _SECRET_LINE.match(line)
        if secret:
            return f"{secret[1]}:{HIDDEN}"
        if not _SDP_LINE.fullmatch(line):
            return f"[a line of {len(line)} characters that is no SDP]"
        if _SDP_NUMBERS.match(line):
            return self.value(line)
        return _mask_parameters(line)


def _is_start(line: str) -> bool:
    parts = line.split()
    is_request = len(parts) >= 3 and parts[-1].upper() == "SIP/2.0" and line[-1] == "0"
    return bool(_STATUS.match(line) or (is_request and _METHOD.fullmatch(parts[0])))


def _mask_parameters(text: str) -> str:
    """Hide the values of parameters whose names sound like secrets."""
    if "=" not in text:
        return text
    parts, position = [], 0
    for match in _ASSIGNED.finditer(text):
        if match.start() < position or not _SECRET_WORD.search(match[1]):
            continue
        value = _ASSIGNED_VALUE.match(text, match.end())
        if value is not None:
            parts.append(f"{text[position : match.end(1)]}={HIDDEN}")
            position = value.end()
    return "".join([*parts, text[position:]])


def split(data: bytes) -> tuple[str, str]:
    """Split a message into its head, unfolded with LF between lines, and its body."""
    text = data.decode("utf-8", "replace").lstrip("\r\n")
    ends = [end for end in (text.find("\r\n\r\n"), text.find("\n\n")) if end >= 0]
    end = min(ends, default=len(text))
    gap = 4 if text.startswith("\r\n\r\n", end) else 2
    head = text[:end].replace("\r\n", "\n").replace("\r", "\n")
    return _FOLD.sub(" ", head).rstrip("\n"), text[end + gap :]


def mask_numbers(text: str, *, is_free: bool) -> str:
    """Mask telephone numbers; without a plus only in free text and as a URI's user."""
    text = _PLUS_NUMBER.sub(_number, text)
    text = _URI_NUMBER.sub(_number, text)
    return _PLAIN_NUMBER.sub(_number, text) if is_free else text


def part_of(name: str) -> str:
    """Show the beginning of a user name, enough to tell two panels apart."""
    plain = name.strip('"')
    return f'"{plain[: min(3, len(plain) // 2)]}{HIDDEN}"'


def mask_number(number: str) -> str:
    """Write a number as +47•••••953."""
    number = re.sub("%2B", "+", number, flags=re.IGNORECASE)
    first = 3 if number[0] == "+" else 0
    last = 3 if len(number) >= 7 else 1
    return number[:first] + "•" * (len(number) - first - last) + number[-last:]


_number: Callable[[re.Match[str]], str] = lambda match: mask_number(match[0])  # noqa: E731


def _keys(lines: list[str]) -> tuple[str, ...]:
    """Say that a key was pressed, and for how long; never which."""
    shown = []
    for line in filter(str.strip, lines):
        match = _KEY_LINE.match(line)
        is_length = match is not None and match[1].lower() == "duration" and match[2].isdigit()
        name = match[1] if match else "Signal"
        shown.append(f"{name}={match[2] if match and is_length else HIDDEN}")
    return tuple(shown)


def _header_of(lines: list[str], names: tuple[str, ...]) -> str:
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.strip().lower() in names:
            return value.strip()
    return ""
