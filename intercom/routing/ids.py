"""The identifiers of the service: plain strings that mypy keeps apart."""

from typing import NewType

CallId = NewType("CallId", str)
LegId = NewType("LegId", str)
CommandId = NewType("CommandId", str)
"""One attempt to open a door; a repeated id never pulses a relay twice."""
PropertyId = NewType("PropertyId", str)
PanelId = NewType("PanelId", str)
DoorId = NewType("DoorId", str)
DoorbellId = NewType("DoorbellId", str)
ResidentId = NewType("ResidentId", str)
"""The resident's username."""
DeviceId = NewType("DeviceId", str)
"""One log-in of an app, or a SIP phone of a resident."""
TrunkId = NewType("TrunkId", str)
LogId = NewType("LogId", str)
"""The event log of one commercial property, for as long as it has one; never used a second time."""
