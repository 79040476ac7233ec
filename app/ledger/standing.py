"""Whether receipts are still awaited: of a message, by its own time, and of a run.

Which runs are over says `OVER` in app/core/states.py. What is over stays over: it is not sent again, and what
is written to its people later is another round. A receipt that comes late still settles a message.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from app.core.states import DeliveryState, NotSent, RunState
from app.database.connection import shared_ms
from app.database.models import deliveries, runs
from app.ledger.contract import VALIDITY_MS


def waits_for_receipts(d: Any, finished_runs: Collection[int], now_ms: int) -> ColumnElement[bool]:
    """Select submitted deliveries whose receipt may still come: by their own times.

    Not those of a finished run: its messages have waited for `receipt_days`, or its carrier gives no
    receipts.
    """
    young = func.coalesce(d.submitted_at, now_ms) > now_ms - VALIDITY_MS
    return and_(d.state == DeliveryState.SUBMITTED, young, d.run_id.not_in(finished_runs))


def awaits_receipts(connection: Connection, run_id: int) -> bool:
    """Return whether a receipt may still come for a message of the run, one of unknown outcome included."""
    run = connection.execute(select(runs.c.campaign_id, runs.c.state).where(runs.c.id == run_id)).one()
    finished = [run_id] if run.state == RunState.FINISHED else []
    d = deliveries.c
    undecided = and_(d.state == DeliveryState.UNKNOWN, d.reason != NotSent.WRITTEN_OFF)
    waits = or_(undecided, waits_for_receipts(d, finished, shared_ms(connection)))
    query = select(d.seq).where(d.campaign_id == run.campaign_id, d.run_id == run_id, waits).limit(1)
    return connection.execute(query).first() is not None
