"""The router's own media, without its signalling: calls are set up by lines of JSON on stdin.

    python bench/media_house.py

One line in, one line out: `{"do": "open", "calls": [{"panel": SDP, "phone": SDP or null, "apps": N}]}`,
`{"do": "answer", "answers": [{"call": I, "app": J, "sdp": SDP}]}`, `{"do": "ready"}`, `{"do": "connect"}`,
`{"do": "figures"}`. Ports, bridges and legs are those of the service, with its settings and with what it does
about garbage; `bench/media.py` starts it.
"""

import asyncio
import gc
import json
import sys
from dataclasses import dataclass, field
from typing import Any

from intercom.app import chores
from intercom.media.bridge import Bridge
from intercom.media.conversion import Transcodings
from intercom.media.dtls import DtlsIdentity
from intercom.media.leg import Media, MediaLeg
from intercom.media.mux import MuxPort
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.media.sequencer import Sequencer
from intercom.media.webrtc import WebRtcLeg
from intercom.routing.ids import LegId
from intercom.sip.agreement import LocalMedia, Negotiated, Srtp
from intercom.sip.codec import Codec
from intercom.sip.offer_answer import make_answer

HOST = "127.0.0.1"
RTP_PORTS = (24_000, 32_700)  # below those that Linux gives out by itself
LINE_BYTES = 1 << 26


@dataclass(slots=True)
class HouseCall:
    """One call."""

    bridge: Bridge
    panel: PlainLeg
    agreed: Negotiated
    phone: PlainLeg | None = None
    apps: list[WebRtcLeg] = field(default_factory=list)


class House:
    """All calls, on one port of apps and one pool of pairs."""

    def __init__(self) -> None:
        self._pool = PortPool(HOST, *RTP_PORTS)
        self._mux = MuxPort.open(HOST, 0, [HOST])
        self._identity = DtlsIdentity.generate()
        loop = asyncio.get_running_loop()
        self._sequencer = Sequencer(loop.time, loop.call_at)
        self._transcodings = Transcodings(limit=1 << 20)
        self._calls: list[HouseCall] = []

    def do(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Do what a line says."""
        match asked["do"]:
            case "open":
                return {"calls": [self._open(each) for each in asked["calls"]]}
            case "answer":
                for each in asked["answers"]:
                    self._calls[each["call"]].apps[each["app"]].accept_answer(each["sdp"])
                return {}
            case "ready":
                legs = [app for call in self._calls for app in call.apps]
                return {"missing": sum(not leg.is_ready for leg in legs)}
            case "connect":
                for call in self._calls:
                    leg = call.phone or call.apps[0]
                    call.bridge.connect(leg.leg_id)
                chores.keep_garbage_collection_short()
                return {}
            case "figures":
                return self._figures()
            case other:
                message = f"not understood: {other}"
                raise SystemExit(message)

    def _open(self, asked: dict[str, Any]) -> dict[str, Any]:
        name = f"c{len(self._calls)}"
        bridge = Bridge(
            on_digit=lambda *_: None,
            on_beep=lambda _: None,
            sequencer=self._sequencer,
            transcodings=self._transcodings,
        )
        panel, panel_sdp, agreed = self._plain(f"{name}-panel", asked["panel"])
        call = HouseCall(bridge, panel, agreed)
        self._calls.append(call)
        bridge.attach_panel(panel)
        reply: dict[str, Any] = {"panel": {"sdp": panel_sdp, "ssrc": _ssrc(panel)}, "apps": []}
        if asked.get("phone"):
            call.phone, phone_sdp, _ = self._plain(f"{name}-phone", asked["phone"])
            # Nobody listens for keys in the sound of what is no phone.
            bridge.attach(call.phone, hears_visitor=False, is_phone=asked["is_whole"])
            reply["phone"] = {"sdp": phone_sdp, "ssrc": _ssrc(call.phone)}
        for n in range(asked.get("apps", 0)):
            reply["apps"].append(self._app(call, f"{name}-app{n}"))
        return reply

    def _app(self, call: HouseCall, name: str) -> dict[str, Any]:
        audio, video = call.agreed.audio, call.agreed.video
        leg = WebRtcLeg.open(LegId(name), self._mux, self._identity, audio.codec, video)
        call.apps.append(leg)
        call.bridge.attach(leg, hears_visitor=True, is_phone=False)
        picture = leg.out(Media.VIDEO)
        video_ssrc = picture.ssrc if picture else None
        return {"sdp": leg.offer(), "ssrc": _ssrc(leg), "video_ssrc": video_ssrc}

    def _plain(self, name: str, offer: str) -> tuple[PlainLeg, str, Negotiated]:
        has_video = "m=video" in offer
        leg = PlainLeg.open(LegId(name), self._pool, with_video=has_video)
        local = LocalMedia(
            HOST,
            leg.audio_port,
            leg.audio_rtcp_port,
            leg.video_port if has_video else None,
            leg.video_rtcp_port if has_video else None,
            codecs=tuple(Codec),
            srtp=Srtp.OPTIONAL if "a=crypto" in offer else Srtp.OFF,
            keys=leg.draw_keys(),
        )
        answer, negotiated = make_answer(offer.encode(), local)
        leg.start(negotiated, signalling_host=HOST)
        return leg, answer.decode(), negotiated

    def _figures(self) -> dict[str, Any]:
        gc.collect()
        plain = [leg for call in self._calls for leg in (call.panel, call.phone) if leg]
        return {
            "wrong_source": sum(leg.wrong_source_packets for leg in plain),
            "unwanted": sum(leg.unwanted_packets for leg in plain),
            "auth_failed": sum(leg.auth_failed for leg in plain),
            "mux_dropped": self._mux.dropped,
        }


def _ssrc(leg: MediaLeg) -> int:
    stream = leg.out(Media.AUDIO)
    assert stream is not None
    return stream.ssrc


async def main() -> None:
    """Serve until stdin ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    house = House()
    chores.keep_garbage_collection_short()
    async with asyncio.TaskGroup() as group:
        garbage = group.create_task(chores.collect_garbage())
        while line := await reader.readline():
            sys.stdout.write(json.dumps(house.do(json.loads(line))) + "\n")
            sys.stdout.flush()
        garbage.cancel()


if __name__ == "__main__":
    asyncio.run(main())
