"""Two processes at one row: what the second does while the first has not committed yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection, text

from app.database.connection import Database

_LONGEST_S = 10.0
_WAITING = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


def while_open(
    db: Database,
    first: Callable[[Connection], object],
    then: Callable[[], object],
    *,
    to_the_end: bool = False,
) -> bool:
    """Do `first` in a transaction, and `then` beside it before it is committed; on SQLite after it.

    It is committed once `then` waits for it, or is done; to_the_end: not before `then` is done. Return
    whether anybody waited.
    """
    done, over, errors = threading.Event(), threading.Event(), list[BaseException]()
    waited = list[bool]()

    def work(connection: Connection) -> None:
        first(connection)
        done.set()
        if not db.sqlite:
            until(lambda: over.is_set() or (not to_the_end and somebody_waits(db)))
            waited.append(somebody_waits(db))

    def run() -> None:
        try:
            db.write(work)
        except BaseException as error:
            errors.append(error)
            done.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert done.wait(_LONGEST_S)
    try:
        then()
    finally:
        over.set()
        thread.join(_LONGEST_S)
    assert errors == []
    return waited == [True]


def somebody_waits(db: Database) -> bool:
    """Return whether a connection to this PostgreSQL database waits for a lock."""
    return bool(db.read(lambda c: c.execute(_WAITING).scalar_one()))


def until(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + _LONGEST_S
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)
