"""The panel's SIP side: registers, calls the router for a button, carries the call to its end.

press ─► INVITE ─► 100 ─► 183 + SDP: sound and picture flow ─► 200: talk ─► BYE
└► CANCEL, or a final ≥ 300
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import quote

from firmware_sim.call_media import CallMedia, OnHeard, open_call_media
from firmware_sim.camera import Camera, Picture
from firmware_sim.process import now_ms
from firmware_sim.sip_socket import SipSocket, open_sip_socket, token
from intercom.errors import RemoteProtocolError
from intercom.sip.address import Address, host_port
from intercom.sip.endpoint import Credentials, Endpoint, EndpointConfig
from intercom.sip.events import (
    BindingChanged,
    DialogEnded,
    DialogId,
    InfoAnswered,
    InfoReceived,
    InviteAnswered,
    InviteCancelled,
    InviteConfirmed,
    InviteFailed,
    InviteProgressed,
    InviteReceived,
    OfferAnswered,
    OptionsAnswered,
    OptionsFailed,
    RegistrationFailed,
    RegistrationSucceeded,
    ReinviteAnswered,
    ReinviteFailed,
    ReinviteReceived,
    SipEvent,
)
from intercom.sip.offer_answer import make_answer, make_offer, read_answer

USER_AGENT = "Open Intercom panel simulator"
REGISTRATION_S = 300
KEPT_CALLS = 50
BUSY = 486
USER_UNRESERVED = "&=+$,;?/!*'()"  # RFC 3261 §25.1, besides what `quote` never escapes


class CallPhase(Enum):
    CALLING = "calling"
    EARLY = "early"
    """Sound and picture flow; nobody has answered."""
    TALKING = "talking"
    ENDED = "ended"


@dataclass(slots=True, eq=False)
class PanelCall:
    """One press and what became of it. Stamps are CLOCK_MONOTONIC in ms."""

    button: str
    media: CallMedia
    offer: bytes
    stamps: dict[str, int]
    """press, response, 100, 183, 200, ended, and what the panel adds."""
    phase: CallPhase = CallPhase.CALLING
    ended_status: int | None = None
    ended_reason: str = ""
    states: list[dict[str, object]] = field(default_factory=list)
    """What the router said over the panel link meanwhile."""

    def stamp(self, name: str) -> None:
        """Write down when something happened first."""
        self.stamps.setdefault(name, now_ms())

    @property
    def is_over(self) -> bool:
        return self.phase is CallPhase.ENDED


@dataclass(frozen=True, slots=True)
class SipAccount:
    """The panel's account with the router."""

    server: Address
    panel_id: str
    password: str


