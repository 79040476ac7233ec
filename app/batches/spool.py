"""Uploaded files of subscribers, from their arrival to the end of their import."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from app.batches.importer import import_batch
from app.database.connection import Database
from app.database.models import batches
from app.file_import import spool


def folder_of(data: Path) -> Path:
    """Where they wait."""
    return spool.folder_of(data, "uploads")


def import_spooled(db: Database, batch_id: int, path: Path) -> None:
    """Import an upload and delete it, unless it is needed again; what goes wrong is logged."""
    spool.finish(path, batch_id, lambda: {"kind": "batch", **asdict(import_batch(db, batch_id, path))})


def resume_imports(db: Database, folder: Path) -> int:
    """Go on with the uploads that a stop or a crash has left, drop those nobody needs; how many went on."""
    resumed = 0
    for batch_id, path in spool.leftovers(folder, lambda *of: db.read(_batch_of, *of)):
        import_spooled(db, batch_id, path)
        resumed += 1
    return resumed


def _batch_of(connection: Connection, carrier: str, sha256: str) -> Row[Any] | None:
    found = select(batches).where(batches.c.carrier == carrier, batches.c.sha256 == sha256)
    return connection.execute(found).first()
