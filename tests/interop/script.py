"""Write sipp's scenarios out of steps, where a file of its own would repeat a page for one line.

phone = Script("phone_forks", *INVITED, reply(183, tag="a", body=SDP), reply(200), wait("ACK"), …)
async with Sipp(phone.write(tmp_path), folder=tmp_path) as stranger: ...

A panel (UAC) says [caller] and [service]; a phone (UAS) keeps what the INVITE brought in variables.
"""

from dataclasses import dataclass
from pathlib import Path

SDP = """v=0
o=sipp 1 {version} IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a={direction}"""
KEY_5 = "Signal=5\nDuration=160"
TAG = "[pid]sipp[call_number]"
SECOND_TAG = f"{TAG}b"
CONTACT = "[local_ip]:[local_port];transport=[transport]"
VIA = "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport"


@dataclass(frozen=True, slots=True)
class Script:
    """One scenario."""

    name: str
    steps: tuple[str, ...]

    def write(self, folder: Path) -> Path:
        """Write it where sipp reads it."""
        file = folder / f"{self.name}.xml"
        head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
        steps = "\n".join(self.steps)
        unused = [each for each in ("vias", "cseq", "caller", "callee") if f'"{each}"' in steps]
        used = f'<Reference variables="{",".join(unused)}"/>\n' if unused else ""
        file.write_text(f'{head}<scenario name="{self.name}">\n{steps}\n{used}</scenario>\n')
        return file


def sdp(direction: str = "sendrecv", version: int = 1) -> str:
    """Describe sipp's sound."""
    return SDP.format(direction=direction, version=version)


# -- what both ends do -----------------------------------------------------------------------------


def pause(seconds: float) -> str:
    return f'<pause milliseconds="{round(seconds * 1000)}"/>'


def wait(method: str, **attributes: str) -> str:
    """Wait for a request."""
    return f'<recv request="{method}"{_written(attributes)}/>'


def hear(status: int, **attributes: str) -> str:
    """Wait for a response; `route="yes"` takes the route set from it."""
    if attributes.pop("route", ""):
        attributes["rrs"] = "true"
    return f'<recv response="{status}"{_written(attributes)}/>'


def perhaps(*statuses: int) -> str:
    """Let these come before the next that is waited for."""
    return "\n".join(hear(status, optional="true") for status in statuses)


def confirm(body: str = "", headers: str = "") -> str:
    """Answer the request that came last, in a dialog, with 200."""
    return reply(200, body=body, headers=headers, is_last=True)


def press_5(cseq: int = 10) -> str:
    """Press 5 by SIP INFO, as a phone."""
    info = "Content-Type: application/dtmf-relay"
    return from_phone("INFO", cseq, headers=info, body=KEY_5) + "\n" + hear(200)


# -- a phone ---------------------------------------------------------------------------------------

INVITED = (
    """<recv request="INVITE" rrs="true">
    <action>
      <ereg regexp="Via:.*From:" search_in="msg" assign_to="vias"/>
      <ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/>
      <ereg regexp=".*" search_in="hdr" header="From:" assign_to="caller"/>
      <ereg regexp=".*" search_in="hdr" header="To:" assign_to="callee"/>
    </action>
  </recv>""",
)


def reply(
    status: int,
    *,
    tag: str = TAG,
    body: str = "",
    headers: str = "",
    is_last: bool = False,
    is_repeated: bool | None = None,
) -> str:
    """Answer the INVITE, or with `is_last` the request that came last; its To has its tag then."""
    lines = [
        f"SIP/2.0 {status} As written",
        "[last_Via:]",
        "[last_From:]",
        "[last_To:]" if is_last else f"[last_To:];tag={tag}",
        "Call-ID: [call_id]",
        "[last_CSeq:]",
        "[last_Record-Route:]",
        f"Contact: <sip:phone@{CONTACT}>",
    ]
    repeats = status >= 200 and not is_last if is_repeated is None else is_repeated
    return _sent(lines, headers, body, is_repeated=repeats)


