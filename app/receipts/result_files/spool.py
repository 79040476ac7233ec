"""Uploaded result files, from their arrival to the end of their import."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import receipt_files
from app.file_import import spool
from app.ledger.contract import Ledger
from app.receipts.result_files import queries
from app.receipts.result_files.importer import import_file
from app.receipts.result_files.status_words import words_of


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
