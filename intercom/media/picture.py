"""The panel's picture on its way to every device: replay of the GOP to who joins, and what devices ask for."""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from intercom.media.h264 import GopCache
from intercom.media.leg import Media, MediaLeg
from intercom.media.picture_wishes import KEY_FRAME_INTERVAL_S, KeyFrameWishes, RateWishes
from intercom.media.rtcp import RtcpPacket
from intercom.media.rtcp_feedback import (
    BitRateEstimate,
    BitRateRequest,
    FullIntraRequest,
    Nack,
    PictureLossIndication,
)
from intercom.media.rtp import RtpSender
from intercom.media.sequencer import CallAt
from intercom.routing.ids import LegId

REPLAY_SPEED = 3.0
"""Of the stream's own rate."""
LEAST_LINE_RATE_BYTES_PER_S = 125_000  # 1 Mbit/s: a still door's own rate would make joining slow
REPLAY_TICK_S = 0.01
ASK_AGAIN_S = 1.0
"""A request for a key frame, or its answer, may be lost."""
GONE_AFTER_S = 1.0
"""A picture that stood still for so long begins again with a key frame: nobody knows what was lost."""
MEASURE_S = 1.0

_SOURCE = 0
_MAX_UNSERVED = 256


class _State(Enum):
    WAITING = "no key frame yet"
    REPLAYING = "catching up"
    LIVE = "live"


@dataclass(slots=True)
class Viewer:
    """One device that shows the picture."""

    leg: MediaLeg
    on_sent: Callable[[int], None]
    """Called with the size of each packet sent."""
    state: _State = _State.WAITING
    sender: RtpSender | None = None
    cursor: int = 0
    """The next packet of the cache to replay."""
    allowance_bytes: float = 0.0
    wishes: KeyFrameWishes = field(default_factory=KeyFrameWishes)
    unserved: set[int] = field(default_factory=set)
    """Numbers that it has missed and we never had: lost before us, or only late."""


