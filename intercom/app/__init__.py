"""The composition root: builds every object, owns the root TaskGroup, the signals and the stop."""

from intercom.app.service import Service, running, serve

__all__ = ["Service", "running", "serve"]
