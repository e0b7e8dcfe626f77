"""What one fork of a call of ours has said before any final (RFC 3261 §12.1, RFC 3262 §4)."""

from intercom.sip.dialog import Dialog
from intercom.sip.message import Response
from intercom.sip.option_tags import words_of
from intercom.sip.session import Due, Session


class EarlyDialog:
    """An early dialog: its state, the last reliable provisional, and its answer to our offer."""

    __slots__ = ("_rseq", "dialog", "preview", "session")

    def __init__(self, dialog: Dialog, offer: bytes) -> None:
        self.dialog = dialog
        self.session = Session()
        if offer:
            self.session.offer(offer)
        self.preview = b""
        """The newest SDP of a provisional that was not reliable: shown, not yet binding."""
        self._rseq: int | None = None

    def accept(self, response: Response) -> bool:
        """Take a provisional; False when it is repeated, or comes before one that is missing."""
        rseq = rseq_of(response)
        if rseq is not None:
            if self._rseq is not None and rseq != self._rseq + 1:
                return False
            self._rseq = rseq
        self._read(response, is_reliable=rseq is not None)
        return True

    def _read(self, response: Response, *, is_reliable: bool) -> None:
        if not response.body:
            return
        if not is_reliable:
            self.preview = response.body
        elif self.session.due is Due.THEIR_ANSWER and not self.session.is_agreed:
            self.session.receive_answer(response.body)

    def confirm(self, response: Response, dialog: Dialog) -> None:
        """Take the 2xx: the dialog as it makes it, going on with the numbers of this one.

        The first answer that came reliably counts, and what a 2xx then repeats is ignored (RFC 3261
        §13.2.1). A 2xx without any is made good by the preview: some gateways answer so.
        """
        dialog.local_cseq = max(dialog.local_cseq, self.dialog.local_cseq)
        dialog.remote_cseq = self.dialog.remote_cseq
        self.dialog = dialog
        if not self.session.is_agreed:
            self.session.receive_answer(response.body or self.preview)


def rseq_of(response: Response) -> int | None:
    """Read RSeq; None for a provisional that is not reliable."""
    required = words_of(response, "require")
    value = response.first("rseq") or ""
    is_number = value.isascii() and value.isdigit() and len(value) <= 10
    is_reliable = is_number and "100rel" in required and 100 < response.status < 200
    return int(value) if is_reliable else None