class PictureFan:
    """Fan one H.264 stream out, without decoding it."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        call_at: CallAt,
        ask_for_key_frame: Callable[[], None],
        ask_for_rate: Callable[[int], None] | None = None,
    ) -> None:
        """`ask_for_rate` asks the panel for so many bits a second at most."""
        self.key_frames_asked = 0
        self._clock = clock
        self._call_at = call_at
        self._ask = ask_for_key_frame
        self._cache = GopCache()
        self._viewers: dict[LegId, Viewer] = {}
        self._replay_timer: asyncio.TimerHandle | None = None
        self._replayed_at = 0.0
        self._key_timer: asyncio.TimerHandle | None = None
        self._key_asked_at: float | None = None
        self._ask_for_rate = ask_for_rate
        self._rates = RateWishes()
        self._received_at: float | None = None
        self._measured_at = 0.0
        self._measured_bytes = 0
        self._bits_per_s = 0.0

    def new_source(self, sprop: str | None) -> None:
        """Forget the picture so far: another panel leg sends now."""
        self._cache.wipe()
        self._cache = GopCache(sprop)
        for viewer in self._viewers.values():
            viewer.state = _State.WAITING

    def add(self, leg: MediaLeg, on_sent: Callable[[int], None]) -> None:
        """Show the picture to a device, as soon as it is ready."""
        self._viewers[leg.leg_id] = Viewer(leg, on_sent)
        self.leg_ready(leg)

    def remove(self, leg_id: LegId) -> None:
        """Stop showing the picture to a device."""
        self._viewers.pop(leg_id, None)
        self._rates.forget(leg_id)

    def sender_of(self, leg_id: LegId) -> RtpSender | None:
        """Give the stream toward a device, for its sender reports."""
        viewer = self._viewers.get(leg_id)
        return viewer.sender if viewer else None

    def leg_ready(self, leg: MediaLeg) -> None:
        """Begin to send to a device whose way is open now."""
        viewer = self._viewers.get(leg.leg_id)
        if viewer is None or not leg.is_ready or viewer.state is not _State.WAITING:
            return
        if self._cache.is_complete:
            self._begin(viewer)
            self._start_replay()
        if not self._cache.is_complete or self._cache.has_hole:
            self.request_key_frame()

    def wake(self) -> None:
        """Look again after those who still wait; called now and then."""
        for viewer in self._viewers.values():
            if viewer.state is _State.WAITING:
                self.leg_ready(viewer.leg)

    def receive(self, packet: memoryview, now: float) -> None:
        """Take one checked packet of the panel's picture."""
        added = self._cache.add(packet)
        self._measure(len(packet), now)
        is_anyone_waiting = False
        for viewer in self._viewers.values():
            if viewer.state is _State.LIVE:
                self._send(viewer, packet, now, added.missing)
            elif added.begins_key_frame and viewer.leg.is_ready:
                self._begin(viewer)
            elif viewer.state is _State.WAITING:
                is_anyone_waiting = is_anyone_waiting or viewer.leg.is_ready
            elif added.position is not None and added.position < viewer.cursor:
                viewer.cursor += 1  # too late for this one
        if added.begins_key_frame:
            self._start_replay()
        elif is_anyone_waiting and now - (self._key_asked_at or 0.0) >= ASK_AGAIN_S:
            self.request_key_frame()

    def hear(self, leg_id: LegId, reports: Iterable[RtcpPacket], now: float) -> None:
        """Take what a device says about the picture: what it missed, and how much fits through."""
        viewer = self._viewers.get(leg_id)
        if viewer is None:
            return
        for report in reports:
            match report:
                case PictureLossIndication() | FullIntraRequest():
                    self._wish(viewer, now)
                case Nack(media_ssrc=ssrc, lost=lost) if (
                    viewer.sender and viewer.sender.ssrc == ssrc
                ):
                    self._send_again(viewer, lost, now)
                case BitRateEstimate(bits_per_s=rate) | BitRateRequest(bits_per_s=rate):
                    self._heard_rate(viewer, rate, now)
                case _:  # reports are for whoever keeps figures
                    pass

    def request_key_frame(self) -> None:
        """Ask the panel for a key frame: at once, or when the last request is old enough."""
        if self._key_timer is not None:
            return
        now = self._clock()
        if self._key_asked_at is None or now - self._key_asked_at >= KEY_FRAME_INTERVAL_S:
            self._ask_now()
        else:
            self._key_timer = self._call_at(
                self._key_asked_at + KEY_FRAME_INTERVAL_S, self._ask_now
            )

    def close(self) -> None:
        """Wipe the pictures and stop; nothing is asked for any more."""
        self._ask, self._ask_for_rate = _ask_nobody, None
        self._cache.wipe()
        self._viewers.clear()
        for timer in (self._replay_timer, self._key_timer):
            if timer is not None:
                timer.cancel()
        self._replay_timer = self._key_timer = None

    def _measure(self, size: int, now: float) -> None:
        """Note how much comes; ask for a key frame where a picture comes back that had stopped."""
        if self._received_at is None:
            self._measured_at = now
        elif now - self._received_at >= GONE_AFTER_S:
            self.request_key_frame()
        self._received_at = now
        self._measured_bytes += size
        if now - self._measured_at >= MEASURE_S:
            self._bits_per_s = 8 * self._measured_bytes / (now - self._measured_at)
            self._measured_at, self._measured_bytes = now, 0

    def _wish(self, viewer: Viewer, now: float) -> None:
        if viewer.wishes.counts(now, is_alone=len(self._viewers) == 1):
            self.request_key_frame()

    def _send_again(self, viewer: Viewer, lost: tuple[int, ...], now: float) -> None:
        """Send again what is held; what never came to us is worth a key frame when it is missed twice."""
        unserved = {number for number in lost if not viewer.leg.resend(number, now)}
        if unserved & viewer.unserved:
            self._wish(viewer, now)
        elif len(viewer.unserved) < _MAX_UNSERVED:
            unserved |= viewer.unserved
        viewer.unserved = unserved

    def _heard_rate(self, viewer: Viewer, bits_per_s: int, now: float) -> None:
        self._rates.heard(viewer.leg.leg_id, bits_per_s, now)
        wanted = self._rates.ask(self._bits_per_s, now)
        if wanted is not None and self._ask_for_rate is not None:
            self._ask_for_rate(wanted)

    def _ask_now(self) -> None:
        self._key_timer = None
        self._key_asked_at = self._clock()
        self.key_frames_asked += 1
        self._ask()

    def _begin(self, viewer: Viewer) -> None:
        """Start at the key frame in the cache."""
        viewer.state = _State.REPLAYING
        viewer.cursor = 0
        viewer.allowance_bytes = 0.0
        if viewer.sender is not None:
            viewer.sender.cut()

    def _start_replay(self) -> None:
        if self._replay_timer is None and self._is_anyone_replaying():
            self._replayed_at = self._clock() - REPLAY_TICK_S
            self._replay()

    def _is_anyone_replaying(self) -> bool:
        return any(viewer.state is _State.REPLAYING for viewer in self._viewers.values())

    def _replay(self) -> None:
        self._replay_timer = None
        now = self._clock()
        rate = max(self._cache.bytes_per_s, LEAST_LINE_RATE_BYTES_PER_S) * REPLAY_SPEED
        budget = rate * min(now - self._replayed_at, 2 * REPLAY_TICK_S)
        self._replayed_at = now
        for viewer in self._viewers.values():
            if viewer.state is _State.REPLAYING:
                viewer.allowance_bytes += budget
                self._catch_up(viewer, now)
        if self._is_anyone_replaying():
            self._replay_timer = self._call_at(now + REPLAY_TICK_S, self._replay)

    def _catch_up(self, viewer: Viewer, now: float) -> None:
        packets = self._cache.packets
        if not self._cache.is_complete:  # it outgrew its limit, or the stream began anew
            viewer.state = _State.WAITING
            self.request_key_frame()
            return
        while viewer.cursor < len(packets) and viewer.allowance_bytes > 0:
            packet = packets[viewer.cursor]
            missing = self._cache.missing if viewer.cursor == 0 else ()
            self._send(viewer, packet, now, missing, is_replay=True)
            viewer.allowance_bytes -= len(packet)
            viewer.cursor += 1
        if viewer.cursor == len(packets):
            viewer.state = _State.LIVE

    def _send(
        self,
        viewer: Viewer,
        packet: bytes | memoryview,
        now: float,
        missing: tuple[bytes, ...],
        *,
        is_replay: bool = False,
    ) -> None:
        sender = viewer.sender or self._open_sender(viewer)
        if sender is None:
            return
        if missing:
            for out in sender.rewrite_after(missing, packet, _SOURCE, now, is_replay=is_replay):
                self._hand_over(viewer, out)
            return
        one = sender.rewrite(packet, _SOURCE, now, is_replay=is_replay)
        if one is not None:
            self._hand_over(viewer, one)

    def _hand_over(self, viewer: Viewer, packet: bytearray) -> None:
        viewer.leg.send_rtp(Media.VIDEO, packet)
        viewer.on_sent(len(packet))

    def _open_sender(self, viewer: Viewer) -> RtpSender | None:
        stream = viewer.leg.out(Media.VIDEO)
        if stream is None:
            return None
        viewer.sender = RtpSender(
            payload_type=stream.payload_type,
            ssrc=stream.ssrc,
            clock_hz=stream.clock_hz,
            sequence_number=secrets.randbits(15),  # RFC 3550 §5.1; room before the first wrap
            timestamp=secrets.randbits(32),
            is_video=True,
        )
        return viewer.sender


def _ask_nobody() -> None:
    """Ask for no key frame."""
