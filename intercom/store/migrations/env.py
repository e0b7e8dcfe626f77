"""What Alembic runs: the migrations, on the connection that it is given."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from intercom.store.columns import UtcDateTime
from intercom.store.models import Base


def _written(kind: str, item: object, _: AutogenContext) -> str | Literal[False]:
    """Write our own types as what the database has for them."""
    is_ours = kind == "type" and isinstance(item, UtcDateTime)
    return "sa.DateTime(timezone=True)" if is_ours else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite cannot change a column: it makes the table anew
    render_item=_written,
)
with context.begin_transaction():
    context.run_migrations()