def reply_late(status: int, *, tag: str = TAG, body: str = "", headers: str = "") -> str:
    """Answer the INVITE though another request has come since."""
    lines = [
        f"SIP/2.0 {status} As written",
        "[$vias][$caller]",
        f"To:[$callee];tag={tag}",
        "Call-ID: [call_id]",
        "CSeq:[$cseq]",
        f"Contact: <sip:phone@{CONTACT}>",
    ]
    return _sent(lines, headers, body, is_repeated=status >= 200)


def from_phone(method: str, cseq: int, *, tag: str = TAG, headers: str = "", body: str = "") -> str:
    """Send a request in the dialog that the INVITE began."""
    lines = [
        f"{method} [next_url] SIP/2.0",
        VIA.format(branch="[branch]"),
        "Max-Forwards: 70",
        "[routes]",
        f"From:[$callee];tag={tag}",
        "To:[$caller]",
        "Call-ID: [call_id]",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:phone@{CONTACT}>",
    ]
    return _sent(lines, headers, body, is_repeated=method != "ACK")


# -- a panel ---------------------------------------------------------------------------------------


def invite(
    cseq: int = 1, *, headers: str = "", body: str | None = None, branch: str = "[branch]"
) -> str:
    """Press the button: [service] is called by [caller]."""
    lines = [
        "INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0",
        *_opening("INVITE", cseq, branch),
        f"Contact: <sip:[caller]@{CONTACT}>",
    ]
    return _sent(lines, headers, sdp() if body is None else body, is_repeated=True)


def of_invite(method: str, cseq: int = 1, *, branch: str = "[branch]") -> str:
    """Send CANCEL for the INVITE, or ACK for what refused it; both have its branch."""
    lines = [f"{method} sip:[service]@[remote_ip]:[remote_port] SIP/2.0"]
    if method == "ACK":
        lines += ["[last_Via:]", "Max-Forwards: 70", "[last_From:]", "[last_To:]"]
        lines += ["Call-ID: [call_id]", f"CSeq: {cseq} ACK"]
    else:
        lines += _opening(method, cseq, branch)
    return _sent(lines, "", "", is_repeated=method != "ACK")


def from_panel(method: str, cseq: int, *, headers: str = "", body: str = "") -> str:
    """Send a request in the dialog; what came last was a response in it."""
    lines = [
        f"{method} [next_url] SIP/2.0",
        VIA.format(branch="[branch]"),
        "Max-Forwards: 70",
        "[routes]",
        "[last_From:]",
        "[last_To:]",
        "Call-ID: [call_id]",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:[caller]@{CONTACT}>",
    ]
    return _sent(lines, headers, body, is_repeated=method != "ACK")


def challenged(cseq: int = 1, status: int = 401) -> tuple[str, ...]:
    """Be challenged, and call again with the digest."""
    again = invite(cseq + 1, headers="[authentication]")
    return perhaps(100), hear(status, auth="true"), of_invite("ACK", cseq), again


def _opening(method: str, cseq: int, branch: str) -> list[str]:
    return [
        VIA.format(branch=branch),
        "Max-Forwards: 70",
        f'From: "Stranger" <sip:[caller]@[remote_ip]>;tag={TAG}',
        "To: <sip:[service]@[remote_ip]>",
        "Call-ID: [call_id]",
        f"CSeq: {cseq} {method}",
    ]


def _sent(lines: list[str], headers: str, body: str, *, is_repeated: bool) -> str:
    kind = ["Content-Type: application/sdp"] if body.startswith("v=0") else []
    further = headers.splitlines() if headers else []
    text = "\n".join([*lines, *further, *kind, "Content-Length: [len]", "", body])
    repeats = ' retrans="500"' if is_repeated else ""
    return f"<send{repeats}><![CDATA[\n{text}\n]]></send>"


def _written(attributes: dict[str, str]) -> str:
    return "".join(f' {name}="{value}"' for name, value in attributes.items())
