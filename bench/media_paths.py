"""The ways that a call's sound and picture go, set up through the router or through rtpengine, and their load."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import rtpengine
from media_app import (
    HOST,
    App,
    answer_sdp,
    plain_sdp,
    port_of,
    rtcp_port_of,
)
from media_load import (
    GOP_S,
    Plan,
    audio_script,
    picture_script,
    sender_report,
    wait_until_quiet,
)
from sipp import cpu_s, end, on_core, resident_bytes

PACKET_S = 0.02
RTCP_REPEAT_S, CHECK_REPEAT_S = 5.0, 2.5
TO_FAR, TO_PANEL, PICTURE = range(3)
CLASS_NAMES = ("sound to the resident", "sound to the panel", "picture")
VOICE = bytes(range(160))
MOST_VOICES = 50
START_LINE_BYTES = 1 << 26
PANEL_SSRC, PHONE_SSRC, VIDEO_SSRC = 0x10000000, 0x20000000, 0x30000000


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of call."""

    name: str
    words: str
    aim_calls: int
    turn_calls: int = 100
    """How many make the fixed load."""
    apps: int = 0
    """Devices; none: the far end is a phone."""
    has_video: bool = False
    is_whole: bool = True
    """As shipped: with the ears for keys and tones in the sound, where the far end is a phone."""
    is_opus: bool = False
    """What the panel speaks; everybody else speaks G.711."""
    has_rtpengine: bool = False
    frames: tuple[bytes, ...] = (VOICE,)
    """What is said, 20 ms each."""
    far_frames: tuple[bytes, ...] = (VOICE,)
    is_stamped: bool = False
    """Whether the sound comes out byte for byte, so that a number in it tells the packets."""


@dataclass(slots=True)
class Opened:
    """One call that is up, as its far ends see it."""

    panel: tuple[int, int]
    """Where the panel sends its sound, and its RTCP."""
    panel_video: int | None
    ssrc_to_panel: int
    phone: tuple[int, int] | None = None
    ssrc_to_phone: int = 0
    apps: list[App] = field(default_factory=list)
    picture_apps: list[App] = field(default_factory=list)
    ssrc_to_app: list[int] = field(default_factory=list)
    video_ssrc_to_app: list[int | None] = field(default_factory=list)


class Far:
    """The sockets that all panels and all phones share; a relay knows its calls by its own ports."""

    def __init__(self) -> None:
        self.panel, self.panel_rtcp, self.panel_video, self.phone, self.phone_rtcp = (
            self._open() for _ in range(5)
        )

    def panel_sdp(self, *, has_video: bool, is_opus: bool = False) -> str:
        """Write what each panel offers."""
        video = self.panel_video.getsockname() if has_video else None
        return plain_sdp(
            self.panel.getsockname(), self.panel_rtcp.getsockname(), video, is_opus=is_opus
        )

    def phone_sdp(self) -> str:
        """Write what each phone says."""
        return plain_sdp(self.phone.getsockname(), self.phone_rtcp.getsockname())

    def close(self) -> None:
        """Free them."""
        for one in (self.panel, self.panel_rtcp, self.panel_video, self.phone, self.phone_rtcp):
            one.close()

    @staticmethod
    def _open() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((HOST, 0))
        return one


class Side(Protocol):
    """Who is measured."""

    name: str

    def spent(self) -> float:
        """Give the CPU seconds used so far."""

    def resident(self) -> int:
        """Give the bytes of memory held."""

    def open(self, way: Way, calls: int, far: Far) -> list[Opened]:
        """Set calls up."""


