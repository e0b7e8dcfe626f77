"""Key frames asked for by SIP INFO (RFC 5168), of panels that know no feedback by RTCP.

They are asked once their call is answered: an INFO has no place before (RFC 6086 §4). One that refuses
is asked no more in this call, and one that says nothing loses nothing by it.
"""

from intercom.adapters.sip.transport import SipTransport
from intercom.media.leg import MediaLeg
from intercom.sip.events import DialogId

PICTURE_CONTROL = "application/media_control+xml"
_FAST_UPDATE = (
    b'<?xml version="1.0" encoding="utf-8"?>\r\n<media_control><vc_primitive><to_encoder>'
    b"<picture_fast_update/></to_encoder></vc_primitive></media_control>\r\n"
)


class PictureControl:
    """One call's."""

    def __init__(self, transport: SipTransport, dialog: DialogId, media: MediaLeg) -> None:
        """Listen to what its leg wants."""
        self._transport = transport
        self._dialog = dialog
        self._media = media
        self._is_refused = False
        media.on_key_frame_wanted = self.ask

    def ask(self) -> None:
        """Ask for a key frame, where that is the panel's way."""
        if self._is_refused or self._media.picture_feedback & {"nack pli", "ccm fir"}:
            return
        self._transport.endpoint.send_info(
            self._dialog, self._transport.now, PICTURE_CONTROL, _FAST_UPDATE, is_vital=False
        )
        self._transport.drain()

    def answered(self, status: int) -> None:
        """Take the answer."""
        self._is_refused = self._is_refused or status >= 300
