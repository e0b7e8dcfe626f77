"""The media's ports as a fuzz target: the demultiplexer with an app's leg, and a phone's plain leg."""

import struct

from aioice import stun

from intercom.media import dtmf, rtcp, rtp
from intercom.media.bridge import Bridge
from intercom.media.ice import IceCredentials, IceLite, local_ufrag_of
from intercom.media.mux import MuxPort
from intercom.media.plain import PlainLeg
from intercom.media.port import PortPool
from intercom.media.webrtc import WebRtcLeg
from intercom.routing.ids import LegId
from intercom.sip.offer_answer import Codec, accept_offer
from tests.fuzz.sdp_target import PANEL
from tests.media.webrtc_apps import IDENTITY

HOST = "127.0.0.1"
FAR = (HOST, 9)  # the discard port: nothing leaves this machine
INPUTS_A_LIFE = 100
CREDENTIALS = IceCredentials("ourU", "ourPassword0123456789ab")
OFFER = (
    PANEL.replace(b"192.0.2.9", HOST.encode())
    .replace(b"a=crypto", b"a=x-crypto")
    .replace(b"audio 4000", b"audio 9")
    .replace(b"video 4002", b"video 9")
    .replace(b"a=rtcp:4001", b"a=rtcp:10")
)


class MediaTarget:
    """Every input is a packet at each port that there is; needs a running loop."""

    def __init__(self) -> None:
        self._mux = MuxPort.open(HOST, 0, [HOST])
        self._pool = PortPool(HOST)
        self._inputs = 0
        self._now = 1000.0
        self.digits = 0
        self._legs: list[WebRtcLeg | PlainLeg] = []
        self._bridge: Bridge | None = None
        self._renew()

    def seeds(self) -> list[bytes]:
        """List packets of every kind."""
        check = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        check.attributes["USERNAME"] = f"{CREDENTIALS.ufrag}:appU"
        check.attributes["PRIORITY"] = 1
        check.add_message_integrity(CREDENTIALS.pwd.encode())
        check.add_fingerprint()
        sound = bytes(rtp.build_header(8, 1, 160, 7)) + bytes(160)
        key = bytes(rtp.build_header(101, 2, 320, 7)) + dtmf.build_event("5", 160, is_end=True)
        picture = bytes(rtp.build_header(96, 3, 90, 8)) + b"\x67\x42\x00\x1f" + bytes(40)
        parts = bytes(rtp.build_header(96, 4, 90, 8)) + b"\x7c\x85" + bytes(40)
        stapled = (
            bytes(rtp.build_header(96, 5, 90, 8)) + b"\x78\x00\x04\x67\x42\x00\x1f\x00\x02\x68\xce"
        )
        report = rtcp.SenderReport(7, 1 << 40, 160, 1, 160, (rtcp.ReportBlock(9),))
        feedback = rtcp.build_sender_report(report) + rtcp.build_cname(7, "a@b")
        feedback += rtcp.build_pli(7, 8) + rtcp.build_fir(7, 8, 1) + rtcp.build_goodbye(7)
        hello = struct.pack("!BHHIHH", 22, 0xFEFD, 0, 0, 0, 40) + b"\x01\x00\x00\x1c" + bytes(36)
        return [bytes(check), sound, key, picture, parts, stapled, feedback, hello, bytes(4)]

    def feed(self, data: bytes) -> None:
        """Deliver it everywhere."""
        self._inputs += 1
        if self._inputs % INPUTS_A_LIFE == 0:
            self._renew()
        self._now += 0.02
        packet = memoryview(bytearray(data[:2048]))
        self._mux._deliver(packet, FAR, self._now)
        self._mux._deliver(packet, ("127.0.0.2", 9), self._now)
        for stream in (self._phone._audio, self._panel._audio, self._panel._video):
            assert stream is not None
            stream._receive_rtp(packet, FAR, self._now)
            stream._receive_rtcp(packet, (HOST, 10), self._now)
        rtp.parse(packet)
        rtcp.parse(packet)
        rtcp.wants_key_frame(packet)
        local_ufrag_of(packet)
        dtmf.parse_event(packet)
        dtmf.parse_info("application/dtmf-relay", data)
        dtmf.parse_info("application/dtmf", data)

    @property
    def has_heard_checks(self) -> bool:
        """Tell whether an app's check was believed in this life."""
        return self._app._ice.selected is not None

    def close(self) -> None:
        """Free every port."""
        self._end_legs()
        self._mux.close()
        self._pool.close()

    def _end_legs(self) -> None:
        if self._bridge is not None:
            self._bridge.close()
        for leg in self._legs:
            leg.close()
        self._legs.clear()

    def _renew(self) -> None:
        """Make the legs anew: a broken handshake or a latch would keep all later packets out."""
        self._end_legs()
        self._bridge = Bridge(on_digit=self._count)
        accepted = accept_offer(OFFER, (Codec.PCMA, Codec.PCMU), has_video=True)
        self._panel = PlainLeg.open(LegId("panel"), self._pool, with_video=True)
        self._phone = PlainLeg.open(LegId("phone"), self._pool, with_video=False)
        app = WebRtcLeg.open(LegId("app"), self._mux, IDENTITY, Codec.PCMA, None)
        self._legs = [self._panel, self._phone, app]
        for leg in (self._panel, self._phone):
            leg.start(accepted.negotiated, signalling_host=HOST)
        self._bridge.attach_panel(self._panel)
        self._bridge.attach(self._phone, hears_visitor=True, is_phone=True)
        self._bridge.attach(app, hears_visitor=True, is_phone=False)
        self._app = app
        self._mux.remove(app._ice.local.ufrag)
        app._ice = IceLite(CREDENTIALS)  # the same in every life, for the corpus
        self._mux.add(CREDENTIALS.ufrag, app)
        self._mux.claim(FAR, app, self._now)

    def _count(self, *_: object) -> None:
        self.digits += 1
