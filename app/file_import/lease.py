"""Lease of an import on its file's row: take it, extend it, release it."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, Table, select, update
from sqlalchemy.sql.elements import ColumnElement
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from app.core import clock
from app.core.errors import Conflict, Invalid, no_such, passes
from app.core.states import BatchState


def new_owner() -> str:
    """Return a token for one import of this process: host, process number, process, import."""
    return f"{_host()}:{os.getpid()}:{_process()}:{secrets.token_hex(4)}"


def nth(owner: str, tries: int) -> str:
    """Return the owner's token for its nth try."""
    return f"{owner.partition('/')[0]}/{tries}"


def tries_of(owner: str | None) -> int:
    """Return the number of tries up to this owner's; 0 if the row was released."""
    said = (owner or "").rpartition("/")[2]
    return int(said) if said.isdecimal() else 0


def is_free(owner: str | None, lease_until: int | None) -> bool:
    """Return whether no living import holds this lease."""
    return owner is None or (lease_until or 0) <= clock.now_ms() or _has_died(owner)


def was_here(owner: str | None) -> bool:
    """Return whether the last import of a row was at work on this host, by a process that is gone.

    False where its number is another process's by now, or where it was on another host: nobody knows then.
    """
    return owner is not None and _has_died(owner)


def _has_died(owner: str) -> bool:
    """Return whether the owner was a process of this host that is gone, so that nobody must wait for it."""
    host, number, process, _ = owner.rsplit(":", 3)
    if host != _host() or process == _process():
        return False
    return int(number) == os.getpid() or not _is_running(int(number))


def _is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@cache
def _process() -> str:
    """Identify this process, as another one may get the same pid after a restart, e.g. in a container."""
    return secrets.token_hex(4)


def _host() -> str:
    return socket.gethostname()[:40]


LEASE_MS = 60_000  # a slice takes well under a second, so only a dead import exceeds this
MOST_TRIES = 3  # for an import whose process keeps dying
_PATIENCE_S = 120.0  # a database may restart during an import

T = TypeVar("T")


def is_waiting(row: Row[Any]) -> bool:
    """Return whether this row's file is not imported and no living import is at work."""
    return row.state != BatchState.READY and is_free(row.owner, row.lease_until)


def came_at(row: Row[Any]) -> int:
    """Return when the row's file came last, or its last import was at work, in ms since 1970."""
    last: int = max(row.created_at, row.lease_until or 0)
    return last


def await_again(connection: Connection, table: Table, row: Row[Any], /, **fresh: Any) -> bool:
    """Return whether the row waits for its file, which has come again; what was failed or erased does anew.

    Its state says so from now on, and survives a stop before the import; lease_until says since when, as a
    row may be years old.
    """
    if is_waiting(row) and row.state != BatchState.IMPORTING:
        c = table.c
        own = c.owner.is_not_distinct_from(row.owner)
        anew = {"state": BatchState.IMPORTING, "error": None, "owner": None, "lease_until": clock.now_ms()}
        here = update(table).where(c.id == row.id, c.state == row.state, own)
        connection.execute(here.values(**anew, **fresh))
    return is_waiting(row)


def require_tries(row: Row[Any]) -> None:
    """Raise Invalid if imports of this row, as it was before it was taken, have died too often."""
    tries = tries_of(row.owner)
    if row.state == BatchState.IMPORTING and tries >= MOST_TRIES:
        raise Invalid(
            "The import was started {n} times but never finished, because the program crashed or "
            "was stopped. Check the file, save it as “CSV UTF-8” and upload it again.",
            n=tries,
        )


def retry_while_unavailable(work: Callable[[], T]) -> T:
    """Run `work`, repeated while the database is unreachable; DatabaseUnavailable if that lasts too long."""
    repeated = Retrying(
        retry=retry_if_exception(passes),
        wait=wait_random_exponential(0.1, max=2.0),
        stop=stop_after_delay(_PATIENCE_S),
        reraise=True,
    )
    result: T = repeated(work)
    return result


@dataclass(slots=True)
class ImportLease:
    """An import's lease on row `id` of `table`, which has columns state, error, owner and lease_until.

    noun: what people call such a row; owner: fencing token with the number of tries; an import that lost its
    row writes nothing.
    """

    table: Table
    id: int
    noun: str
    owner: str = field(default_factory=new_owner)

    def row(self, connection: Connection) -> Row[Any]:
        row = connection.execute(select(self.table).where(self.table.c.id == self.id)).first()
        if row is None:
            raise no_such(self.noun, self.id)
        return row

    def take(self, connection: Connection, /, **fresh: Any) -> Row[Any]:
        """Take the row and set it to `importing` with the values `fresh`, unless it is ready.

        Return the row as it was before. Conflict while a living import holds it.
        """
        c, row = self.table.c, self.row(connection)
        if row.state == BatchState.READY:
            return row
        unchanged = (
            c.owner.is_not_distinct_from(row.owner),
            c.lease_until.is_not_distinct_from(row.lease_until),
        )
        taken = update(self.table).where(c.id == self.id, c.state == row.state, *unchanged)
        if row.owner != self.owner:
            self.owner = nth(self.owner, tries_of(row.owner) + 1)
        own = {"owner": self.owner, "lease_until": clock.now_ms() + LEASE_MS, "error": None}
        taken = taken.values(state=BatchState.IMPORTING, **own, **fresh)
        free = row.owner == self.owner or is_waiting(row)
        if not (free and connection.execute(taken).rowcount):
            raise Conflict(
                "{what} {id} is already being imported. See its progress.",
                what=self.noun.capitalize(),
                id=self.id,
            )
        return row

    def keep(self, connection: Connection, /, *also: ColumnElement[bool], **values: Any) -> bool:
        """Extend the lease and write the values if `also` holds; Conflict if the row is lost."""
        held = update(self.table).where(*self._own(), *also)
        if connection.execute(held.values(lease_until=clock.now_ms() + LEASE_MS, **values)).rowcount:
            return True
        if self.row(connection).owner != self.owner:
            raise Conflict(
                "{what} {id} was taken over by another import.", what=self.noun.capitalize(), id=self.id
            )
        return False

    def end(self, connection: Connection, /, **values: Any) -> bool:
        """Release the row with these values; False if it is no longer held."""
        ended = update(self.table).where(*self._own())
        return bool(connection.execute(ended.values(owner=None, lease_until=None, **values)).rowcount)

    def release(self, connection: Connection) -> None:
        """Release the row, unless it was ended or put off."""
        held = update(self.table).where(*self._own(), self.table.c.lease_until > 0)
        connection.execute(held.values(owner=None, lease_until=None))

    def put_off(self, connection: Connection) -> None:
        """Let others take the row at once; this try counts as one that died."""
        connection.execute(update(self.table).where(*self._own()).values(lease_until=0))

    def _own(self) -> tuple[ColumnElement[bool], ...]:
        return self.table.c.id == self.id, self.table.c.owner == self.owner
