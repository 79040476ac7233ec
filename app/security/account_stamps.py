"""Stamps on accounts, covering permissions and credentials, so that an inserted or altered row admits nobody.

They leave out what every use changes: when a key or session was last seen, and the step of the last code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, select, update

from app.core.logger import get_logger
from app.database.connection import keys_of
from app.database.models import api_keys, audit, people, recovery_codes, sessions
from app.security import row_stamps

log = get_logger(__name__)

_USED = {"stamp", "last_used_at", "seen_at", "totp_step", "address"}
TABLES = (people, api_keys, recovery_codes, sessions)


# Action that ends an account. A row restored from before has a valid stamp, but names are never reused.
_ENDS = {"people": ("person", "person.disable"), "api_keys": ("key", "key.revoke")}


class BadStamp(NamedTuple):
    """A row that no process with the key left so; bare: without a stamp; over: of an ended account."""

    kind: str
    name: str
    bare: bool
    over: bool = False


def write(connection: Connection, table: Table, *where: ColumnElement[bool]) -> None:
    """Stamp these rows as they are now, in the transaction that changed them."""
    if keys_of(connection):
        for row in connection.execute(select(table).where(*where)).all():
            stamp = row_stamps.make(connection, _content(table, row))
            connection.execute(update(table).where(table.c.id == row.id).values(stamp=stamp))


def holds(connection: Connection, table: Table, row: Row[Any]) -> bool:
    """Return whether Loa wrote this row as it is; True if this process has no key."""
    return row_stamps.holds(connection, _content(table, row), row.stamp)


def admits(connection: Connection, table: Table, row: Row[Any]) -> bool:
    """Return whether the row may sign in; logs an error if it was altered or restored."""
    genuine = holds(connection, table, row) and not _is_over(connection, table, row)
    if not genuine:
        log.error("a row was changed outside Loa", table=table.name, id=row.id)
    return genuine


def doubted(connection: Connection) -> Iterator[BadStamp]:
    """Yield accounts whose row Loa did not write; codes and sessions bear their person's name."""
    names = {row.id: row.name for row in connection.execute(select(people.c.id, people.c.name))}
    for table in TABLES:
        for row in connection.execute(select(table).order_by(table.c.id)).all():
            if not row_stamps.holds(connection, _content(table, row), row.stamp):
                name = getattr(row, "name", "") or names.get(getattr(row, "person_id", 0), "nobody")
                yield BadStamp(_KINDS[table.name], name, row.stamp is None)
            elif _is_over(connection, table, row):
                yield BadStamp(_KINDS[table.name], row.name, bare=False, over=True)


def _is_over(connection: Connection, table: Table, row: Row[Any]) -> bool:
    """Return whether an active account was ended by an audited action: its row was restored from before."""
    if table.name not in _ENDS or not keys_of(connection):
        return False
    if row.revoked_at if table is api_keys else row.disabled_at:
        return False
    kind, action = _ENDS[table.name]
    a = audit.c
    acts = select(a.id).where(a.subject == f"{kind}/{row.name}", a.action == action).limit(1)
    return connection.execute(acts).first() is not None


_KINDS = {"people": "person", "api_keys": "key", "recovery_codes": "code", "sessions": "session"}


def adopt(connection: Connection, name: str | None = None) -> list[str]:
    """Stamp accounts that have no stamp, or the account of this name whatever it has; return their names."""
    found = []
    if name is None:  # their people sign in again
        connection.execute(delete(sessions).where(sessions.c.stamp.is_(None)))
    for table in (people, api_keys):
        c = table.c
        where = c.stamp.is_(None) if name is None else c.name == name
        for row in connection.execute(select(table).where(where).order_by(c.id)).all():
            write(connection, table, c.id == row.id)
            found.append(f"{_KINDS[table.name]} {row.name}, {row.role}")
            if table is people:
                write(connection, recovery_codes, recovery_codes.c.person_id == row.id)
    return found


def renew(connection: Connection) -> int:
    """Renew stamps made with the previous key; return how many were renewed."""
    count = 0
    for table in TABLES:
        for row in connection.execute(select(table)).all():
            if stamp := row_stamps.renewed(connection, _content(table, row), row.stamp):
                connection.execute(update(table).where(table.c.id == row.id).values(stamp=stamp))
                count += 1
    return count


def _content(table: Table, row: Row[Any]) -> bytes:
    said = {name: _plain(value) for name, value in row._mapping.items() if name not in _USED}
    return row_stamps.canonical({"of": table.name} | said)


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes | memoryview) else value
