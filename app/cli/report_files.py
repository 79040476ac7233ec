"""Write the files of a stored report into a folder, from the ledger here or from a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.files import write_whole
from app.core.errors import Invalid
from app.database.connection import Database
from app.reports.frozen import freeze_record
from app.reports.frozen.archive import Frozen

if TYPE_CHECKING:
    from loa_client import LoaClient


def save_here(db: Database, report: Frozen, folder: Path) -> None:
    with _stored(report.id, folder):
        for file in report.files:
            write_whole(folder / file.name, db.read(freeze_record.content, report, file.format)[1])


def save_there(api: LoaClient, report: Any, folder: Path) -> None:
    with _stored(report.id, folder):
        for file in report.files:
            write_whole(folder / file.name, api.get_report_file(report.id, file.format))


@contextmanager
def _stored(report_id: int, folder: Path) -> Iterator[None]:
    """Say how to go on where the files of a report that is stored can't be written."""
    try:
        yield
    except OSError as error:
        raise Invalid(
            f"Report {report_id} is stored, but {error.filename or folder} can't be written "
            f"({error.strerror}). Make room there or take another folder, and write its files with "
            f"`loa report save {report_id} --folder FOLDER`."
        ) from None
