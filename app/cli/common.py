"""Database and settings of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection

from app.cli.output import account, elapsed, is_mapped, whoami
from app.core import config
from app.core.config import Settings
from app.core.errors import Forbidden, Invalid
from app.database import schema
from app.database.audit_heads import keep
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.security import users
from app.security.principal import Caller
from app.security.roles import Role, may
from app.security.secret_encryption import signing_keys


def decider(connection: Connection, operation: str) -> Caller:
    """Return the caller; once users exist, raises Forbidden unless one of that name may do the operation.

    Whoever has a shell with the database could change it anyway. The name comes from the uid, which only the
    system's administrator can lend, so nobody can sign for another by a variable or option. In a user
    namespace anybody can take any uid, so decisions are refused there.
    """
    if not users.any_known(connection):
        return Caller(whoami(), Role.ADMIN, person=True)
    if is_mapped():
        raise Forbidden(
            "Loa cannot tell who you are, because this process runs in a user namespace where "
            "anyone can take any user number. Use the API or the pages, or run the command outside "
            "the namespace."
        )
    row = users.find_row(connection, account())
    if row is None or row.disabled_at is not None or not may(row.role, operation):
        raise Forbidden(
            "Your account {account} is not a Loa user who may do this. Use an account that is; "
            "`loa user list` shows them.",
            account=account(),
        )
    users.genuine(connection, row)
    return Caller(whoami(), row.role, row.carrier, person=True)


__all__ = ["ledger_for", "open_db"]


_STAMPED_NOTICES = "0058"
# URL of --server; global, since a process runs one command.
server: str | None = None


def adopt(connection: Connection, before: str) -> None:
    """Sign records from before signatures existed, once, when the ledger is migrated."""
    from app.accounts import service  # rarely needed, and slow to import
    from app.notifications import outbox

    service.adopt(connection, before)
    if before < _STAMPED_NOTICES:
        outbox.adopt(connection)


def refuse_server() -> None:
    """Raise Invalid under --server, for a command that works on this host alone."""
    if server is not None:
        raise Invalid(
            "This command works only on the host, with its settings, database and links. Run it on "
            "the server's host without --server and without LOA_SERVER."
        )


@contextmanager
def open_db(
    *,
    looks: bool = False,
    founds: bool = False,
    alone: bool = False,
    working: str = "",
    check: Callable[[Settings], object] = lambda _: None,
) -> Iterator[tuple[Database, Settings]]:
    """Open the database of the settings, also beside the Loa that has it.

    SQLite is migrated at once if nobody else has it; PostgreSQL must be migrated already.

    looks: the command is read-only and must not migrate, since it may be used on a backup. founds: the
    command may create the SQLite file; for all others a missing file means a wrong folder. alone: nobody else
    may have the SQLite file. working: what is said on a terminal while it takes long. check: called before
    anything is created or opened. Raises Invalid under --server.
    """
    refuse_server()
    settings = config.load()
    check(settings)
    if not founds:
        schema.require_file(settings.url)
    kept = partial(keep, settings.audit_heads, database=settings.ledger_name)
    keys, price = signing_keys(settings), settings.money.price
    db = Database(settings.url, keys=keys, price=price, on_head=kept, beside=not alone)
    try:
        if db.is_alone and not looks:
            schema.upgrade(db, adopt)
        else:
            schema.require(db)
        with elapsed(working):
            yield db, settings
    finally:
        db.close()
