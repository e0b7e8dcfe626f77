"""What a message proves before it is parsed: that its sender has heard from us at its address.

It is asked only in a flood (`SourceGuard`), and its answer opens nothing: the message is then processed as any other.
"""

import re
from collections.abc import Callable

from intercom.sip.address import Address
from intercom.sip.core import Core

_NONCE = re.compile(rb'\bnonce="([0-9a-f]{16,64})"')
# Possessive quantifiers: it is asked in floods, so no input may make these backtrack.
_VIA = re.compile(
    rb"\n(?:via|v)[ \t]*+:[ \t]*+SIP[ \t]*+/[^\s;,]*+[ \t]++([^\s;,]++)[^\r\n,]*?;[ \t]*+branch=([^\s;,]++)",
    re.IGNORECASE,
)
_TO_TAG = re.compile(rb"\n(?:to|t)[ \t]*:[^\r\n]*;[ \t]*tag=([^\s;]+)", re.IGNORECASE)
_FROM_TAG = re.compile(rb"\n(?:from|f)[ \t]*:[^\r\n]*;[ \t]*tag=([^\s;]+)", re.IGNORECASE)
_CALL_ID = re.compile(rb"\n(?:call-id|i)[ \t]*:[ \t]*([^\s]+)", re.IGNORECASE)
_MAX_HEAD_BYTES = 4_096
"""Beyond this nothing is looked for."""
_MAX_NONCES = 3


class Proofs:
    """Looks for what only somebody who received our messages can know."""

    def __init__(self, core: Core, is_nonce_fresh: Callable[[str, str, float], bool]) -> None:
        """Build it; `is_nonce_fresh` is told nonce, host and now."""
        self._core = core
        self._is_nonce_fresh = is_nonce_fresh

    def holds(self, data: bytes, source: Address, now: float) -> bool:
        """Tell whether a message proves its source."""
        head = b"\n" + data[:_MAX_HEAD_BYTES]
        core = self._core
        return (
            (core.layer.size > 0 and self._is_transaction(head))
            or (len(core.usages_by_tag) > 0 and self._is_dialog(head))
            or (b'nonce="' in head and self._has_nonce(head, source, now))
        )

    def _is_transaction(self, head: bytes) -> bool:
        """Find the transaction: ours by its branch, or the peer's that we answer already."""
        match = _VIA.search(head)
        if match is None:
            return False
        return self._core.layer.knows(match[2].decode("latin-1"), match[1].decode("latin-1"))

    def _is_dialog(self, head: bytes) -> bool:
        """Find the dialog by its Call-ID and our tag."""
        call_id = _CALL_ID.search(head)
        tag = (_FROM_TAG if head.startswith(b"\nSIP/") else _TO_TAG).search(head)
        if call_id is None or tag is None:
            return False
        key = call_id[1].decode("latin-1"), tag[1].decode("latin-1")
        return key in self._core.usages_by_tag

    def _has_nonce(self, head: bytes, source: Address, now: float) -> bool:
        nonces = (match[1].decode() for match in _NONCE.finditer(head))
        return any(
            self._is_nonce_fresh(nonce, source.host, now)
            for nonce, _ in zip(nonces, range(_MAX_NONCES), strict=False)
        )
