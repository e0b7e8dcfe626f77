"""Digest authentication (RFC 7616, RFC 8760), both sides; nonces are made of time and a keyed hash."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from hmac import compare_digest

from intercom.errors import RemoteProtocolError
from intercom.sip.headers import parse_auth, quoted
from intercom.sip.uri import Uri, parse_uri

NONCE_LIFETIME_S = 300
MAX_COUNTED_NONCES = 10_000
BOTH = ("SHA-256", "MD5")
"""The algorithms of a server's challenges; the preferred one on top (RFC 8760 §2.4)."""
MD5_ALONE = ("MD5",)
"""For peers that give up when SHA-256 is among the challenges, wherever it stands."""
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
    return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def digest_response(
    credentials: Credentials,
    method: str,
    params: dict[str, str],
) -> str:
    """Compute the response for `params`: realm, nonce, uri, algorithm and, with qop, cnonce and nc."""
    algorithm = params.get("algorithm", "MD5").upper()
    nonce, cnonce = params["nonce"], params.get("cnonce", "")
    secret = _hash(algorithm, f"{credentials.username}:{params['realm']}:{credentials.password}")
    if algorithm.endswith("-SESS"):
        secret = _hash(algorithm, f"{secret}:{nonce}:{cnonce}")
    request = _hash(algorithm, f"{method}:{params['uri']}")
    if "qop" in params:
        return _hash(algorithm, f"{secret}:{nonce}:{params['nc']}:{cnonce}:auth:{request}")
    return _hash(algorithm, f"{secret}:{nonce}:{request}")


class DigestClient:
    """Our answers to one peer's challenges; a challenge that was answered serves later requests."""

    def __init__(self, credentials: Credentials, token: Callable[[int], str]) -> None:
        self._credentials = credentials
        self._token = token
        self._challenges: dict[tuple[str, str], dict[str, str]] = {}
        """Of the last challenge by header and realm: its parameters and our count."""

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
        self._challenges[header, params["realm"]] = params
        return params["realm"], params.get("stale", "").lower() == "true"

    def authorize(self, method: str, uri: str) -> tuple[tuple[str, str], ...]:
        """Write the headers that answer all challenges learnt so far."""
        return tuple(
            (header, self._answer(challenge, method, uri))
            for (header, _), challenge in self._challenges.items()
        )

    def _answer(self, challenge: dict[str, str], method: str, uri: str) -> str:
        count = int(challenge["_count"]) + 1
        challenge["_count"] = str(count)
        params = {"realm": challenge["realm"], "nonce": challenge["nonce"], "uri": uri}
        if "algorithm" in challenge:
            params["algorithm"] = _NAMES[challenge["algorithm"].upper()]
        if "qop" in challenge:
            params |= {"qop": "auth", "nc": f"{count:08x}", "cnonce": self._token(16)}
        elif params.get("algorithm", "").endswith("-sess"):
            params["cnonce"] = self._token(16)
        params["response"] = digest_response(self._credentials, method, params)
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


def _strength(params: dict[str, str]) -> bool:
    return params.get("algorithm", "MD5").upper().startswith("SHA-256")


def _is_answerable(params: dict[str, str]) -> bool:
    qops = {word.strip().lower() for word in params.get("qop", "auth").split(",")}
    is_known = params.get("algorithm", "MD5").upper() in _HASHES
    return is_known and "auth" in qops and "realm" in params and "nonce" in params


class Verdict(Enum):
    """What a request's credentials are worth."""

    ACCEPTED = "accepted"
    MISSING = "missing"
    """None for us, or of a scheme that is not ours."""
    STALE = "stale"
    """Right, but the nonce is old or its count was used before."""
    WRONG = "wrong"


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
        self._key = token(64).encode()[:64]
        self._is_legacy = is_md5_only
        self._algorithms = MD5_ALONE if is_md5_only else algorithms
        self._counts: dict[str, int] = {}
        """Highest nc seen by nonce, oldest nonce first."""

    def challenges(self, now: float, *, is_stale: bool = False) -> list[str]:
        """Write one challenge for each algorithm, the preferred one first (RFC 8760 §2.4)."""
        qop = "" if self._is_legacy else ', qop="auth"'
        stale = ", stale=true" if is_stale else ""
        return [
            f'Digest realm="{self._realm}", nonce="{self._nonce(algorithm, now)}"'
            f"{qop}, algorithm={algorithm}{stale}"
            for algorithm in self._algorithms
        ]

    def check(self, values: list[str], method: str, uri: str, now: float) -> tuple[Verdict, str]:
        """Check Authorization values; return the verdict and, once accepted, the username.

        An unknown user is checked against a password too, so that answer and time are the same.
        """
        params = self._find(values)
        if params is None:
            return Verdict.MISSING, ""
        username = params["username"]
        password = self._password_of(username)
        credentials = Credentials(username, self._token(16) if password is None else password)
        expected = digest_response(credentials, method, params)
        is_right = compare_digest(expected.encode(), params["response"].lower().encode())
        if not is_right or password is None or not _is_same_target(params["uri"], uri):
            return Verdict.WRONG, ""
        if not self._is_fresh(params, now):
            return Verdict.STALE, ""
        return Verdict.ACCEPTED, username

    def _find(self, values: list[str]) -> dict[str, str] | None:
        """Find the credentials for our realm that answer a challenge of ours."""
        needed = {"username", "realm", "nonce", "uri", "response"}
        if not self._is_legacy:
            needed |= {"qop", "nc", "cnonce"}
        for value in values:
            try:
                scheme, params = parse_auth(value)
            except RemoteProtocolError:
                continue
            algorithm = params.setdefault("algorithm", "MD5").upper()
            if (
                scheme == "digest"
                and needed <= params.keys()
                and params["realm"] == self._realm
                and algorithm in self._algorithms
                and params.get("qop", "auth").lower() == "auth"
                and ("qop" not in params or {"nc", "cnonce"} <= params.keys())
            ):
                return params
        return None

    def _nonce(self, algorithm: str, now: float) -> str:
        return self._sealed(f"{int(now):08x}{self._token(8)}", algorithm)

    def _sealed(self, stem: str, algorithm: str) -> str:
        seal = hashlib.blake2s(f"{stem}{algorithm}".encode(), key=self._key[:32], digest_size=8)
        return stem + seal.hexdigest()

    def _is_fresh(self, params: dict[str, str], now: float) -> bool:
        """Tell whether the nonce is ours, for this algorithm, young, and its count never used."""
        nonce = params["nonce"]
        try:
            made_at = int(nonce[:8], 16)
            count = int(params.get("nc", "0")[:8], 16)
        except ValueError:
            return False
        sealed = self._sealed(nonce[:16], params["algorithm"].upper())
        is_ours = compare_digest(sealed.encode(), nonce.encode())
        if not is_ours or not -1 <= now - made_at <= NONCE_LIFETIME_S:
            return False
        if "qop" not in params:
            return True
        if count <= self._counts.get(nonce, 0):
            return False
        self._counts[nonce] = count
        if len(self._counts) > MAX_COUNTED_NONCES:
            del self._counts[next(iter(self._counts))]
        return True


def _is_same_target(digest_uri: str, request_uri: str) -> bool:
    """Compare the digest's uri with the Request-URI; phones leave out ports and parameters."""
    try:
        return _target(parse_uri(digest_uri)) == _target(parse_uri(request_uri))
    except RemoteProtocolError:
        return digest_uri == request_uri


def _target(uri: Uri) -> tuple[str, str]:
    return uri.user, uri.host
