"""SIP over a stream: where one message ends and the next begins (RFC 3261 §18.3, RFC 5626 §3.5.1)."""

import re

from intercom.errors import RemoteProtocolError
from intercom.sip.message import MAX_HEADERS, MAX_MESSAGE_BYTES

PING = b"\r\n\r\n"
"""Between two messages: the peer wants a `PONG`."""
PONG = b"\r\n"
MAX_HEAD_BYTES = 16_384
_END = b"\r\n\r\n"
_LENGTH = re.compile(
    rb"^(?:content-length|l)[ \t]*+:[ \t]*+(?:\r?\n[ \t]++)?([^\r\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_MAX_DIGITS = 10
_FIRST_BYTES = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"
)
"""A method is a token (RFC 3261 §25.1; RFC 4475 §3.1.1.2 has one that begins with "!")."""


class StreamFramer:
    """Cuts one connection's bytes into messages, in whatever pieces they come.

    A message without a length that can be believed is still handed out, without a body, so that its
    sender gets an answer; nothing can be read after it.
    """

    __slots__ = ("_buffer", "_error", "_has_blank_line", "_searched", "_size")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        """So much of the buffer holds no end of a head."""
        self._size = 0
        """Of the message whose head is there and whose body is not: it is read once, not at each piece."""
        self._has_blank_line = False
        """One CRLF came where a message may begin."""
        self._error: RemoteProtocolError | None = None

    @property
    def is_broken(self) -> bool:
        """Tell whether the stream cannot be followed any more: `receive` raises from now on."""
        return self._error is not None

    @property
    def is_within_message(self) -> bool:
        """Tell whether a message has begun and not ended."""
        return bool(self._buffer)

    def receive(self, data: bytes) -> list[bytes]:
        """Return the messages that are complete now, and `PING` for each ping.

        Raises RemoteProtocolError once the stream cannot be followed, but not before all that was
        complete by then has been returned.
        """
        messages: list[bytes] = []
        if self._error is None:
            self._buffer += data
            try:
                while (message := self._next()) is not None:
                    messages.append(message)
            except RemoteProtocolError as error:
                self._break(error)
        if self._error is not None and not messages:
            raise self._error
        return messages

    def _next(self) -> bytes | None:
        if not self._size:
            if self._skip_blank_line():
                return PING
            self._read_head()
        if not self._size or len(self._buffer) < self._size:
            return None
        return self._take(self._size)

    def _read_head(self) -> None:
        """Find out how long the message is, once its head is there."""
        buffer = self._buffer
        if not buffer:
            return
        if buffer[0] not in _FIRST_BYTES:
            if buffer == b"\r":
                return
            raise RemoteProtocolError("no message begins like this")
        self._has_blank_line = False
        end = buffer.find(_END, self._searched, MAX_HEAD_BYTES)
        if end < 0:
            if len(buffer) >= MAX_HEAD_BYTES:
                raise RemoteProtocolError("headers too long", status_hint=513)
            self._searched = max(0, len(buffer) - len(_END) + 1)
            return
        self._size = self._size_of(end)

    def _skip_blank_line(self) -> bool:
        """Drop a CRLF between messages; tell whether it is the second one: a ping."""
        buffer = self._buffer
        while buffer.startswith(b"\r\n"):
            del buffer[:2]
            self._has_blank_line = not self._has_blank_line
            if not self._has_blank_line:
                return True
        return False

    def _size_of(self, end: int) -> int:
        """Tell how long the message is whose head ends there."""
        head = bytes(self._buffer[: end + 2])
        if head.count(b"\n") > MAX_HEADERS + 1:
            raise RemoteProtocolError("too many headers", status_hint=513)
        lengths = {value.strip() for value in _LENGTH.findall(head)}
        text = lengths.pop() if len(lengths) == 1 else b""
        size = end + len(_END)
        if not text.isdigit() or len(text) > _MAX_DIGITS:
            self._break(RemoteProtocolError("no Content-Length on a stream"))
        elif size + int(text) > MAX_MESSAGE_BYTES:
            self._break(RemoteProtocolError("message too long", status_hint=513))
        else:
            size += int(text)
        return size

    def _take(self, size: int) -> bytes:
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._searched = self._size = 0
        if self._error is not None:
            self._buffer.clear()
        return message

    def _break(self, error: RemoteProtocolError) -> None:
        self._error = error
