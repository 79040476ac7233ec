"""Import a result file: read every line, apply it, reconcile; an import that was killed is resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row

from app.core.config import Settings
from app.core.states import BatchState
from app.database.connection import Database
from app.database.models import receipt_files
from app.file_import import spool
from app.file_import.isolated_reader import read_isolated
from app.file_import.leased_import import leased
from app.ledger.ledger import Ledger
from app.receipts.result_files import missing, queries
from app.receipts.result_files.line_parser import parsed_lines
from app.receipts.result_files.result_import_job import Progress, ResultFileImport
from app.receipts.result_files.status_words import StatusWords, words_of

Tell = Callable[[Progress], None]


def import_file(
    db: Database, ledger: Ledger, file_id: int, path: Path, words: StatusWords, tell: Tell | None = None
) -> None:
    """Import the file at `path`, resuming after what an earlier, killed import applied.

    A file that is ready stays as it is. Raises Conflict during another import; Invalid if the file can't be
    used: then nothing of it is applied, and it is failed and empty, with the error.
    """
    job = ResultFileImport(db, file_id)
    file = job.claim()
    if file.state == BatchState.READY:
        return
    with job.ending():
        # A failed or erased file is read from the start.
        if file.applied_upto is None or file.state != BatchState.IMPORTING:
            spool.require_file(path)
            _read(job, words, path, tell or _silent)
        _apply(job, ledger, tell or _silent)
        job.finish(db.read(lambda connection: missing.count(connection, job.row(connection))))


def _silent(progress: Progress) -> None: ...


def _read(job: ResultFileImport, words: StatusWords, path: Path, tell: Tell) -> None:
    job.clear()
    progress = Progress()
    with closing(read_isolated(path, partial(parsed_lines, path, job.id, words))) as read:
        for done, position in read:
            after = Progress(progress.lines + done.lines, position)
            job.store(done, progress, after)
            progress = after
            tell(progress)
    job.end_reading()


def _apply(job: ResultFileImport, ledger: Ledger, tell: Tell) -> None:
    source, progress = job.source(), job.progress()
    while applied := job.apply(ledger, source):
        progress = replace(progress, judged=progress.judged + applied)
        tell(progress)


# ---- Uploaded files


def folder_of(data: Path) -> Path:
    return spool.folder_of(data, "receipt-files")


def import_spooled(db: Database, ledger: Ledger, settings: Settings, file_id: int, path: Path) -> None:
    """Import an upload and delete it unless it is needed again; errors are logged."""

    def work() -> dict[str, Any]:
        carrier = db.read(queries.get, file_id).carrier
        import_file(db, ledger, file_id, path, words_of(settings.links.values(), carrier))
        done = db.read(queries.get, file_id)
        return {"kind": "receipt file", "lines": done.lines, **asdict(done.reconciliation)}

    spool.finish(path, file_id, work)


def resume_imports(db: Database, ledger: Ledger, settings: Settings) -> int:
    """Resume uploads left by a stop or crash, and drop those nobody needs; return how many resumed.

    A file that has been gone for a day, or whose command was killed, is failed: nobody waits for it. What of
    it was read already is applied to the end.
    """
    resumed = 0
    for file_id, path in spool.gone(folder_of(settings.data), db.read(_importing)):
        import_spooled(db, ledger, settings, file_id, path)
    for file_id, path in spool.leftovers(folder_of(settings.data), lambda *of: db.read(_file_of, *of)):
        import_spooled(db, ledger, settings, file_id, path)
        resumed += 1
    return resumed


def _importing(connection: Connection) -> Sequence[Row[Any]]:
    state = receipt_files.c.state == BatchState.IMPORTING
    return connection.execute(leased(receipt_files).where(state)).all()


def _file_of(connection: Connection, carrier: str, sha256: str) -> Row[Any] | None:
    c = receipt_files.c
    return connection.execute(leased(receipt_files).where(c.carrier == carrier, c.sha256 == sha256)).first()
