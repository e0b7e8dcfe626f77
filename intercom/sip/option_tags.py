"""Lists of words: the option tags of Supported and Require (RFC 3261 §19.2), the methods of Allow."""

from intercom.errors import RemoteProtocolError
from intercom.sip.message import Message


def words_of(message: Message, key: str) -> frozenset[str]:
    """Return a header's words in lower case; none where it cannot be read.

    What a peer can do is never worth losing its message for.
    """
    if key not in message.headers:
        return frozenset()
    try:
        return frozenset(word.lower() for word in message.listed(key))
    except RemoteProtocolError:
        return frozenset()


def has_tag(message: Message, tag: str) -> bool:
    """Tell whether the sender knows an extension."""
    return tag in words_of(message, "supported") or tag in words_of(message, "require")
