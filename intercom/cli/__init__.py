"""The command line: `intercom`."""

from intercom.cli.building_commands import export, export_building, import_building
from intercom.cli.check_number import check_number
from intercom.cli.commands import cli
from intercom.cli.database_commands import backup, migrate, restore
from intercom.cli.invite_operator import invite_operator
from intercom.cli.prompt import prompt
from intercom.cli.sip_trace import sip_trace

cli.add_command(check_number)
cli.add_command(backup)
cli.add_command(export)
cli.add_command(export_building)
cli.add_command(import_building)
cli.add_command(invite_operator)
cli.add_command(migrate)
cli.add_command(prompt)
cli.add_command(restore)
cli.add_command(sip_trace)

__all__ = ["cli"]
