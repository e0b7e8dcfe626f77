"""A PostgreSQL server of the tests' own: in a temporary folder, on a unix socket alone."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
_USER = "postgres"
_OPTIONS = (
    "-c listen_addresses='' -c fsync=off -c full_page_writes=off"
    " -c shared_buffers=32MB -c max_connections=60 -c log_min_messages=error"
)


def is_installed() -> bool:
    """Tell whether there is a server that may be started here."""
    return bool(_PROGRAMS) and (os.geteuid() != 0 or _user() is not None)


class PostgresServer:
    """A server that can be stopped and started again, with its databases."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"

    def url(self, name: str) -> str:
        """Give a database's address as INTERCOM_DATABASE takes it."""
        return f"postgresql://{_USER}@/{name}?host={self.folder}"

    def initialise(self) -> None:
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", _USER, "-E", "UTF8", "-N")

    def start(self) -> None:
        options = f"{_OPTIONS} -k {self.folder}"
        log = self.folder / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop at once; connections are cut."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def sql(self, statement: str) -> None:
        """Run a statement as the server's administrator."""
        self._run("psql", "-h", self.folder, "-U", _USER, "-q", "-c", statement, "postgres")

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(_PROGRAMS[-1] / program), *map(str, arguments)]
        user = _USER if os.geteuid() == 0 else None  # initdb refuses root
        done = subprocess.run(
            command,
            user=user,
            group=user,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')}"


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server while the context lasts."""
    folder = Path(tempfile.mkdtemp(prefix="intercom-pg-"))  # short: a socket's path has a limit
    if os.geteuid() == 0:
        os.chown(folder, *_user()[2:4])
    server = PostgresServer(folder)
    try:
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            if (folder / "data" / "postmaster.pid").exists():
                server.stop()
    finally:
        shutil.rmtree(folder)


def _user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        return None