class Router:
    """The router's own media in a process of its own."""

    name = "router"

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.pid = process.pid
        self._process = process
        self._opened = 0

    def spent(self) -> float:
        """Give the CPU seconds used so far."""
        return cpu_s([self.pid])

    def resident(self) -> int:
        """Give the bytes of memory held."""
        return resident_bytes(self.pid)

    def settled(self) -> int:
        """Give the bytes of memory held once garbage is gone."""
        self.ask(do="figures")
        return self.resident()

    def ask(self, **words: object) -> dict[str, Any]:
        """Send one line and read the reply."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            message = "the router's media ended; its words stand above"
            raise SystemExit(message)
        return dict(json.loads(line))

    def open(self, way: Way, calls: int, far: Far) -> list[Opened]:
        """Set calls up."""
        asked = {
            "panel": far.panel_sdp(has_video=way.has_video, is_opus=way.is_opus),
            "phone": None if way.apps else far.phone_sdp(),
            "apps": way.apps,
            "is_whole": way.is_whole,
        }
        replies = self.ask(do="open", calls=[asked] * calls)["calls"]
        opened = [self._opened_call(way, reply) for reply in replies]
        wait_until_quiet(lambda: not self.ask(do="ready")["missing"])
        self.ask(do="connect")
        return opened

    def _opened_call(self, way: Way, reply: dict[str, Any]) -> Opened:
        sdp = reply["panel"]["sdp"]
        call = Opened(
            (port_of(sdp, "audio"), rtcp_port_of(sdp)),
            port_of(sdp, "video") if way.has_video else None,
            reply["panel"]["ssrc"],
        )
        index, self._opened = self._opened, self._opened + 1
        if "phone" in reply:
            sdp = reply["phone"]["sdp"]
            call.phone = port_of(sdp, "audio"), rtcp_port_of(sdp)
            call.ssrc_to_phone = reply["phone"]["ssrc"]
        for n, offered in enumerate(reply["apps"]):
            app = App()
            app.far = HOST, port_of(offered["sdp"], "audio")
            answer = {"call": index, "app": n, "sdp": answer_sdp(offered["sdp"])}
            self.ask(do="answer", answers=[answer])
            app.meet(offered["sdp"])
            app.shake_hands()
            call.apps.append(app)
            call.ssrc_to_app.append(offered["ssrc"])
            call.video_ssrc_to_app.append(offered["video_ssrc"])
        return call


class RtpEngine:
    """rtpengine: who sends is known by the same SSRC on the other side."""

    name = "rtpengine"

    def __init__(self, relay: "rtpengine.Relay") -> None:
        self._relay = relay

    def spent(self) -> float:
        """Give the CPU seconds used so far."""
        return cpu_s([self._relay.pid])

    def resident(self) -> int:
        """Give the bytes of memory held."""
        return resident_bytes(self._relay.pid)

    def open(self, way: Way, calls: int, far: Far) -> list[Opened]:
        """Set calls up."""
        one = self._app_call if way.apps else self._phone_call
        return [one(n, way, far) for n in range(calls)]

    def _phone_call(self, n: int, _way: Way, far: Far) -> Opened:
        words = {"ICE": "remove", "flags": ["trust-address"]}
        offered = self._relay.offer(f"c{n}", far.panel_sdp(has_video=False), **words)
        answered = self._relay.answer(f"c{n}", far.phone_sdp(), **words)
        return Opened(
            (port_of(answered, "audio"), rtcp_port_of(answered)),
            None,
            PHONE_SSRC + n,
            (port_of(offered, "audio"), rtcp_port_of(offered)),
            PANEL_SSRC + n,
        )

    def _app_call(self, n: int, way: Way, far: Far) -> Opened:
        to_app = {
            "ICE": "remove",
            "DTLS": "passive",
            "transport_protocol": "UDP/TLS/RTP/SAVPF",
            "rtcp_mux": ["offer", "require"],
            "flags": ["trust-address", "generate-mid"],
        }
        to_panel = {
            "ICE": "remove",
            "transport_protocol": "RTP/AVP",
            "rtcp_mux": ["demux"],
            "flags": ["trust-address"],
        }
        panel = far.panel_sdp(has_video=way.has_video)
        offered = self._relay.offer(f"c{n}", panel, **to_app)
        app, picture = App(), App() if way.has_video else None
        own = plain_sdp(
            app.address, app.address, picture.address if picture else None, setup="active"
        )
        answered = self._relay.answer(f"c{n}", own, **to_panel)
        app.far = HOST, port_of(offered, "audio")
        app.shake_hands()
        if picture is not None:
            picture.far = HOST, port_of(offered, "video")
            picture.shake_hands()
        return Opened(
            (port_of(answered, "audio"), rtcp_port_of(answered)),
            port_of(answered, "video") if way.has_video else None,
            PHONE_SSRC + n,
            apps=[app],
            picture_apps=[picture] if picture else [],
            ssrc_to_app=[PANEL_SSRC + n],
            video_ssrc_to_app=[VIDEO_SSRC + n if way.has_video else None],
        )


@contextlib.contextmanager
def router(folder: Path) -> Iterator[Router]:
    """Run the router's media on the first core."""
    file = str(Path(__file__).with_name("media_house.py"))
    with (folder / "house.log").open("wb") as errors:
        process = subprocess.Popen(
            on_core(0, sys.executable, file),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield Router(process)
    except SystemExit:
        sys.stderr.write((folder / "house.log").read_text())
        raise
    finally:
        end(process)


@contextlib.contextmanager
def native(folder: Path) -> Iterator[RtpEngine]:
    """Run rtpengine on the first core."""
    with rtpengine.rtpengine(folder) as relay:
        yield RtpEngine(relay)


def write_plan(way: Way, calls: Sequence[Opened], far: Far, plan: Plan) -> None:
    """Let every far end speak, spread over the 20 ms."""
    stamped = way.is_stamped
    sounds = _voices(plan, way.frames, len(calls), is_opus=way.is_opus, is_stamped=stamped)
    backs = _voices(plan, way.far_frames, len(calls), is_opus=False, is_stamped=stamped)
    picture = plan.add_script(picture_script(plan.length_s, 0)) if way.has_video else None
    for n, call in enumerate(calls):
        at_s = PACKET_S * n / len(calls)
        panel = plan.add_stream(
            far.panel,
            (HOST, call.panel[0]),
            sounds[n % len(sounds)],
            phase_s=at_s,
            ssrc=PANEL_SSRC + n,
        )
        report = plan.add_script([(0, sender_report(PANEL_SSRC + n))])
        _repeat_report(plan, far.panel_rtcp, call.panel[1], report, n / len(calls))
        back_s = at_s + PACKET_S / 2
        if call.phone is not None:
            plan.add_socket(far.phone)
            phone = plan.add_stream(
                far.phone,
                (HOST, call.phone[0]),
                backs[n % len(backs)],
                phase_s=back_s,
                ssrc=PHONE_SSRC + n,
            )
            report = plan.add_script([(0, sender_report(PHONE_SSRC + n))])
            _repeat_report(plan, far.phone_rtcp, call.phone[1], report, n / len(calls))
            plan.add_flow(call.ssrc_to_phone, panel, TO_FAR, is_stamped=stamped)
            plan.add_flow(call.ssrc_to_panel, phone, TO_PANEL, is_stamped=stamped)
        shown = None
        if picture is not None and call.panel_video is not None:
            shown = plan.add_stream(
                far.panel_video,
                (HOST, call.panel_video),
                picture,
                phase_s=GOP_S * n / len(calls),  # or all key frames came at once
                ssrc=VIDEO_SSRC + n,
            )
        _add_apps(way, call, plan, (n, panel, shown), back_s)


def _voices(
    plan: Plan, frames: tuple[bytes, ...], calls: int, *, is_opus: bool, is_stamped: bool
) -> list[int]:
    """Begin the same speech at many places, or all calls would come to the same word at once."""
    number, step_ts = (111, 960) if is_opus else (8, 160)
    count = min(calls, MOST_VOICES) if len(frames) > 1 else 1
    voices = []
    for n in range(count):
        at = len(frames) * n // count
        script = audio_script(
            plan.length_s,
            0,
            frames[at:] + frames[:at],
            payload_type=number,
            step_ts=step_ts,
            is_stamped=is_stamped,
        )
        voices.append(plan.add_script(script))
    return voices


def _add_apps(
    way: Way, call: Opened, plan: Plan, origin: tuple[int, int, int | None], at_s: float
) -> None:
    n, panel, shown = origin
    for place, app in enumerate([*call.apps, *call.picture_apps]):
        plan.add_socket(app.udp)
        if app.check is not None:
            check = plan.add_script([(0, app.check)])
            plan.add_stream(app.udp, app.far, check, phase_s=at_s + 0.1, repeat_s=CHECK_REPEAT_S)
        ssrc = PHONE_SSRC + n + place * 0x1000000
        reports = plan.add_script(app.report(plan.length_s, sender_report(ssrc)))
        plan.add_stream(app.udp, app.far, reports, phase_s=at_s)
        if place == 0:
            said = audio_script(plan.length_s, ssrc, way.far_frames, is_stamped=way.is_stamped)
            voice = plan.add_script(app.say(said))
            stream = plan.add_stream(app.udp, app.far, voice, phase_s=at_s)
            plan.add_flow(call.ssrc_to_panel, stream, TO_PANEL, is_stamped=way.is_stamped)
    for ssrc, video_ssrc in zip(call.ssrc_to_app, call.video_ssrc_to_app, strict=True):
        plan.add_flow(ssrc, panel, TO_FAR)
        if shown is not None and video_ssrc is not None:
            plan.add_flow(video_ssrc, shown, PICTURE)


def _repeat_report(plan: Plan, one: socket.socket, port: int, script: int, share: float) -> None:
    plan.add_stream(
        one, (HOST, port), script, phase_s=RTCP_REPEAT_S * share, repeat_s=RTCP_REPEAT_S
    )
