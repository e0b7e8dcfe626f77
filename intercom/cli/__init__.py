"""The command line: `intercom`."""

from intercom.cli.commands import cli

__all__ = ["cli"]