class PanelPhone:
    """All calls of the panel; the last one is on the screen. Made by `open_panel_phone`."""

    def __init__(
        self,
        account: SipAccount,
        camera: Camera,
        *,
        on_heard: OnHeard,
        on_change: Callable[[PanelCall], None],
    ) -> None:
        self.is_registered = False
        self.is_cut_off = False
        """Fault: no SIP datagram comes or goes."""
        self.calls: list[PanelCall] = []
        """The last calls, oldest first."""
        self._account = account
        self._camera = camera
        self._on_heard = on_heard
        self._on_change = on_change
        self._dialogs: dict[DialogId, PanelCall] = {}
        self._sip: SipSocket

    @property
    def live_calls(self) -> list[PanelCall]:
        return list(self._dialogs.values())

    @property
    def current(self) -> PanelCall | None:
        """The newest call that is not over."""
        return self.live_calls[-1] if self._dialogs else None

    def begin(self, sip: SipSocket) -> None:
        """Register over a socket."""
        self._sip = sip
        sip.is_lost = self._watch
        sip.endpoint.register(
            sip.now,
            registrar=self._account.server,
            aor=self._uri_of(self._account.panel_id),
            credentials=self._credentials,
            expires_s=REGISTRATION_S,
        )
        sip.flush()

    async def press(self, button: str) -> PanelCall:
        """Call the router for a button; an earlier call goes on until the router ends it."""
        stamps = {"press": now_ms()}
        media = await open_call_media(
            self._sip.local.host,
            on_heard=self._on_heard,
            on_key_frame_wanted=self._camera.request_key_frame,
        )
        call = PanelCall(button, media, make_offer(media.local), stamps)
        dialog = self._sip.endpoint.invite(
            self._sip.now,
            target=self._uri_of(button),
            destination=self._account.server,
            from_uri=self._uri_of(self._account.panel_id),
            body=call.offer,
            credentials=self._credentials,
        )
        self._dialogs[dialog] = call
        self.calls = [*self.calls, call][-KEPT_CALLS:]
        self._sip.flush()
        self._on_change(call)
        return call

    def hang_up(self) -> None:
        """Cancel or end every call."""
        for dialog, call in list(self._dialogs.items()):
            if call.phase is CallPhase.TALKING:
                self._sip.endpoint.hang_up(dialog, self._sip.now)
                self._end(dialog, None, "hung up here")
            else:
                self._sip.endpoint.cancel(dialog, self._sip.now)
        self._sip.flush()

    def abandon(self, call: PanelCall) -> None:
        """Give up a call that nothing answers, so that it cannot ring later on either."""
        dialog = next((known for known, other in self._dialogs.items() if other is call), None)
        if dialog is not None:
            self._sip.endpoint.cancel(dialog, self._sip.now)
            self._sip.flush()
            self._end(dialog, None, "no router")

    def send_picture(self, picture: Picture) -> None:
        """Send a picture in every call."""
        for call in self.live_calls:
            call.media.send_picture(picture)

    def handle(self, event: SipEvent) -> None:
        """Take in what the endpoint tells."""
        match event:
            case RegistrationSucceeded(_, expires_s):
                self.is_registered = expires_s > 0
            case RegistrationFailed():
                self.is_registered = False
            case InviteReceived(dialog):
                self._sip.endpoint.respond(dialog, self._sip.now, BUSY)
            case InfoReceived(_, "application/media_control+xml"):  # RFC 5168: a key frame
                self._camera.request_key_frame()
            case ReinviteAnswered() | ReinviteFailed() | OfferAnswered() | InfoReceived():
                pass  # none of ours, or none that we know
            case InviteCancelled() | InviteConfirmed() | BindingChanged() | InfoAnswered():
                pass  # of the roles that a panel does not play
            case OptionsAnswered() | OptionsFailed():
                pass  # of the roles that a panel does not play
            case _:
                self._handle_in_call(event)

    def _handle_in_call(
        self,
        event: InviteProgressed | InviteAnswered | InviteFailed | DialogEnded | ReinviteReceived,
    ) -> None:
        call = self._dialogs.get(event.dialog)
        if call is None:
            return  # the end of a call that we have hung up ourselves
        match event:
            case InviteProgressed(_, status, body):
                self._go_on(call, str(status), CallPhase.EARLY, body)
            case InviteAnswered(_, body):
                self._go_on(call, "200", CallPhase.TALKING, body)
            case InviteFailed(dialog, status, reason):
                self._end(dialog, status, reason)
            case DialogEnded(dialog, reason):
                self._end(dialog, None, reason)
            case ReinviteReceived(dialog, body):
                self._renegotiate(call, dialog, body)

    def _go_on(self, call: PanelCall, stamp: str, phase: CallPhase, body: bytes) -> None:
        call.stamp(stamp)
        if body:
            try:
                call.media.update(read_answer(call.offer, body))
            except RemoteProtocolError as error:
                call.ended_reason = str(error)
            else:
                self._camera.start()
        if body or phase is CallPhase.TALKING:
            call.phase = phase
        self._on_change(call)

    def _renegotiate(self, call: PanelCall, dialog: DialogId, offer: bytes) -> None:
        endpoint, now = self._sip.endpoint, self._sip.now
        try:
            answer, negotiated = make_answer(offer, call.media.local)
        except RemoteProtocolError as error:
            endpoint.respond(dialog, now, error.status_hint)
            return
        call.media.update(negotiated)
        endpoint.respond(dialog, now, 200, body=answer)

    def _end(self, dialog: DialogId, status: int | None, reason: str) -> None:
        call = self._dialogs.pop(dialog)
        call.phase = CallPhase.ENDED
        call.ended_status, call.ended_reason = status, reason
        call.stamp("ended")
        call.media.close()
        if not self._dialogs:
            self._camera.stop()
        self._on_change(call)

    def _watch(self, datagram: bytes) -> bool:
        """Stamp the first responses, which the endpoint keeps to itself; True loses a datagram."""
        if self.is_cut_off:
            return True
        if datagram.startswith(b"SIP/2.0 ") and b" INVITE" in datagram and self.current:
            self.current.stamp("response")
            if datagram.startswith(b"SIP/2.0 100"):
                self.current.stamp("100")
        return False

    @property
    def _credentials(self) -> Credentials:
        return Credentials(self._account.panel_id, self._account.password)

    def _uri_of(self, user: str) -> str:
        return f"sip:{quote(user, safe=USER_UNRESERVED)}@{host_port(self._account.server)}"


@contextlib.asynccontextmanager
async def open_panel_phone(host: str, port: int, phone: PanelPhone) -> AsyncIterator[SipSocket]:
    """Register the panel's phone while the context lasts; ends its calls afterwards."""

    def build(local: Address) -> Endpoint:
        config = EndpointConfig(
            local=local,
            user_agent=USER_AGENT,
            password_of=lambda _: None,
            is_trusted=lambda _address, _user: False,
        )
        return Endpoint(config, token=token)

    async with open_sip_socket(host, port, build, phone.handle) as sip:
        phone.begin(sip)
        try:
            yield sip
        finally:
            phone.hang_up()
