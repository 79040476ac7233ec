"""Imports a result file: reads every line, applies what they say, and reconciles; goes on after a kill."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.core.errors import Invalid
from app.core.states import BatchState
from app.database.connection import Database
from app.file_import.isolated_reader import ReaderEnded, read_isolated
from app.file_import.lease import require_tries
from app.ledger.contract import Ledger
from app.receipts.result_files import missing
from app.receipts.result_files.import_job import Progress, ResultFileImport
from app.receipts.result_files.line_parser import parsed_lines
from app.receipts.result_files.status_words import StatusWords

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
