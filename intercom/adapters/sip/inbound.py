"""Whoever calls our number back hears one sentence and is hung up (requirement B11).

No call, no press, no routing; no digit counts, and nothing is kept or written about the caller.
Sound flows only after the ACK: whoever forged the carrier's address never gets any.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from intercom.adapters.sip.announcement import Announcement
from intercom.adapters.sip.media_place import MediaPlace, MediaPlaces, local_media
from intercom.adapters.sip.transport import SipTransport
from intercom.errors import MediaError, RemoteProtocolError
from intercom.media import prompts
from intercom.media.plain import PlainLeg
from intercom.routing.directory import Directory
from intercom.routing.ids import LegId
from intercom.sip.address import Transport
from intercom.sip.agreement import Negotiated, Srtp
from intercom.sip.codec import Codec
from intercom.sip.description import Description
from intercom.sip.events import (
    DialogEnded,
    DialogId,
    InviteCancelled,
    InviteConfirmed,
    InviteReceived,
    ReinviteReceived,
    SipEvent,
)

log = structlog.get_logger()

AT_ONCE = 10
"""More callers than that at once are turned away: 486."""
LIMIT_S = 15.0
ACK_LIMIT_S = 4.0
"""For the ACK to our 200, which a carrier sends at once: a forged address never sends one."""
BEFORE_WORDS_S = 0.5
"""A telephone network opens its way for sound a moment after the answer."""
CODECS = (Codec.PCMA, Codec.PCMU)
DEFAULT_LANGUAGE = "nb"


@dataclass(slots=True)
class _Caller:
    dialog: DialogId
    host: str
    media: PlainLeg
    description: Description
    negotiated: Negotiated | None
    """None until the ACK brings the answer to our offer."""
    words: Announcement
    limit: asyncio.TimerHandle | None = field(default=None)


class InboundCalls:
    """Answers calls to our number; `transport.on_invite` brings them."""

    def __init__(
        self,
        transport: SipTransport,
        places: MediaPlaces,
        *,
        directory: Callable[[], Directory],
        token: Callable[[int], str],
    ) -> None:
        self._transport = transport
        self._places = places
        self._directory = directory
        self._token = token
        self._callers: dict[DialogId, _Caller] = {}

    @property
    def count(self) -> int:
        """How many hear the sentence now."""
        return len(self._callers)

    def invite_received(self, event: InviteReceived) -> None:
        """Answer, or turn away."""
        if self.count >= AT_ONCE:
            self._respond(event.dialog, 486)
            return
        place = self._places.toward(event.source.host)
        try:
            media = PlainLeg.open(LegId(f"caller-{self._token(12)}"), place.ports, with_video=False)
        except MediaError:
            self._respond(event.dialog, 503)
            return
        try:
            self._answer(event, media, place)
        except RemoteProtocolError as error:
            media.close()
            self._respond(event.dialog, error.status_hint)

    def stop(self) -> None:
        """Hang everybody up: the service stops."""
        for caller in list(self._callers.values()):
            self._hang_up(caller)

    def _answer(self, event: InviteReceived, media: PlainLeg, place: MediaPlace) -> None:
        is_secure = event.source.transport is Transport.TLS
        srtp = Srtp.OFF if not event.body and not is_secure else Srtp.OPTIONAL
        local = local_media(place.host, media, codecs=CODECS, srtp=srtp, token=self._token)
        description = Description(local)
        negotiated = None
        if event.body:
            body, negotiated = description.answer(event.body)
        else:
            body = description.offer()
        pcm = self._sentence()
        words = Announcement(media, pcm, limit_s=LIMIT_S)
        caller = _Caller(event.dialog, event.source.host, media, description, negotiated, words)
        loop = asyncio.get_running_loop()
        caller.limit = loop.call_later(ACK_LIMIT_S, self._hang_up, caller)
        self._callers[event.dialog] = caller
        self._transport.follow(
            event.dialog,
            lambda its: self._dialog_event(caller, its),
            leg_id=f"caller-{event.dialog}",
            label="somebody who calls back",
        )
        self._respond(event.dialog, 200, body)

    def _dialog_event(self, caller: _Caller, event: SipEvent) -> None:
        match event:
            case InviteConfirmed(body=body):
                self._confirmed(caller, body)
            case InviteCancelled() | DialogEnded():
                self._drop(caller)
            case ReinviteReceived(body=body):
                self._renegotiate(caller, body)
            case _:  # an INFO with a digit, above all: it never counts
                pass

    def _confirmed(self, caller: _Caller, body: bytes) -> None:
        if caller.media.is_ready:
            return
        if caller.limit is not None:
            caller.limit.cancel()
        caller.limit = asyncio.get_running_loop().call_later(LIMIT_S, self._hang_up, caller)
        try:
            agreed = caller.negotiated or caller.description.read(body)
        except RemoteProtocolError:
            self._hang_up(caller)
            return
        caller.media.start(agreed, signalling_host=caller.host)
        caller.words.start(lambda: self._hang_up(caller), after_s=BEFORE_WORDS_S)

    def _renegotiate(self, caller: _Caller, offer: bytes) -> None:
        if not caller.media.is_ready:  # an UPDATE that overtook the ACK: try again
            self._respond(caller.dialog, 491)
            return
        if not offer:
            self._respond(caller.dialog, 200, caller.description.offer())
            return
        try:
            body, negotiated = caller.description.answer(offer)
        except RemoteProtocolError as error:
            self._respond(caller.dialog, error.status_hint)
            return
        caller.media.update(negotiated)
        self._respond(caller.dialog, 200, body)

    def _hang_up(self, caller: _Caller) -> None:
        self._drop(caller)
        self._transport.endpoint.hang_up(caller.dialog, self._transport.now)
        self._transport.drain()

    def _drop(self, caller: _Caller) -> None:
        self._callers.pop(caller.dialog, None)
        self._transport.forget(caller.dialog)
        caller.words.stop()
        if caller.limit is not None:
            caller.limit.cancel()
        caller.media.close()

    def _respond(self, dialog: DialogId, status: int, body: bytes = b"") -> None:
        self._transport.endpoint.respond(dialog, self._transport.now, status, body=body)
        self._transport.drain()

    def _sentence(self) -> bytes:
        """Say it in the house's language; a caller's is not known."""
        house = next(iter(self._directory().properties.values()), None)
        words = prompts.Words.NO_CALLBACK
        return prompts.load(words, DEFAULT_LANGUAGE) if house is None else prompts.say(words, house)
