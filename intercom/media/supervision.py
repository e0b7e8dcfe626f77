"""The one timer that looks after a call's sound and picture: what stopped, and who is gone."""

import asyncio
from collections.abc import Callable

from intercom.media.leg import Media
from intercom.media.member import Member
from intercom.media.path_watch import OnPath, OnPathWords, PathWatch
from intercom.media.sequencer import CallAt
from intercom.media.silence import SilenceWatch
from intercom.routing.ids import LegId

CHECK_S = 0.5


class Supervision:
    """Watches from the panel's leg on until `close`."""

    def __init__(self, clock: Callable[[], float], call_at: CallAt, silence_limit_s: float) -> None:
        self.on_silence: Callable[[LegId], None] | None = None
        """Called with a connected leg, the panel's or the other, that sent nothing for 30 s."""
        self.on_path: OnPath | None = None
        self.on_path_words: OnPathWords | None = None
        self._clock, self._call_at = clock, call_at
        self._silence = SilenceWatch(silence_limit_s)
        self._check_s = min(CHECK_S, silence_limit_s)
        self._paths = PathWatch(self._path_changed, self._path_explained)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def lost(self) -> tuple[Media, ...]:
        """What of the panel's does not come at present."""
        return self._paths.lost

    def watch(self, panel: Member | None, connected: Member | None) -> None:
        """Watch the panel's leg and, while they talk, both."""
        now = self._clock()
        self._paths.watch(panel, connected, now)
        if panel is not None and connected is not None:
            self._silence.watch(now, panel, connected)
        else:
            self._silence.watch(now)
        if panel is None:
            self._stop()
        elif self._timer is None:
            self._schedule(now)

    def close(self) -> None:
        """Stop, and tell nobody of anything any more; idempotent."""
        self._stop()
        self.on_silence = self.on_path = self.on_path_words = None
        self._paths.close()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self, now: float) -> None:
        self._timer = self._call_at(now + self._check_s, self._check)

    def _check(self) -> None:
        now = self._clock()
        self._schedule(now)  # first: whoever is called back may close
        self._paths.check(now)
        gone = self._silence.check(now)
        if gone is not None and self.on_silence is not None:
            self.on_silence(gone)

    def _path_changed(self, leg_id: LegId, media: Media, is_lost: bool) -> None:
        if self.on_path is not None:
            self.on_path(leg_id, media, is_lost)

    def _path_explained(self, leg_id: LegId, words: str) -> None:
        if self.on_path_words is not None:
            self.on_path_words(leg_id, words)
