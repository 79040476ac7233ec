"""Imports a result file: reads every line, applies what they say, and reconciles; goes on after a kill."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from app.core.config import Settings
from app.core.errors import Invalid
from app.core.states import BatchState
from app.database.connection import Database
from app.database.models import receipt_files
from app.file_import import spool
from app.file_import.isolated_reader import ReaderEnded, read_isolated
from app.file_import.lease import require_tries
from app.ledger.contract import Ledger
from app.receipts.result_files import missing, queries
from app.receipts.result_files.line_parser import parsed_lines
from app.receipts.result_files.result_import_job import Progress, ResultFileImport
from app.receipts.result_files.status_words import StatusWords, words_of

Tell = Callable[[Progress], None]


def import_file(
    db: Database, ledger: Ledger, file_id: int, path: Path, words: StatusWords, tell: Tell | None = None
) -> None:
    """Import the file at `path`; where an earlier import was killed, go on after what it has applied.

    A file that is ready stays as it is. Conflict while another import is at work on it; Invalid for a file
    that can't be used: nothing of it has been applied then, it is failed and empty, and says why.
    """
    job = ResultFileImport(db, file_id)
    file = job.claim()
    if file.state == BatchState.READY:
        return
    try:
        require_tries(file)
        # What has failed, or was erased after its time, is read anew.
        if file.applied_upto is None or file.state != BatchState.IMPORTING:
            _read(job, words, path, tell or _silent)
        _apply(job, ledger, tell or _silent)
        job.finish(db.read(lambda connection: missing.count(connection, job.row(connection))))
    except Invalid as error:
        job.clear()
        job.fail(error.detail)
        raise
    except ReaderEnded:
        job.put_off()
        raise
    finally:
        job.release()


def _silent(progress: Progress) -> None:
    """Tell nobody."""


def _read(job: ResultFileImport, words: StatusWords, path: Path, tell: Tell) -> None:
    job.clear()
    progress = Progress()
    with closing(read_isolated(path, partial(parsed_lines, path, job.file_id, words))) as read:
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


# ---- Uploaded result files, from their arrival to the end of their import


def folder_of(data: Path) -> Path:
    """Where they wait."""
    return spool.folder_of(data, "receipt-files")


def import_spooled(db: Database, ledger: Ledger, settings: Settings, file_id: int, path: Path) -> None:
    """Import an upload and delete it, unless it is needed again; what goes wrong is logged."""

    def work() -> dict[str, Any]:
        carrier = db.read(queries.get, file_id).carrier
        import_file(db, ledger, file_id, path, words_of(settings.links.values(), carrier))
        done = db.read(queries.get, file_id)
        return {"kind": "receipt file", "lines": done.lines, **asdict(done.reconciliation)}

    spool.finish(path, file_id, work)


def resume_imports(db: Database, ledger: Ledger, settings: Settings) -> int:
    """Go on with the uploads that a stop or a crash has left, drop those nobody needs; how many went on."""
    resumed = 0
    for file_id, path in spool.leftovers(folder_of(settings.data), lambda *of: db.read(_file_of, *of)):
        import_spooled(db, ledger, settings, file_id, path)
        resumed += 1
    return resumed


def _file_of(connection: Connection, carrier: str, sha256: str) -> Row[Any] | None:
    c = receipt_files.c
    return connection.execute(select(receipt_files).where(c.carrier == carrier, c.sha256 == sha256)).first()
