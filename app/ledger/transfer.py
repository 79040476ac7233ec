"""Back up a SQLite ledger, or move it to an empty PostgreSQL database in one verified transaction."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from psycopg.types.json import Json
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    cast,
    exists,
    func,
    or_,
    select,
)

from app.core import clock
from app.core.errors import SetupError
from app.database import schema
from app.database.connection import Database
from app.database.engines import translated
from app.database.models import (
    campaigns,
    deliveries,
    metadata,
    runs,
    submissions,
    tallies,
)
from app.ledger.engines.postgresql import PostgresqlEngine
from app.security import audit

# Marks a file as a copy, so that it does not send before a person confirms; the table was renamed by 0029.
_MARKS = {
    "database_identity": "INSERT INTO database_identity (home, since, by) VALUES ('a copy', ?, ?)",
    "homes": "INSERT INTO homes (home, since, by) VALUES ('a copy', ?, ?)",
}


def back_up(source: Path, target: Path, who: str) -> int:
    """Copy a SQLite ledger in use without blocking it; return the size in bytes. SetupError if impossible.

    The copy, of whatever schema, gets its name only once it is marked as one.
    """
    if not source.is_file():
        raise SetupError("There is no ledger at {source}. Set LOA_DATA to its folder.", source=source)
    if os.path.lexists(target):
        raise SetupError("{target} already exists. Name a new file.", target=target)
    part = target.with_name(f"{target.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise SetupError(
            "{part} is left over from an interrupted copy. Delete it, or name a new file.", part=part
        ) from None
    except OSError as error:
        raise SetupError(
            "Cannot create {target} ({strerror}). Name a new file.", target=target, strerror=error.strerror
        ) from None
    try:
        with translated(), closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as ledger:
            ledger.isolation_level = None
            ledger.execute("VACUUM INTO ?", (str(part),))
        with translated(), closing(sqlite3.connect(part)) as copy:
            copy.isolation_level = None
            _mark(copy, who)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    return target.stat().st_size


def _mark(copy: sqlite3.Connection, who: str) -> None:
    tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    mark = next((mark for table, mark in _MARKS.items() if table in tables), None)
    if mark is None:
        raise SetupError(
            "The ledger's schema is older than 0013, so it cannot be copied. Stop Loa, run `loa "
            "migrate` (it is rolled back completely if it fails), then copy it."
        )
    copy.execute(mark, (clock.now_ms(), who))


Progress = Callable[[str, int], None]
Sums = dict[str, object]

_SLICE = 10_000
_FILES_AT_ONCE = 10  # rows, for tables that hold whole files
_SUMMABLE = Integer | Boolean | String | LargeBinary
_PRIME = 1_000_003  # keeps the checksum of any number of rows within 8 bytes


def copy_ledger(source: Database, target: Database, progress: Progress = lambda *_: None) -> dict[str, int]:
    """Copy every table and compare; return rows by table. `progress` gets a table and its rows so far.

    Raises SetupError, leaving nothing behind, if source or target is unfit or the copy differs.
    """
    if not source.sqlite or target.sqlite:
        raise SetupError(
            "Only a SQLite ledger can be copied, and only to PostgreSQL. Name the server with --to."
        )
    schema.require(source)
    try:
        schema.require(target)
    except SetupError as error:
        raise SetupError("The target is not ready. {detail}", detail=error.detail) from None
    return source.read(lambda old: target.write(_copy, old, progress))


def _copy(new: Connection, old: Connection, progress: Progress) -> dict[str, int]:
    # Reading and summing SQLite's side can take minutes in which the server hears nothing from us. It may
    # wait: TCP notices a dead host, and nobody else works on an empty database.
    new.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
    _refuse_rows(new)
    engine, rows = PostgresqlEngine(), {}
    for table in metadata.sorted_tables:
        if table is deliveries:
            _make_partitions(new, old, engine)
        rows[table.name] = _copy_table(new, old, table, engine, progress)
        _set_sequence(new, old, table)
    _compare(old, new)
    return rows


def _refuse_rows(new: Connection) -> None:
    for table in metadata.sorted_tables:
        if new.execute(select(func.count()).select_from(select(table).limit(1).subquery())).scalar_one():
            raise SetupError(
                "The target is not empty: its table {name} has rows. Two ledgers cannot be merged. "
                "Create an empty database, run `loa migrate` on it and copy there.",
                name=table.name,
            )


def _make_partitions(new: Connection, old: Connection, engine: PostgresqlEngine) -> None:
    """Make partitions for the campaigns that have rows: none for what is erased, or not queued yet."""
    c = campaigns.c
    rows = (exists().where(table.c.campaign_id == c.id) for table in (deliveries, submissions))
    for campaign_id in old.execute(select(c.id).where(or_(*rows)).order_by(c.id)).scalars():
        engine.open_campaign(new, campaign_id)


def _copy_table(
    new: Connection, old: Connection, table: Table, engine: PostgresqlEngine, progress: Progress
) -> int:
    names = [column.name for column in table.columns]
    done, rows = 0, _rows(old, table)
    while part := list(islice(rows, _slice(table))):
        engine.append(new, table, names, part)
        done += len(part)
        progress(table.name, done)
    return done


def _rows(old: Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """Yield rows as COPY takes them, in constant memory."""
    jsons = [number for number, column in enumerate(table.columns) if isinstance(column.type, JSON)]
    found = old.execute(select(table), execution_options={"yield_per": _slice(table)})
    for row in found:
        values = list(row)
        for number in jsons:
            values[number] = Json(values[number])
        yield tuple(values)


def _slice(table: Table) -> int:
    has_files = any(isinstance(column.type, LargeBinary) for column in table.columns)
    return _FILES_AT_ONCE if has_files else _SLICE


def _set_sequence(new: Connection, old: Connection, table: Table) -> None:
    """Let ids go on after the highest there was; that of a removed run is in the audit only."""
    column = table.autoincrement_column
    if column is None:
        return
    highest = new.execute(select(func.max(column))).scalar()
    if table is runs:
        highest = max(highest or 0, audit.highest_number(old, "run")) or None
    if highest is not None:
        new.execute(select(func.setval(func.pg_get_serial_sequence(table.name, column.name), highest)))


def _compare(old: Connection, new: Connection) -> None:
    for table in metadata.sorted_tables:
        before, after = _sums(old, table), _sums(new, table)
        for what in before:
            if before[what] != after[what]:
                raise SetupError(
                    "The copy differs in table {name}, {what}: {before} in SQLite, {after} in "
                    "PostgreSQL. Nothing was kept in PostgreSQL; the SQLite file is unchanged.",
                    name=table.name,
                    what=what,
                    before=before[what],
                    after=after[what],
                )
    if _tallied(old) != _tallied(new):
        raise SetupError("The copy's tallies differ from the original's. Nothing was kept.")


def _sums(connection: Connection, table: Table) -> Sums:
    """Count rows, and compute a checksum per column that changes if a value is lost, cut or altered."""
    sums = [(column.name, _sum(column)) for column in table.columns if isinstance(column.type, _SUMMABLE)]
    row = connection.execute(select(func.count(), *(total for _, total in sums)).select_from(table)).one()
    names = ["number of rows", *(f"column {name}" for name, _ in sums)]
    return {name: int(value or 0) for name, value in zip(names, row, strict=True)}


def _sum(column: Column[Any]) -> Any:
    if isinstance(column.type, String | LargeBinary):
        return func.sum(func.length(column))
    number = cast(column, Integer if isinstance(column.type, Boolean) else BigInteger)
    return func.sum(number % _PRIME)


def _tallied(connection: Connection) -> dict[tuple[int, int, int], tuple[int, int]]:
    t = tallies.c
    key = (t.campaign_id, t.state, t.reason)
    query = select(*key, func.sum(t.n), func.sum(t.segments)).group_by(*key)
    return {(a, b, c): (int(n), int(segments)) for a, b, c, n, segments in connection.execute(query)}
