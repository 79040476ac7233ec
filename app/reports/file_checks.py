"""Recount of result files: the counters of each against its lines, one verdict for each line."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Row, func, select

from app.core.states import BatchState
from app.database.models import receipt_files, receipt_lines

_VERDICTS = (
    *("agreed", "settled", "says_delivered", "says_undelivered", "open"),
    *("repeated", "unsent", "unknown", "ambiguous", "bad"),
)


def file_counts(connection: Connection) -> Iterator[str]:
    """A sentence for each counter of a result file that its lines do not bear out."""
    verdicts = _verdicts(connection)
    ready = receipt_files.c.state == BatchState.READY
    for file in connection.execute(select(receipt_files).where(ready).order_by(receipt_files.c.id)):
        for what, counter, rows in _pairs(file, verdicts[file.id]):
            if counter != rows:
                yield f"Receipt file {file.id}: its counter of {what} is {counter}, its rows give {rows}."


def _verdicts(connection: Connection) -> defaultdict[int, Counter[str | None]]:
    c, found = receipt_lines.c, defaultdict[int, Counter[str | None]](Counter)
    query = select(c.file_id, c.verdict, func.count()).group_by(c.file_id, c.verdict)
    for file_id, verdict, n in connection.execute(query):
        found[file_id][verdict] = n
    return found


def _pairs(file: Row[Any], verdicts: Counter[str | None]) -> Iterator[tuple[str, int, int]]:
    yield "lines", file.lines, sum(verdicts.values())
    for name in _VERDICTS:
        yield f"{name} lines", getattr(file, name), verdicts[name]
    for run in file.runs or ():
        parts = sum(run[part] for part in ("rejected", "named", "missing", "later"))
        yield f"messages sent by run {run['run_id']}", run["sent"], parts
