"""The settings of what is kept, where, and of the mails that go out."""

import os
from pathlib import Path

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings

from intercom.settings.kinds import (
    HostAndPort,
    MailAddress,
    MailSecurity,
    check_database,
    setting,
    sqlalchemy_url,
)

_UNIX_PATH_BYTES = 107  # Linux unix(7): sun_path holds 108 with the closing NUL
DATABASE_FILE = "intercom.db"


class KeepingSettings(BaseSettings):
    """What the service keeps, and whom it writes to by mail."""

    building_file: Path | None = setting(
        None,
        "The building as a file: doors, panels, doorbells, residents and trunks. With it there is no"
        " Webadmin and nothing is kept in a database; without it the database is the building.",
        "give the path of a building file; examples/building.toml explains one line by line",
    )
    state_dir: Path = setting(
        Path("var"),
        "Directory for the service's own keys, its control socket, its database and the backups of"
        " it; made if missing.",
        "give a directory that the service may write to, such as /var/lib/intercom",
    )
    control_socket: Path = setting(
        Path(),
        "Unix socket of `intercom trace`, `relay-test` and `reload`."
        " Default: control.sock in state_dir.",
        f"give a path of at most {_UNIX_PATH_BYTES} bytes, such as /run/intercom/control.sock",
    )
    database: str | None = setting(
        None,
        "The database of properties and people: sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/NAME."
        f" Default: SQLite in {DATABASE_FILE} in state_dir.",
        "give sqlite:////var/lib/intercom/intercom.db or postgresql://intercom:…@127.0.0.1/intercom",
        repr=False,
    )
    backup_days: int = setting(
        90,
        "Days that backups of the database stay in state_dir; older ones are deleted when a new one"
        " is made. A deleted person is in a backup for so long.",
        "give 1 to 3650",
        ge=1,
        le=3650,
    )
    mail_server: HostAndPort = setting(
        None,
        "Mail server through which invitations and links leave, as host:port. Without it no mail is"
        " sent, and links are handed over by the administrator.",
        "give host:port such as smtp.example.org:587, or leave it out",
    )
    mail_security: MailSecurity = setting(
        MailSecurity.STARTTLS,
        "How the way to the mail server is encrypted: starttls (usual on port 587), tls (port 465),"
        " or none (only for one on this machine).",
        "give starttls, tls or none",
    )
    mail_username: str | None = setting(
        None,
        "User name at the mail server, where it wants one.",
        "give the user name that the mail provider tells, and mail_password with it",
    )
    mail_password: SecretStr | None = setting(
        None,
        "Password at the mail server.",
        "give the password that the mail provider tells, and mail_username with it",
    )
    mail_from: MailAddress = setting(
        None,
        "Address that mails come from; replies go there.",
        "give a mail address such as intercom@example.org, which mail_server may send from",
    )

    @property
    def database_url(self) -> str:
        """The database, as `store.database.Database` takes it; it may hold a password."""
        if self.database is None:
            return f"sqlite+aiosqlite:///{(self.state_dir / DATABASE_FILE).absolute()}"
        return sqlalchemy_url(self.database)

    @property
    def backup_dir(self) -> Path:
        """Where backups of the database stand."""
        return self.state_dir / "backups"

    @field_validator("control_socket")
    @classmethod
    def _check_control_socket(cls, value: Path) -> Path:
        if len(os.fsencode(value)) > _UNIX_PATH_BYTES:
            msg = f'"{value}" is too long a path for a unix socket'
            raise ValueError(msg)
        return value

    @field_validator("database")
    @classmethod
    def _check_database(cls, value: str | None) -> str | None:
        return value if value is None else check_database(value)
