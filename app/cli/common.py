"""What every command needs: the settings, and a database that is open and up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection

from app import config, schema
from app.auth.vault import signing_keys
from app.config import Settings
from app.db import Database
from app.errors import Invalid
from app.heads import keep
from app.ledger.choose import ledger_for

__all__ = ["ledger_for", "open_db"]


# The address of --server; a process runs one command, so it is said once and for all.
server: str | None = None


def adopt(connection: Connection) -> None:
    """Stamp what a ledger of before there were stamps has, once, when it is migrated."""
    from app.access import acts  # few commands come to this

    acts.adopt(connection)


@contextmanager
def open_db() -> Iterator[tuple[Database, Settings]]:
    """The database of the settings; a SQLite file is migrated at once, PostgreSQL must have been.

    Invalid where the command was meant for a server: this one works on the database alone.
    """
    if server is not None:
        raise Invalid(
            "This command works on the database itself; run it on the server's host, without --server."
        )
    settings = config.load()
    db = Database(settings.url, keys=signing_keys(settings), on_head=partial(keep, settings.audit_heads))
    try:
        if db.sqlite:
            schema.upgrade(db, adopt)
        else:
            schema.require(db)
        yield db, settings
    finally:
        db.close()
