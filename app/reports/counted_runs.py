"""Which runs a report counts: those that were started, and those of campaigns that are approved."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, or_, select

from app.core.states import RunState
from app.database.models import approvals, runs

# A run that was started before its hour was written down.
_GONE_OUT = (RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING, RunState.SENT, RunState.FINISHED)


def begun(until_ms: int) -> ColumnElement[bool]:
    """The condition that a run had been started by then (ms since 1970)."""
    r = runs.c
    return or_(r.started_at <= until_ms, and_(r.started_at.is_(None), r.state.in_(_GONE_OUT)))


def counted(until_ms: int) -> ColumnElement[bool]:
    """The condition that a run had been started by then, or that its campaign was approved as it stood then.

    Drafts, campaigns that wait for a decision, and rejected ones have nothing to report.
    """
    a = approvals.c
    decided = select(a.decision).where(a.campaign_id == runs.c.campaign_id, a.at <= until_ms)
    last = decided.order_by(a.id.desc()).limit(1).correlate(runs).scalar_subquery()
    return or_(begun(until_ms), last == "approved")
