"""Reports kept of a scene: of snapshots as if one had been taken at a moment, and issued today."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import Connection

from app.core import clock
from app.database.connection import Database
from app.reports.counting import snapshots
from app.reports.counting.snapshot_taking import figures_at
from app.reports.counting.snapshots import SnapshotCause
from app.reports.frozen.archive import Frozen, ReportSubject
from app.reports.release.freeze import Freezer
from app.reports.release.issue import Issue


def take_at(db: Database, subject: ReportSubject, cutoff_ms: int) -> None:
    def keep(connection: Connection) -> None:
        for each, figures in figures_at(connection, [subject], cutoff_ms).items():
            snapshots.keep(connection, each, figures, cutoff_ms, SnapshotCause.MIDNIGHT)

    db.write(keep)


def freeze_at(freezer: Freezer, subject: ReportSubject, cutoff_ms: int) -> tuple[Frozen, bool]:
    """Freeze the report of a snapshot of that moment."""
    take_at(freezer.db, subject, cutoff_ms)
    return freezer.freeze(subject, cutoff_ms)


def today() -> date:
    """Return today's date in Vietnam; its midnight may come while tests run."""
    return clock.local(clock.now()).date()


def issue_today(**other: Any) -> Issue:
    """Return what a person enters to issue a report, dated today: its figures were not frozen later."""
    said = Issue("125", today(), "Đại tá Nguyễn Văn A", {"strengths": "Phối hợp tốt.\nĐúng hạn."})
    return replace(said, **other)
