"""Which devices of a resident are there now, of every kind."""

from typing_extensions import override

from intercom.adapters.sip.registered import RegisteredPhones
from intercom.ports import Presence
from intercom.routing.ids import ResidentId
from intercom.routing.plan import OnlineDevice
from intercom.web.signaling import AppHub


class DevicesOnline(Presence):
    """Apps that are connected, and SIP phones that are registered."""

    def __init__(self, apps: AppHub, phones: RegisteredPhones) -> None:
        self._apps = apps
        self._phones = phones

    @override
    def online(self, resident_id: ResidentId) -> tuple[OnlineDevice, ...]:
        """List them, the apps first."""
        return (*self._apps.online(resident_id), *self._phones.online(resident_id))
