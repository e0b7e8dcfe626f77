"""Watches whether what should come from a call's legs does come, and whether they can be sent to.

    the panel's sound       from its first packet on, or from the talk's beginning
    the panel's picture     from its first packet on
    the resident's sound    from the talk's beginning

Nothing is counted for this packet by packet: the figures that are kept anyway are looked at twice a
second, and of each talking leg's sound one packet then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from intercom.media.leg import Media, SoundHandler
from intercom.media.member import Member
from intercom.media.path import (
    PathCause,
    PathFigures,
    PathSnapshot,
    is_digital_silence,
    judge,
    judge_sending,
)
from intercom.media.rtp import HEADER_BYTES
from intercom.routing.ids import LegId

LOST_S = 3.0
SILENT_S = 10.0
"""Digital silence for so long is worth a word; a person who only listens has a microphone that hums."""
CANNOT_SEND_S = 3.0
MAX_TOLD = 5
"""Losses of one stream that are explained; a peer that is silent in every pause has many."""

OnPath = Callable[[LegId, Media, bool], None]
"""Called with (leg, media, is_lost)."""
OnPathWords = Callable[[LegId, str], None]
"""Called with (leg, what is wrong or right again), in words for the trace."""

_NOUNS = {Media.AUDIO: "sound", Media.VIDEO: "picture"}


@dataclass(slots=True, eq=False)
class _Stream:
    """What should come from one leg."""

    member: Member
    media: Media
    alive_at: float
    good: PathSnapshot
    """The figures when it was last alive."""
    received: int
    is_lost: bool = False
    cause: PathCause | None = None
    """As it was told."""
    losses: int = 0
    silent_since: float | None = None
    is_silence_told: bool = False

    @property
    def is_expected(self) -> bool:
        return self.member.leg.expects(self.media)


class _JudgeSound(Protocol):
    def __call__(self, stream: _Stream, now: float, *, is_silent: bool) -> None: ...


class _Look:
    """Stands in a leg's way of sound until the next packet has come by, which it looks at.

    A class and no closure: that would refer to itself, and all of a call would be left to the collector.
    """

    __slots__ = ("_carry", "_judge", "_now", "_stream")

    def __init__(
        self, stream: _Stream, carry: SoundHandler, now: float, judge_sound: _JudgeSound
    ) -> None:
        self._stream, self._carry, self._now, self._judge = stream, carry, now, judge_sound

    def __call__(self, packet: memoryview, at: float) -> bool:
        """Take one packet, and let it go on as before."""
        leg = self._stream.member.leg
        if leg.on_sound is self:
            leg.on_sound = self._carry
        if packet[1] & 0x7F == leg.in_payload_type(Media.AUDIO):
            payload = bytes(packet[HEADER_BYTES:])
            is_silent = is_digital_silence(leg.codec, payload)
            self._judge(self._stream, self._now, is_silent=is_silent)
        return self._carry(packet, at)


@dataclass(slots=True, eq=False)
class _Way:
    """Our way to one leg."""

    member: Member
    good: PathFigures
    """As they were when the last half second saw no error."""
    errors: int = 0
    bad_since: float | None = None
    is_told: bool = False
    times_told: int = 0


class PathWatch:
    """Told twice a second to `check`; has no timer of its own."""

    def __init__(self, on_path: OnPath, on_words: OnPathWords) -> None:
        self._on_path, self._on_words = on_path, on_words
        self._streams: dict[tuple[Member, Media], _Stream] = {}
        self._ways: dict[Member, _Way] = {}
        self._panel: Member | None = None
        self._connected: Member | None = None

    def watch(self, panel: Member | None, connected: Member | None, now: float) -> None:
        """Watch these and no others; the talk of `connected`, if it is new, begins now."""
        is_new_talk = connected is not None and connected is not self._connected
        self._panel, self._connected = panel, connected
        wanted = [(panel, media) for media in Media] if panel is not None else []
        if connected is not None:
            wanted.append((connected, Media.AUDIO))
        self._streams = {
            key: self._streams.get(key) or self._new_stream(*key, now) for key in wanted
        }
        if is_new_talk:
            for stream in self._streams.values():
                if not stream.received:
                    self._revive(stream, now)
        talking = [
            each for each in (panel, connected) if each is not None and connected is not None
        ]
        self._ways = {
            each: self._ways.get(each) or _Way(each, each.leg.path_figures()) for each in talking
        }

    def close(self) -> None:
        """Watch nobody and tell nobody."""
        self._on_path, self._on_words = _tell_no_path, _tell_no_words
        self._streams, self._ways = {}, {}
        self._panel = self._connected = None

    @property
    def lost(self) -> tuple[Media, ...]:
        """What of the panel's does not come at present."""
        return tuple(
            stream.media
            for stream in self._streams.values()
            if stream.is_lost and stream.member is self._panel
        )

    def check(self, now: float) -> None:
        """Look at everything once; may call back."""
        for stream in tuple(self._streams.values()):
            self._check(stream, now)
        for way in tuple(self._ways.values()):
            self._check_way(way, now)

    def _new_stream(self, member: Member, media: Media, now: float) -> _Stream:
        received = member.reception[media].received
        return _Stream(member, media, now, _snapshot(member, media), received)

    def _check(self, stream: _Stream, now: float) -> None:
        received = stream.member.reception[stream.media].received
        if received != stream.received:
            stream.received = received
            self._came(stream, now)
            if stream.media is Media.AUDIO and self._connected is not None:
                self._sample(stream, now)
        elif not stream.is_expected or self._is_pause(stream) or not self._has_begun(stream):
            self._came(stream, now)
        elif stream.is_lost:
            self._explain(stream)
        elif now - stream.alive_at >= LOST_S:
            stream.is_lost = True
            stream.losses += 1
            self._on_path(stream.member.leg.leg_id, stream.media, True)
            self._explain(stream)

    def _came(self, stream: _Stream, now: float) -> None:
        lost_s = now - stream.alive_at
        was_lost = stream.is_lost
        self._revive(stream, now)
        if was_lost:
            self._on_path(stream.member.leg.leg_id, stream.media, False)
            if stream.losses <= MAX_TOLD:
                self._say(stream, f"{_NOUNS[stream.media]} is back after {lost_s:.0f} s")

    def _revive(self, stream: _Stream, now: float) -> None:
        stream.alive_at, stream.good = now, _snapshot(stream.member, stream.media)
        stream.is_lost, stream.cause = False, None

    def _explain(self, stream: _Stream) -> None:
        """Say why, and once more when it shows better why."""
        cause = judge(stream.good, _snapshot(stream.member, stream.media))
        is_better = stream.cause in {PathCause.NOTHING, PathCause.PRIVATE_ADDRESS, PathCause.QUIET}
        if stream.losses > MAX_TOLD or cause is stream.cause or (stream.cause and not is_better):
            return
        stream.cause = cause
        self._say(stream, f"no {_NOUNS[stream.media]} for {LOST_S:.0f} s: {cause.value}")

    def _has_begun(self, stream: _Stream) -> bool:
        is_talking = stream.media is Media.AUDIO and self._connected is not None
        return stream.received > 0 or is_talking

    def _is_pause(self, stream: _Stream) -> bool:
        """Tell whether it announced its pause by comfort noise (RFC 3389 §4), as the last that came."""
        comfort_at = stream.member.comfort_noise_at
        is_after = comfort_at is not None and comfort_at >= (stream.member.last_rtp_at or 0.0)
        return stream.media is Media.AUDIO and is_after

    def _sample(self, stream: _Stream, now: float) -> None:
        """Look at the next packet of sound, and at that one alone."""
        leg = stream.member.leg
        carry = leg.on_sound
        if carry is None or isinstance(carry, _Look):
            return
        leg.on_sound = _Look(stream, carry, now, self._listened)

    def _listened(self, stream: _Stream, now: float, *, is_silent: bool) -> None:
        if not is_silent:
            stream.silent_since = None
            if stream.is_silence_told:
                stream.is_silence_told = False
                self._say(stream, "there is sound again")
        elif stream.silent_since is None:
            stream.silent_since = now
        elif now - stream.silent_since >= SILENT_S and not stream.is_silence_told:
            stream.is_silence_told = True
            self._say(stream, f"for {SILENT_S:.0f} s {PathCause.DIGITAL_SILENCE.value}")

    def _check_way(self, way: _Way, now: float) -> None:
        if not way.member.leg.is_ready:
            return
        figures = way.member.leg.path_figures()
        if figures.send_errors == way.errors:
            way.good = figures
        way.errors = figures.send_errors
        cause = judge_sending(way.good, figures, is_unheard=way.member.is_unheard)
        if cause is None:
            way.bad_since, way.is_told = None, False
        elif way.bad_since is None:
            way.bad_since = now
        elif not way.is_told and now - way.bad_since >= CANNOT_SEND_S and way.times_told < MAX_TOLD:
            way.is_told = True
            way.times_told += 1
            self._on_words(way.member.leg.leg_id, cause.value)

    def _say(self, stream: _Stream, words: str) -> None:
        self._on_words(stream.member.leg.leg_id, words)


def _snapshot(member: Member, media: Media) -> PathSnapshot:
    reported_at = member.reported_at.get(media, 0.0)
    return PathSnapshot(member.leg.path_figures(), member.wrong_payloads, reported_at)


def _tell_no_path(_leg_id: LegId, _media: Media, _is_lost: bool) -> None:
    """Tell nobody."""


def _tell_no_words(_leg_id: LegId, _words: str) -> None:
    """Tell nobody."""
