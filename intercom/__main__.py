"""`python -m intercom` and the command `intercom`."""

import os

# Before anything imports numpy: a thread pool would cost more than the small products that it is given.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from intercom.cli import cli


def main() -> None:
    """Run the command line; it ends the process with one of the exit codes that --help lists."""
    cli(prog_name="intercom")


if __name__ == "__main__":
    main()
