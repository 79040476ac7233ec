"""What every command needs: the settings, and a database that is open and up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, make_url

from app.core import config
from app.core.config import Settings
from app.core.errors import Invalid, NotFound
from app.database import schema
from app.database.audit_heads import keep
from app.database.connection import Database
from app.ledger.factory import ledger_for
from app.security.secret_encryption import signing_keys

__all__ = ["ledger_for", "open_db"]


# The address of --server; a process runs one command, so it is said once and for all.
server: str | None = None


def adopt(connection: Connection) -> None:
    """Stamp what a ledger of before there were stamps has, once, when it is migrated."""
    from app.accounts import service  # few commands come to this

    service.adopt(connection)


@contextmanager
def open_db(
    *, looks: bool = False, founds: bool = False, check: Callable[[Settings], object] = lambda _: None
) -> Iterator[tuple[Database, Settings]]:
    """The database of the settings; a SQLite file is migrated at once, PostgreSQL must have been.

    looks: the command changes nothing, so it migrates nothing either: it may have been pointed at a backup.
    founds: it may be the first of all, and makes the SQLite file where there is none; any other one has been
    pointed at a wrong folder then. check: is asked before anything is made or opened. Invalid where the
    command was meant for a server: this one works on the database alone.
    """
    if server is not None:
        raise Invalid(
            "This command works on the database itself; run it on the server's host, without --server."
        )
    settings = config.load()
    check(settings)
    if not founds:
        _require_ledger(settings)
    kept = partial(keep, settings.audit_heads, of=settings.ledger_name)
    db = Database(settings.url, keys=signing_keys(settings), on_head=kept)
    try:
        if db.sqlite and not looks:
            schema.upgrade(db, adopt)
        else:
            schema.require(db)
        yield db, settings
    finally:
        db.close()


def _require_ledger(settings: Settings) -> None:
    """NotFound where there is no SQLite file."""
    url = make_url(settings.url)
    file = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and not file.exists():
        raise NotFound(
            f"There is no ledger in the folder {file.parent}: set LOA_DATA or LOA_CONFIG to where it is. The "
            "first command that writes makes one, such as `loa batch import` or `loa key add`."
        )
