"""The command line: `intercom`."""

from intercom.cli.commands import cli
from intercom.cli.prompt import prompt
from intercom.cli.sip_trace import sip_trace

cli.add_command(prompt)
cli.add_command(sip_trace)

__all__ = ["cli"]
