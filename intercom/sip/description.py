"""Our own description in one dialog, from offer to answer to the next: RFC 3264 §8's bookkeeping."""

from collections.abc import Callable
from dataclasses import replace

from intercom.errors import LocalProtocolError, RemoteProtocolError
from intercom.sip import sdp
from intercom.sip.agreement import LocalMedia, Negotiated
from intercom.sip.offer_answer import (
    AcceptedOffer,
    make_answer,
    make_offer,
    offered_lines,
    read_answer,
)
from intercom.sip.sdp import MediaDescription


class Description:
    """What we have said of one leg's media.

    The version rises by one with each description that differs from the last, and a repeated one is the
    same bytes (RFC 3264 §8). Once the leg is encrypted, it does not go back to clear.
    """

    def __init__(self, local: LocalMedia) -> None:
        self.local = local
        self.body = b""
        """What was said last."""
        self._is_encrypted = False
        self._lines: list[MediaDescription] | None = None
        """The m-lines of `body`, where that is our first offer."""

    def offer(self) -> bytes:
        """Offer all we can: at first, in a re-INVITE or UPDATE of ours, or in answer to one without offer.

        Later offers keep every m-line and payload type of before, and ask for both ways again: that is
        how a peer without an offer ends its hold.
        """
        if self.body:
            return self._say(self._repeat)
        self._lines = lines = offered_lines(self.local)
        self.body = make_offer(self.local, lines)
        return self.body

    def accept(self, accepted: AcceptedOffer) -> bytes:
        """Write the answer to an offer that `accept_offer` has read."""
        self._settle(accepted.negotiated)
        return self._say(accepted.answer)

    def answer(self, offer: bytes) -> tuple[bytes, Negotiated]:
        """Answer an offer; raise RemoteProtocolError, nothing changed, where there is no common audio."""
        _, negotiated = make_answer(offer, self.local)
        self._settle(negotiated)
        return self._say(lambda local: make_answer(offer, local)[0]), negotiated

    def read(self, answer: bytes) -> Negotiated:
        """Read the answer to our last `offer`; raise RemoteProtocolError as `read_answer` does."""
        if not self.body:
            raise LocalProtocolError("an answer to no offer")
        negotiated = read_answer(self.body, answer, self._lines)
        self._settle(negotiated)
        return negotiated

    def _settle(self, negotiated: Negotiated) -> None:
        if self._is_encrypted and negotiated.audio.crypto is None:
            raise RemoteProtocolError("an encrypted leg stays so", status_hint=488)
        self._is_encrypted = negotiated.audio.crypto is not None

    def _say(self, write: Callable[[LocalMedia], bytes]) -> bytes:
        body = write(self.local)
        if self.body and body != self.body:
            local = self.local
            self.local = replace(local, session_version=local.session_version + 1)
            body = write(self.local)
        self.body, self._lines = body, None
        return body

    def _repeat(self, local: LocalMedia) -> bytes:
        before = sdp.parse(self.body)
        for media in before.media:
            if media.kind == "audio":
                media.direction = local.audio_direction
            elif media.kind == "video":
                media.direction = local.video_direction
        version = local.session_version
        return sdp.serialise(local.host, local.session_id, version, before.media, before.time)
