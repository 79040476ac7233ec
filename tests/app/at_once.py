"""Two processes at one row: what the second does while the first has not committed yet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection

from app.database.connection import Database

_OPEN_S = 0.5


def while_open(db: Database, first: Callable[[Connection], object], then: Callable[[], object]) -> None:
    """Do `first` in a transaction, and `then` beside it before it is committed; on SQLite after it."""
    done, errors = threading.Event(), list[BaseException]()

    def work(connection: Connection) -> None:
        first(connection)
        done.set()
        if not db.sqlite:
            time.sleep(_OPEN_S)

    def run() -> None:
        try:
            db.write(work)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert done.wait(10)
    then()
    thread.join(10)
    assert errors == []
