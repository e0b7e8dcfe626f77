"""Offer and answer in one dialog (RFC 3264): the descriptions in force, and whose answer is due.

What the descriptions say is for `offer_answer`; here they are bytes.
"""

from enum import Enum


class Due(Enum):
    """What the newest offer waits for."""

    NOTHING = "nothing"
    OUR_ANSWER = "our answer"
    THEIR_ANSWER = "their answer"


class Session:
    """The last description of either side that was agreed on, and the offer that is open."""

    __slots__ = ("_is_local_offer", "_offer", "due", "is_agreed", "local", "remote")

    def __init__(self) -> None:
        self.local = b""
        """Our description in force."""
        self.remote = b""
        self.due = Due.NOTHING
        self.is_agreed = False
        """At least one offer was answered."""
        self._offer = b""
        self._is_local_offer = False

    def offer(self, body: bytes) -> None:
        """Take note of an offer of ours."""
        self._offer, self.due = body, Due.THEIR_ANSWER

    def receive_offer(self, body: bytes) -> None:
        """Take the peer's offer."""
        self._offer, self.due = body, Due.OUR_ANSWER

    def answer(self, body: bytes) -> None:
        """Take note of our answer."""
        self._agree(body, self._offer, is_local_offer=False)

    def receive_answer(self, body: bytes) -> None:
        """Take the peer's answer."""
        self._agree(self._offer, body, is_local_offer=True)

    def roll_back(self) -> None:
        """Drop the open offer, for it was refused: all is as it was (RFC 3261 §14.1)."""
        self._offer, self.due = b"", Due.NOTHING

    def is_repetition(self, offer: bytes) -> bool:
        """Tell whether an offer changes nothing, so that our last description is the answer.

        Every byte counts, not only the version in `o=`: there are panels that forget to count up.
        An offer of ours that held keys is no answer, which must choose one (RFC 4568 §5.1.2).
        """
        is_usable = not (self._is_local_offer and b"a=crypto:" in self.local)
        return self.is_agreed and is_usable and bool(self.local) and offer == self.remote

    def _agree(self, local: bytes, remote: bytes, *, is_local_offer: bool) -> None:
        self.local, self.remote = local, remote
        self._is_local_offer = is_local_offer
        self.is_agreed = True
        self.roll_back()
