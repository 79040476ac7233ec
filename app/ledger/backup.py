"""A copy of the SQLite ledger, taken while Loa works, that knows that it is a copy."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from app.core import clock
from app.core.errors import SetupError
from app.database.connection import translated

_MARK = "INSERT INTO homes (home, since, by) VALUES ('a copy', ?, ?)"


def back_up(source: Path, target: Path, who: str) -> int:
    """Write the copy, which is of one moment; its bytes. Nobody at work waits for it.

    SetupError where there is no ledger, or something is in the copy's place.
    """
    if not source.is_file():
        raise SetupError(f"There is no ledger at {source}: name its folder in LOA_DATA.")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise SetupError(f"{target} can't be made ({error.strerror}): name a new file.") from None
    with translated(), closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as ledger:
        ledger.isolation_level = None
        ledger.execute("VACUUM INTO ?", (str(target),))
    with translated(), closing(sqlite3.connect(target)) as copy:
        copy.isolation_level = None
        copy.execute(_MARK, (clock.now_ms(), who))
    return target.stat().st_size
