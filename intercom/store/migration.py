"""The shape of the tables: which one a database has, and the way to this version's."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert

from intercom.errors import ConfigError
from intercom.store.models import Base, Revision

_FOLDER: Final = Path(__file__).parent / "migrations"


def config() -> Config:
    """Tell Alembic where the migrations are."""
    made = Config()
    made.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    made.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    made.set_main_option("path_separator", "os")
    return made


def versions() -> frozenset[str]:
    """Name every shape that this program knows."""
    return frozenset(each.revision for each in _scripts().walk_revisions())


def version_of(connection: Connection) -> str | None:
    """Tell a database's version; None: it has no tables yet."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """Tell this program's own version of the tables."""
    head = _scripts().get_current_head()
    assert head is not None, "there is one migration at least"
    return head


def check_known(version: str | None) -> None:
    """Raise ConfigError for a version that this program does not know."""
    if version is not None and version not in versions():
        msg = (
            f"The database was written by a newer Open Intercom (its shape is {version}, and this"
            f" one knows {newest()} at most): install the newer one again, or restore a backup that"
            " was made before by `intercom restore`"
        )
        raise ConfigError(msg)


def upgrade(connection: Connection) -> None:
    """Bring the tables to this program's shape within the connection's transaction."""
    check_known(version_of(connection))
    given = config()
    given.attributes["connection"] = connection
    command.upgrade(given, "head")


def make_all_tables(connection: Connection) -> None:
    """Make the tables of an empty database from the models at once."""
    Base.metadata.create_all(connection)
    connection.execute(insert(Revision).values(id=1, number=0))
    MigrationContext.configure(connection).stamp(_scripts(), "head")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())
