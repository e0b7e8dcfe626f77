"""Debian's libspandsp2 as a carrier's own detector: a stream of sound in, digits out."""

import ctypes
import ctypes.util

_NAME = ctypes.util.find_library("spandsp")
IS_THERE = _NAME is not None


def _library():
    lib = ctypes.CDLL(_NAME)
    lib.dtmf_rx_init.restype = ctypes.c_void_p
    lib.dtmf_rx_init.argtypes = [ctypes.c_void_p] * 3
    lib.dtmf_rx.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    lib.dtmf_rx_get.restype = ctypes.c_size_t
    lib.dtmf_rx_get.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    lib.dtmf_rx_free.argtypes = [ctypes.c_void_p]
    return lib


class DtmfReceiver:
    """One receiver, as it comes; `close` it."""

    def __init__(self):
        self._lib = _library()
        self._state = self._lib.dtmf_rx_init(None, None, None)

    def hear(self, pcm: bytes) -> str:
        """Take the next sound and tell the digits that were found since."""
        self._lib.dtmf_rx(self._state, pcm, len(pcm) // 2)
        room = ctypes.create_string_buffer(129)
        self._lib.dtmf_rx_get(self._state, room, 128)
        return room.value.decode()

    def close(self):
        self._lib.dtmf_rx_free(self._state)


def digits(pcm: bytes) -> str:
    """Tell all digits of a recording."""
    receiver = DtmfReceiver()
    try:
        return "".join(receiver.hear(pcm[at : at + 320]) for at in range(0, len(pcm), 320))
    finally:
        receiver.close()
