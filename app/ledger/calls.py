"""Runs of before 0059 whose carrier called and played a recording: they sent no message."""

from __future__ import annotations

from sqlalchemy import Connection, select

from app.core.errors import Conflict
from app.database.models import audiences

CALLS = select(audiences.c.run_id).where(audiences.c.spoken)


def refuse(connection: Connection, run_id: int) -> None:
    """Raise Conflict for such a run."""
    if connection.execute(CALLS.where(audiences.c.run_id == run_id)).first() is not None:
        raise Conflict(
            "In run {run_id} the carrier made voice calls, which Loa no longer orders or counts. "
            "Reports already frozen are kept as they are.",
            run_id=run_id,
        )
