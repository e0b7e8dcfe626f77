"""Digest authentication (RFC 7616, RFC 8760), both sides.

A nonce of ours tells by itself when it was made, for which algorithm and for which host: time, chance and
the algorithm's place, sealed by a keyed hash that knows the host, too. So the server keeps nothing about challenges,
and who answers one has received it: a forged source address cannot.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from hmac import compare_digest

from intercom.errors import RemoteProtocolError
from intercom.sip.headers import parse_auth, quoted
from intercom.sip.uri import Uri, parse_uri

NONCE_LIFETIME_S = 300
MAX_COUNTED_NONCES = 10_000
MAX_REALMS = 4
"""Of one peer: a proxy or two may challenge as well, and each answer makes requests longer."""
BOTH = ("SHA-256", "MD5")
"""The algorithms of a server's challenges; the preferred one on top (RFC 8760 §2.4)."""
MD5_ALONE = ("MD5",)
"""For peers that give up when SHA-256 is among the challenges, wherever it stands."""
AUTH_INT = "auth-int"
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")
_HASHES = {"MD5": "md5", "MD5-SESS": "md5", "SHA-256": "sha256", "SHA-256-SESS": "sha256"}
_NAMES = {
    "MD5": "MD5",
    "MD5-SESS": "MD5-sess",
    "SHA-256": "SHA-256",
    "SHA-256-SESS": "SHA-256-sess",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What we prove ourselves with."""

    username: str
    password: str = field(repr=False)


def _hash(algorithm: str, text: str) -> str:
    return _hash_bytes(algorithm, text.encode())


def _hash_bytes(algorithm: str, data: bytes) -> str:
    """Hash by the named function: `hashlib.new` takes twice as long."""
    if _HASHES[algorithm] == "md5":
        return hashlib.md5(data, usedforsecurity=False).hexdigest()
    return hashlib.sha256(data, usedforsecurity=False).hexdigest()


def digest_response(
    credentials: Credentials,
    method: str,
    params: dict[str, str],
    body: bytes = b"",
) -> str:
    """Compute the response for `params`: realm, nonce, uri, algorithm and, with qop, cnonce and nc.

    `body` counts with qop=auth-int alone (RFC 7616 §3.4.3).
    """
    algorithm = params.get("algorithm", "MD5").upper()
    nonce, cnonce = params["nonce"], params.get("cnonce", "")
    secret = _hash(algorithm, f"{credentials.username}:{params['realm']}:{credentials.password}")
    if algorithm.endswith("-SESS"):
        secret = _hash(algorithm, f"{secret}:{nonce}:{cnonce}")
    qop = params.get("qop", "").lower()
    target = f"{method}:{params['uri']}"
    if qop == AUTH_INT:
        target += ":" + _hash_bytes(algorithm, body)
    request = _hash(algorithm, target)
    if qop:
        return _hash(algorithm, f"{secret}:{nonce}:{params['nc']}:{cnonce}:{qop}:{request}")
    return _hash(algorithm, f"{secret}:{nonce}:{request}")


class DigestClient:
    """Our answers to one peer's challenges; a challenge that was answered serves later requests."""

    def __init__(self, credentials: Credentials, token: Callable[[int], str]) -> None:
        self._credentials = credentials
        self._token = token
        self._challenges: dict[tuple[str, str], dict[str, str]] = {}
        """Of the last challenge by header and realm, the oldest first: its parameters and our count."""

    def learn(self, header: str, values: list[str]) -> tuple[str, bool] | None:
        """Take over a challenge that we can answer; return its realm and whether it is stale.

        It is the strongest of the first realm: RFC 8760 §2.4 has the topmost unless a local policy
        says otherwise, and peers with MD5-only clients put MD5 on top. `header` is the one to
        answer with: Authorization or Proxy-Authorization.
        """
        found = [params for params in map(_challenge_in, values) if params is not None]
        if not found:
            return None
        params = max((each for each in found if each["realm"] == found[0]["realm"]), key=_strength)
        params["_count"] = "0"
        self._challenges.pop((header, params["realm"]), None)
        self._challenges[header, params["realm"]] = params
        if len(self._challenges) > MAX_REALMS:
            del self._challenges[next(iter(self._challenges))]
        return params["realm"], params.get("stale", "").lower() == "true"

    def authorize(self, method: str, uri: str, body: bytes = b"") -> tuple[tuple[str, str], ...]:
        """Write the headers that answer all challenges learnt so far."""
        return tuple(
            (header, self._answer(challenge, method, uri, body))
            for (header, _), challenge in self._challenges.items()
        )

    def _answer(self, challenge: dict[str, str], method: str, uri: str, body: bytes) -> str:
        count = int(challenge["_count"]) + 1
        challenge["_count"] = str(count)
        params = {"realm": challenge["realm"], "nonce": challenge["nonce"], "uri": uri}
        if "algorithm" in challenge:
            params["algorithm"] = _NAMES[challenge["algorithm"].upper()]
        if "qop" in challenge:
            qop = "auth" if "auth" in _words(challenge["qop"]) else AUTH_INT
            params |= {"qop": qop, "nc": f"{count:08x}", "cnonce": self._token(16)}
        elif params.get("algorithm", "").endswith("-sess"):
            params["cnonce"] = self._token(16)
        params["response"] = digest_response(self._credentials, method, params, body)
        if "opaque" in challenge:
            params["opaque"] = challenge["opaque"]
        params = {"username": self._credentials.username} | params
        bare = {"algorithm", "qop", "nc"}
        words = (f"{key}={text if key in bare else quoted(text)}" for key, text in params.items())
        return "Digest " + ", ".join(words)


def _challenge_in(value: str) -> dict[str, str] | None:
    """Read a challenge that we can answer."""
    try:
        scheme, params = parse_auth(value)
    except RemoteProtocolError:
        return None
    return params if scheme == "digest" and _is_answerable(params) else None


def _strength(params: dict[str, str]) -> tuple[bool, bool]:
    """Rank a challenge: the better hash first, then the one that leaves the body alone."""
    is_sha_256 = params.get("algorithm", "MD5").upper().startswith("SHA-256")
    return is_sha_256, "auth" in _words(params.get("qop", "auth"))


def _words(qop: str) -> set[str]:
    return {word.strip().lower() for word in qop.split(",")}


def _is_answerable(params: dict[str, str]) -> bool:
    is_known = params.get("algorithm", "MD5").upper() in _HASHES
    has_qop = bool({"auth", AUTH_INT} & _words(params.get("qop", "auth")))
    return is_known and has_qop and "realm" in params and "nonce" in params


class Verdict(Enum):
    """What a request's credentials are worth."""

    ACCEPTED = "accepted"
    MISSING = "missing"
    """None for us, or of a scheme that is not ours."""
    STALE = "stale"
    """The nonce is old, foreign or another host's, or its count was used before.

    The password was not looked at, so that nobody can try one without its being counted.
    """
    WRONG = "wrong"
    """With a nonce that was sent to this very host: it is its own fault, and nobody else's."""


class DigestServer:
    """Challenges and checks; remembers counts only of nonces that a right password came with."""

    def __init__(
        self,
        realm: str,
        password_of: Callable[[str], str | None],
        token: Callable[[int], str],
        *,
        is_md5_only: bool = False,
        algorithms: tuple[str, ...] = BOTH,
    ) -> None:
        """Challenge with `algorithms`; `is_md5_only` is RFC 2069: MD5 without qop."""
        self._realm = realm
        self._password_of = password_of
        self._token = token
        self._key = token(64).encode()[:32]
        self._decoy = token(16)
        """What an unknown user's response is compared with."""
        self._is_legacy = is_md5_only
        self._algorithms = MD5_ALONE if is_md5_only else algorithms
        self._places = {name.upper(): f"{n:x}" for n, name in enumerate(self._algorithms)}
        self._counts: OrderedDict[str, int] = OrderedDict()
        """Highest nc seen by nonce, the one that was used longest ago first."""

    def challenges(self, now: float, host: str = "", *, is_stale: bool = False) -> list[str]:
        """Write one challenge for each algorithm, the preferred one first (RFC 8760 §2.4)."""
        qop = "" if self._is_legacy else ', qop="auth"'
        stale = ", stale=true" if is_stale else ""
        return [
            f'Digest realm="{self._realm}", nonce="{self._nonce(algorithm, host, now)}"'
            f"{qop}, algorithm={_NAMES[algorithm.upper()]}{stale}"
            for algorithm in self._algorithms
        ]

    def check(
        self,
        values: list[str],
        method: str,
        uri: str,
        now: float,
        *,
        host: str = "",
        body: bytes = b"",
    ) -> tuple[Verdict, str]:
        """Check Authorization values; return the verdict and, if accepted or wrong, the username.

        An unknown user is checked against a password too, so that answer and time are the same.
        """
        params = self._find(values)
        if params is None:
            return Verdict.MISSING, ""
        if not self._is_fresh(params, host, now):
            return Verdict.STALE, ""
        username = params["username"]
        password = self._password_of(username)
        credentials = Credentials(username, self._decoy if password is None else password)
        expected = digest_response(credentials, method, params, body)
        is_right = compare_digest(expected.encode(), params["response"].lower().encode())
        if not is_right or password is None or not _is_same_target(params["uri"], uri):
            return Verdict.WRONG, username
        self._use(params)
        return Verdict.ACCEPTED, username

    def is_nonce_fresh(self, nonce: str, host: str, now: float) -> bool:
        """Tell whether a nonce is ours, was sent to that host, and is young."""
        try:
            made_at = int(nonce[:8], 16)
        except ValueError:
            return False
        sealed = self._sealed(nonce[:16], host)
        is_ours = compare_digest(sealed.encode(), nonce.encode())
        return is_ours and -1 <= now - made_at <= NONCE_LIFETIME_S

    def _find(self, values: list[str]) -> dict[str, str] | None:
        """Find the credentials for our realm that answer a challenge of ours."""
        for value in values:
            try:
                scheme, params = parse_auth(value)
            except RemoteProtocolError:
                continue
            if scheme == "digest" and self._answers_us(params):
                return params
        return None

    def _answers_us(self, params: dict[str, str]) -> bool:
        algorithm = params.setdefault("algorithm", "MD5").upper()
        needed = {"username", "realm", "nonce", "uri", "response"}
        if not self._is_legacy or "qop" in params:
            needed |= {"qop", "nc", "cnonce"}
        if algorithm.endswith("-SESS"):
            needed |= {"cnonce"}
        return (
            needed <= params.keys()
            and params["realm"] == self._realm
            and algorithm in self._places
            and params.get("qop", "auth").lower() in {"auth", AUTH_INT}
        )

    def _nonce(self, algorithm: str, host: str, now: float) -> str:
        place = self._places[algorithm.upper()]
        return self._sealed(f"{int(now) & 0xFFFFFFFF:08x}{self._token(7)}{place}", host)

    def _sealed(self, stem: str, host: str) -> str:
        seal = hashlib.blake2s(f"{stem}{host}".encode(), key=self._key, digest_size=8)
        return stem + seal.hexdigest()

    def _is_fresh(self, params: dict[str, str], host: str, now: float) -> bool:
        """Tell whether the nonce is fresh, for this algorithm, and its count never used."""
        nonce = params["nonce"]
        is_for_it = nonce[15:16] == self._places[params["algorithm"].upper()]
        if not is_for_it or not self.is_nonce_fresh(nonce, host, now):
            return False
        return "qop" not in params or _count_of(params) > self._counts.get(nonce, 0)

    def _use(self, params: dict[str, str]) -> None:
        """Remember a count, so that it never comes again."""
        if "qop" not in params:
            return
        nonce = params["nonce"]
        self._counts[nonce] = _count_of(params)
        self._counts.move_to_end(nonce)
        if len(self._counts) > MAX_COUNTED_NONCES:
            self._counts.popitem(last=False)


def _count_of(params: dict[str, str]) -> int:
    """Read the nonce count; 0, which none is below, when it cannot be read."""
    text = params["nc"]
    return int(text, 16) if len(text) <= 8 and _HEX_DIGITS.issuperset(text) and text else 0


def _is_same_target(digest_uri: str, request_uri: str) -> bool:
    """Compare the digest's uri with the Request-URI; phones leave out ports and parameters."""
    try:
        return _target(parse_uri(digest_uri)) == _target(parse_uri(request_uri))
    except RemoteProtocolError:
        return digest_uri == request_uri


def _target(uri: Uri) -> tuple[str, str]:
    return uri.user, uri.host
