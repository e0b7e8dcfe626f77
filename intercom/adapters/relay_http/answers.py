"""What the answer of a door's relay means: its status, and what its make says in the body."""

import json
import re

from intercom.ports import RelayOutcome, RelayResult
from intercom.routing.directory import HttpAnswer, HttpRelay

UNKNOWN = "it may have opened or not"
_MAX_WORDS = 80
_RES_CODE = re.compile(rb"<ResCode>\s*(-?\d{1,6})\s*</ResCode>")
_RET_MSG = re.compile(rb"<RetMsg>([^<>]{1,200})</RetMsg>")

Verdict = tuple[bool | None, str]
"""Whether it did as it was told (None: it does not say), and its own words."""


def judge(relay: HttpRelay, status: int, body: bytes) -> RelayResult:
    """Say what an answer means."""
    if status != relay.expected_status:
        return _judge_status(relay, status)
    done, words = _READERS[relay.answer](body)
    if done is False:
        return RelayResult(RelayOutcome.FAILED, f"the panel refused to open: {words}")
    if done is None:
        return RelayResult(RelayOutcome.UNKNOWN, f"the panel's answer is not understood: {UNKNOWN}")
    if relay.expected_text.encode() not in body:
        cause = "the relay's answer lacks the expected text"
        return RelayResult(RelayOutcome.UNKNOWN, f"{cause}: {UNKNOWN}")
    return RelayResult(RelayOutcome.SENT)


def _judge_status(relay: HttpRelay, status: int) -> RelayResult:
    if status == 204 and relay.answer is HttpAnswer.RETURNCODE:  # DoorBird: no permission
        return RelayResult(RelayOutcome.FAILED, "the relay does not let our user open it")
    if status in (401, 407):
        cause = "the relay refused our user name or password"
    elif status == 403:
        cause = "the relay does not let our user open it"
    elif status == 404:
        cause = "the relay does not know this address (url in the building file)"
    else:
        cause = f"the relay answered {status}, not {relay.expected_status}"
    if status // 100 in (2, 5):  # it may have pulsed and then failed, or calls success otherwise
        return RelayResult(RelayOutcome.UNKNOWN, f"{cause}: {UNKNOWN}")
    return RelayResult(RelayOutcome.FAILED, cause)


def _status_alone(_: bytes) -> Verdict:
    return True, ""


def _success(body: bytes) -> Verdict:
    """Read 2N's answer; its refusals come with status 200 as well."""
    said = _json_object(body)
    done = said.get("success")
    error = said.get("error")
    words = error.get("description") if isinstance(error, dict) else None
    return (done if isinstance(done, bool) else None), _words(words)


def _retcode(body: bytes) -> Verdict:
    """Read Akuvox's answer; older models say nothing but the status."""
    said = _json_object(body)
    if "retcode" not in said:
        return True, ""
    return said["retcode"] in (0, "0"), _words(said.get("message"))


def _returncode(body: bytes) -> Verdict:
    """Read DoorBird's answer; older models say nothing but the status."""
    said = _json_object(body).get("BHA")
    if not isinstance(said, dict) or "RETURNCODE" not in said:
        return True, ""
    return said["RETURNCODE"] in (1, "1"), _words(f"code {said['RETURNCODE']}")


def _rescode(body: bytes) -> Verdict:
    """Read Grandstream's answer."""
    code, message = _RES_CODE.search(body), _RET_MSG.search(body)
    if code is None:
        return None, ""
    return int(code[1]) == 0, _words(message[1].decode("utf-8", "replace") if message else None)


_READERS = {
    HttpAnswer.STATUS: _status_alone,
    HttpAnswer.SUCCESS: _success,
    HttpAnswer.RETCODE: _retcode,
    HttpAnswer.RETURNCODE: _returncode,
    HttpAnswer.RESCODE: _rescode,
}


def _json_object(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _words(said: object) -> str:
    """Keep a panel's own words short and printable; they stand on a resident's screen."""
    text = said if isinstance(said, str) else ""
    return "".join(filter(str.isprintable, text))[:_MAX_WORDS] or "it does not say why"
