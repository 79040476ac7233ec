"""Translate driver exceptions into our errors: temporary trouble, a lost connection, a damaged file."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import DatabaseUnavailable
from app.database.sqlite_file import damage

# The server works but has rolled back one transaction: statement_timeout, pg_cancel_backend, a deadlock.
STOPPED = {"57014", "40P01", "55P03", "40001"}  # query cancelled, deadlock, no lock, serialization
# This process was suspended in the middle of a transaction, and the server has ended that and the connection.
_SUSPENDED = "25P03"
READ_ONLY = "25006"  # to a writer: a standby answers, or a server on its way to become one
_SQLITE_PASSING = tuple(
    getattr(sqlite3, f"SQLITE_{name}") for name in ("BUSY", "LOCKED", "IOERR", "FULL", "CANTOPEN")
)


@contextmanager
def translated(*, writing: bool = False) -> Iterator[None]:
    """Turn a lost connection, lock, full disk or deadlock into DatabaseUnavailable: nothing was changed.

    writing: also a server that takes no writes. An unreadable page of the SQLite file becomes Damaged, which
    is permanent.
    """
    try:
        yield
    except DBAPIError as error:
        if damaged := damage(error.orig):
            raise damaged from error
        if is_lost(error) or _passing(error.orig, writing):
            raise unavailable(error.orig) from error
        raise
    except PoolTimeout as error:
        raise DatabaseUnavailable(
            "All connections to the database are in use; nothing was changed, try again."
        ) from error
    except _driver_errors() as error:
        if damaged := damage(error):
            raise damaged from error
        if _passing(error, writing):
            raise unavailable(error) from error
        raise


def driver_error(error: BaseException) -> BaseException | None:
    """Return the driver's exception behind a DatabaseUnavailable."""
    cause = error.__cause__
    return cause.orig if isinstance(cause, DBAPIError) else cause


def is_lost(error: BaseException | None) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _driver_errors() -> tuple[type[Exception], ...]:
    """Return the base exceptions of the loaded drivers; on SQLite psycopg is never imported."""
    psycopg = sys.modules.get("psycopg")
    return (sqlite3.Error, psycopg.Error) if psycopg else (sqlite3.Error,)


def _passing(error: BaseException | None, writing: bool) -> bool:
    """Return whether this is temporary trouble rather than a programming error."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_PASSING
    psycopg = sys.modules.get("psycopg")
    if psycopg is None:
        return False
    state = getattr(error, "sqlstate", None)
    passing = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return passing or state == _SUSPENDED or (writing and state == READ_ONLY)


def unavailable(error: BaseException | None) -> DatabaseUnavailable:
    """Build the one error for all callers, who must not learn internal addresses, ports and accounts."""
    first = str(error).strip().partition("\n")[0] or "it gives no reason"
    return DatabaseUnavailable(
        "The database can't be reached now; nothing was changed, try again.", cause=first
    )
