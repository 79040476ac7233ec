"""Snapshots as if one had been taken at a moment of a scene, since which nothing has been sent."""

from __future__ import annotations

from sqlalchemy import Connection

from app.database.connection import Database
from app.reports.counting import snapshots
from app.reports.counting.snapshot_taking import figures_at
from app.reports.counting.snapshots import SnapshotCause
from app.reports.frozen.archive import Frozen, ReportSubject
from app.reports.release.freeze import Freezer


def take_at(db: Database, subject: ReportSubject, cutoff_ms: int) -> None:
    def keep(connection: Connection) -> None:
        for each, figures in figures_at(connection, [subject], cutoff_ms).items():
            snapshots.keep(connection, each, figures, cutoff_ms, SnapshotCause.MIDNIGHT)

    db.write(keep)


def freeze_at(freezer: Freezer, subject: ReportSubject, cutoff_ms: int) -> tuple[Frozen, bool]:
    """Freeze the report of a snapshot of that moment."""
    take_at(freezer.db, subject, cutoff_ms)
    return freezer.freeze(subject, cutoff_ms)
