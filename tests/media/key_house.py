"""A panel, a phone and the carrier between, sound alone: what a tone at one end does at the other.

visitor ─▶ panel ─▶ bridge ─▶ carrier ─▶ phone ─┐ echo
resident's key ───────────── ◀─ bridge ◀─ carrier ◀─┘   (the carrier's own detector may make events of it)
"""

import numpy as np

from intercom.media import dtmf, g711, rtp
from intercom.media.bridge import Bridge
from intercom.media.dtmf import DigitWay
from intercom.media.inband_fit import HIGH_HZ, KEYS, LOW_HZ
from intercom.media.leg import Media
from intercom.sip.codec import Codec
from tests.media import spandsp
from tests.media.dtmf_corpus import amplitude
from tests.media.peers import DTMF, ManualClock, RecordingLeg

FRAME = 160
RATE_HZ = 8000
SILENCE = np.zeros(FRAME)


def key_tone(
    digit, ms, *, low_dbm0=-8.0, twist_db=0.0, low_off=0.0, high_off=0.0, lead=0, phase=0.5
):
    """Make one press, after `lead` samples of nothing."""
    row, column = divmod(KEYS.index(digit), 4)
    at = np.arange(round(ms * RATE_HZ / 1000)) / RATE_HZ
    low = amplitude(low_dbm0) * np.sin(2 * np.pi * LOW_HZ[row] * (1 + low_off) * at + phase)
    level = amplitude(low_dbm0 + twist_db)
    high = level * np.sin(2 * np.pi * HIGH_HZ[column] * (1 + high_off) * at + 2 * phase)
    return np.concatenate((np.zeros(lead), low + high))


def frames(*sounds, rest_ms=0):
    """Cut sounds, one after another, into packets' worth."""
    whole = np.concatenate((*sounds, np.zeros(round(rest_ms * RATE_HZ / 1000))))
    count = -(-len(whole) // FRAME)
    return list(np.concatenate((whole, np.zeros(count * FRAME - len(whole)))).reshape(-1, FRAME))


def to_pcm(samples):
    return np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes()


class PlainerLeg(RecordingLeg):
    """A leg whose telephone-events are agreed on, or not."""

    events = True
    dtmf_payload_type = property(lambda self: DTMF if self.events else None)


class End:
    """One end of the bridge, which speaks and hears in packets of 20 ms."""

    def __init__(self, name, clock, ssrc, codec, *, events=True):
        self.leg = PlainerLeg(name, clock, codec=codec)
        self.leg.events = events
        self.codec, self.ssrc, self.clock = codec, ssrc, clock
        self.sequence = 65_500
        """Wraps soon."""
        self.timestamp = 0xFFFFFFFF - 8000

    def say(self, samples):
        self.send(g711.encode(to_pcm(samples), self.codec), self.codec.value)

    def send(self, payload, number, *, timestamp=None, marker=False):
        head = rtp.build_header(
            number,
            self.sequence,
            self.timestamp if timestamp is None else timestamp,
            self.ssrc,
            marker=marker,
        )
        self.sequence = (self.sequence + 1) & 0xFFFF
        if self.leg.on_rtp is not None:
            packet = memoryview(bytes(head) + payload)
            self.leg.on_rtp(self.leg, Media.AUDIO, packet, self.clock())

    def pass_time(self):
        self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF

    def heard(self):
        """Give the sound that came in the last 20 ms; silence if none did."""
        payload = b""
        for _, _, packet in self.leg.sent:
            payload = packet[rtp.HEADER_BYTES :]
        self.leg.sent.clear()
        if not payload:
            return SILENCE
        return np.frombuffer(g711.decode(payload, self.codec), "<i2").astype(float)


class KeyHouse:
    """All of it, on a clock that the test turns by 20 ms."""

    def __init__(self, *, events=True, codec=Codec.PCMA, loss_db=None, delay=4, converts=False):
        self.clock = ManualClock()
        self.opened, self.beeps = [], []
        """(digit, way, at) of each press that counted."""
        self.bridge = Bridge(
            on_digit=self._pressed,
            on_beep=self.beeps.append,
            clock=self.clock,
            call_at=self.clock.call_at,
        )
        self.panel = End("panel", self.clock, 1, codec)
        self.phone = End("phone", self.clock, 2, codec, events=events)
        self.bridge.attach_panel(self.panel.leg)
        self.bridge.attach(self.phone.leg, hears_visitor=False, is_phone=True)
        self.bridge.connect(self.phone.leg.leg_id)
        self._loss = 0.0 if loss_db is None else 10 ** (-loss_db / 20)
        self._echo = [SILENCE] * delay
        self._converter = spandsp.DtmfReceiver() if converts else None
        self._events = []
        self.at_panel, self.at_phone = [], []
        self._rng = np.random.default_rng(1)

    def _pressed(self, _leg, digit, way):
        self.opened.append((digit, way, self.clock()))

    @property
    def digits(self):
        return "".join(digit for digit, _, _ in self.opened)

    def close(self):
        self.bridge.close()
        if self._converter is not None:
            self._converter.close()

    def tick(self, visitor=SILENCE, resident=SILENCE):
        """Let 20 ms pass."""
        self.clock.advance(0.02)
        noise = self._rng.normal(0, 8, (2, FRAME))
        self.panel.say(visitor + noise[0])
        self.panel.pass_time()
        heard = self.phone.heard()
        self.at_phone.append(heard)
        self._echo.append(heard * self._loss)
        self._carry(self._echo.pop(0) + resident + noise[1])
        self.phone.pass_time()
        self.at_panel.append(self.panel.heard())

    def _carry(self, sound):
        """Be the carrier: sound goes on as it is, or as events where there is a detector."""
        if self._converter is not None:
            for digit in self._converter.hear(to_pcm(sound)):
                self.event(digit)
        if not self._events:
            self.phone.say(sound)
            return
        packet, timestamp = self._events.pop(0)
        self.phone.send(packet.payload, DTMF, timestamp=timestamp, marker=packet.marker)

    def event(self, digit, press_ms=100):
        """Put a press into the phone's stream as telephone-events."""
        self._events += [
            (each, self.phone.timestamp) for each in dtmf.press(digit, press_ms=press_ms)
        ]

    def play(self, visitor=(), resident=(), rest_ms=400):
        """Let both ends sound together, then nothing for a while."""
        length = max(len(visitor), len(resident)) + rest_ms // 20
        for n in range(length):
            self.tick(
                visitor[n] if n < len(visitor) else SILENCE,
                resident[n] if n < len(resident) else SILENCE,
            )


SOUND, EVENT, INFO = DigitWay.SOUND, DigitWay.EVENT, DigitWay.INFO
