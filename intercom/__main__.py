"""`python -m intercom` and the command `intercom`."""

from intercom.cli import cli


def main() -> None:
    """Run the command line; it ends the process with one of the exit codes that --help lists."""
    cli(prog_name="intercom")


if __name__ == "__main__":
    main()
