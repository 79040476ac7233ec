"""Uploads on disk from their arrival to the end of their import, so that a restart can go on with them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Row, select

from app import clock
from app.batches.importer import import_batch
from app.batches.owner import is_waiting
from app.db import Database
from app.errors import AppError, Away, Conflict
from app.models import batches
from app.states import BatchState

PART = ".part"
_PART_AGE_S = 86_400

log = structlog.get_logger()


def folder_of(data: Path) -> Path:
    """Where uploads wait, under the data folder; made when missing, closed to other accounts."""
    folder = data / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def spool_path(folder: Path, carrier: str, sha256: str) -> Path:
    """The file of one batch: its name says whose it is."""
    return folder / f"{carrier}-{sha256}"


def import_spooled(db: Database, batch_id: int, path: Path) -> None:
    """Import an upload and delete it, unless it is needed again; what goes wrong is logged."""
    try:
        log.info("import finished", batch=batch_id, **asdict(import_batch(db, batch_id, path)))
    except (Away, Conflict) as error:
        log.warning("import put off", batch=batch_id, reason=error.detail)
        return
    except AppError as error:
        log.warning("import failed", batch=batch_id, reason=error.detail)
    path.unlink(missing_ok=True)


def resume_imports(db: Database, folder: Path) -> int:
    """Go on with the uploads that a stop or a crash has left, drop those nobody needs; how many went on."""
    resumed = 0
    for path in sorted(folder.glob("*")):
        batch = db.read(_batch_of, path)
        if batch is not None and batch.state == BatchState.IMPORTING:
            if is_waiting(batch):
                import_spooled(db, batch.id, path)
                resumed += 1
        elif path.suffix != PART or _is_old(path):
            path.unlink(missing_ok=True)
    return resumed


def _is_old(path: Path) -> bool:
    # Another process may be receiving an upload at this moment.
    return clock.now().timestamp() - path.stat().st_mtime > _PART_AGE_S


def _batch_of(connection: Connection, path: Path) -> Row[Any] | None:
    carrier, _, sha256 = path.name.rpartition("-")
    found = select(batches).where(batches.c.carrier == carrier, batches.c.sha256 == sha256)
    return connection.execute(found).first()
