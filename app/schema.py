"""The schema's state: bring it up to date, say whether it is, and compare it with the models."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.db import Database
from app.errors import SetupError
from app.models import metadata

_FOLDER = Path(__file__).parent.parent / "migrations"
# Long enough for a busy table's turn, short enough that senders do not queue up behind a migration.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


def newest() -> str:
    """The revision that this program needs."""
    return cast(str, ScriptDirectory.from_config(_config()).get_current_head())


def current(connection: Connection) -> str | None:
    """The revision that the database has."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(db: Database) -> None:
    """Bring the schema to the newest revision, in one transaction."""

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(_LOCK_TIMEOUT)
            # Two hosts that start together: the second waits and then finds nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4915)")
        command.upgrade(_config(connection), "head")

    db.write(work)


def require(db: Database) -> None:
    """SetupError with the remedy, unless the schema is the one that this program needs."""
    found, needed = db.read(current), newest()
    if found != needed:
        raise SetupError(
            f"The database has schema {found or 'none'}, this program needs {needed}. Run `loa migrate`."
        )


def differences(db: Database) -> list[object]:
    """What `alembic check` would say: how the migrated database and the models differ."""

    def work(connection: Connection) -> list[object]:
        options = {"compare_type": True, "include_object": ours}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    return db.read(work)


def ours(_object: object, name: str | None, kind: str, reflected: bool, _compare_to: object) -> bool:
    """Partitions are made by the ledger as campaigns open; they are no part of the models."""
    tail = (name or "").rpartition("_c")[2]
    return not (kind == "table" and reflected and tail.isdigit())
