"""The apps' frames about keys: a wish to open a door without a call, and what came of it."""

from collections.abc import Mapping
from functools import partial

from intercom.keys import KeyResult, Keys
from intercom.ports import AppChannel
from intercom.routing.ids import DeviceId, DoorId, ResidentId


class AppKeys:
    """Takes `key` frames of logged-in apps."""

    def __init__(self, channel: AppChannel, keys: Keys) -> None:
        self._channel = channel
        self._keys = keys

    def message(
        self, resident_id: ResidentId, device_id: DeviceId, message: Mapping[str, str]
    ) -> None:
        """Take one wish; the app is told by `key_result`, over whichever connection it has then."""
        wish_id = message["id"]
        tell = partial(self._tell, device_id, wish_id)
        self._keys.turn(resident_id, DoorId(message["door"]), wish_id, tell)

    def _tell(self, device_id: DeviceId, wish_id: str, result: KeyResult) -> None:
        message = {
            "type": "key_result",
            "id": wish_id,
            "state": result.state.value,
            "cause": result.cause,
            "pulse_ms": result.pulse_ms,
        }
        self._channel.send(device_id, message)
