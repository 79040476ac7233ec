"""Register files as batches and import them; the same file again is the same batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from app.batches import queries
from app.batches.import_job import BatchImport, ImportCounts, counts_of
from app.batches.row_parser import LONG_SLICE, SLICE, Totals, parsed_rows
from app.core import clock
from app.core.errors import Conflict, Invalid
from app.core.states import BatchState
from app.database.connection import Database, one_at_a_time
from app.database.models import batches, follow_ups
from app.file_import import spool
from app.file_import.isolated_reader import read_isolated
from app.file_import.leased_import import leased
from app.file_import.upload import UploadedFile
from app.ledger import erasure
from app.security import audit

Progress = Callable[[ImportCounts], None]


@dataclass(frozen=True, slots=True)
class RegisteredBatch:
    """A batch: `created` now or known before; `waiting` for its import, or its resumption."""

    id: int
    created: bool
    waiting: bool


def register(connection: Connection, carrier: str, file: UploadedFile, who: str) -> RegisteredBatch:
    """Return the carrier's batch for this file: the same bytes again are the same batch."""
    c = batches.c
    # Simultaneous uploads of one file wait for the first, which none of the others may reject.
    one_at_a_time(connection, file.lock(f"batch of {carrier}"))
    found = _batch_of(connection, carrier, file.sha256)
    if found:
        erasure.require_none_of_file(connection, "batch", found)
        _remember(connection, found, who)
        waiting = BatchImport.await_again(connection, found)
        return RegisteredBatch(found.id, created=False, waiting=waiting)
    row = {
        "carrier": carrier,
        "name": file.name[:200],
        "sha256": file.sha256,
        "bytes": file.size,
        "state": BatchState.IMPORTING,
        "created_at": clock.now_ms(),
        "created_by": who,
    }
    batch_id = connection.execute(insert(batches).values(row).returning(c.id)).scalar_one()
    audit.note(connection, who, "batch.register", f"batch/{batch_id}", carrier=carrier, sha256=file.sha256)
    return RegisteredBatch(batch_id, created=True, waiting=True)


def _remember(connection: Connection, batch: Row[Any], who: str) -> None:
    """Record once who uploads a known list again: approval treats them like the first uploader."""
    if who in (batch.created_by, *batch.again_by):
        return
    changed = {"again_by": [*batch.again_by, who]}
    connection.execute(update(batches).where(batches.c.id == batch.id).values(changed))
    audit.note(connection, who, "batch.again", f"batch/{batch.id}", sha256=batch.sha256)


def discard(connection: Connection, batch_id: int, who: str, carrier: str | None = None) -> None:
    """Put a failed batch out of the way; it is empty. Raises NotFound, also if it is not of `carrier`.

    Uploading the same file later imports it anew.
    """
    batch = queries.get(connection, batch_id, carrier)
    if batch.state != BatchState.FAILED:
        raise Conflict(
            "Batch {batch} is {state}. Only failed batches can be discarded; others are deleted "
            "when their retention period ends.",
            batch=batch_id,
            state=batch.state,
        )
    failed = (batches.c.id == batch_id, batches.c.state == BatchState.FAILED)
    connection.execute(update(batches).where(*failed).values(state=BatchState.ERASED))
    audit.note(connection, who, "batch.discard", f"batch/{batch_id}", error=batch.error)


def import_batch(db: Database, batch_id: int, path: Path, progress: Progress | None = None) -> ImportCounts:
    """Import the file into its batch, from the beginning, and return the counts.

    A ready batch just returns its counts. Raises Conflict during another import; Invalid if the file can't be
    used: the batch is then failed and empty, with the error.
    """
    job = BatchImport(db, batch_id)
    batch = job.claim()
    if batch.state == BatchState.READY:
        return counts_of(batch)
    with job.ending():
        spool.require_file(path)
        return _import(job, batch.carrier, path, progress or (lambda _: None))


def _import(job: BatchImport, carrier: str, path: Path, progress: Progress) -> ImportCounts:
    job.clear()
    counts = ImportCounts()
    read = read_isolated(path, partial(parsed_rows, path, job.id, carrier, lines_at_once(job.db)))
    # One slice is written while the next is read.
    with ThreadPoolExecutor(1, "loa-import-write") as writer, closing(read):
        writing = writer.submit(lambda: None)
        for part in read:
            writing.result()
            progress(counts)
            if isinstance(part, Totals):
                break
            after = counts.plus(*part)
            writing = writer.submit(job.store, part[0], counts, after)
            counts = after
    if not counts.lines or not isinstance(part, Totals):
        raise Invalid("The file has a header but no subscribers.")
    counts = replace(
        counts,
        unknown_areas=part.unknown_areas,
        languages_ignored=part.languages_ignored,
        short_rows=part.short_rows,
    )
    job.finish(counts, part.rows_sha256)
    return counts


def lines_at_once(db: Database) -> int:
    return SLICE if db.sqlite else LONG_SLICE


# ---- Uploaded files


def folder_of(data: Path) -> Path:
    return spool.folder_of(data, "uploads")


def import_spooled(db: Database, batch_id: int, path: Path) -> None:
    """Import an upload and delete it unless it is needed again; errors are logged."""
    spool.finish(path, batch_id, lambda: {"kind": "batch", **asdict(import_batch(db, batch_id, path))})


def resume_imports(db: Database, folder: Path) -> int:
    """Resume uploads left by a stop or crash, and drop those nobody needs; return how many resumed.

    A batch whose file has been gone for a day, or whose command was killed, is failed: nobody waits for it.
    """
    resumed = 0
    for batch_id, path in spool.gone(folder, db.read(_importing)):
        import_spooled(db, batch_id, path)
    for batch_id, path in spool.leftovers(folder, lambda *of: db.read(_batch_of, *of)):
        import_spooled(db, batch_id, path)
        resumed += 1
    return resumed


def _importing(connection: Connection) -> Sequence[Row[Any]]:
    """Return what is imported of files; follow-ups are made of the database."""
    own = (batches.c.state == BatchState.IMPORTING, batches.c.id.not_in(select(follow_ups.c.batch_id)))
    return connection.execute(leased(batches).where(*own)).all()


def _batch_of(connection: Connection, carrier: str, sha256: str) -> Row[Any] | None:
    found = leased(batches).where(batches.c.carrier == carrier, batches.c.sha256 == sha256)
    return connection.execute(found).first()
