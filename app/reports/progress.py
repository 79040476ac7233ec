"""How far a run had come at the cut-off, told by its figures: the run's own row knows only the present."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, select

from app.core.states import NotSent, RunState
from app.database.models import audit
from app.reports.figures import CarrierReport, Header
from app.reports.scope import Scope

_CANCELLED = NotSent.CANCELLED.name.lower()
_ORDERS = ("run.start", "run.pause", "run.resume")  # the audit's words for what people do with a run


def header(connection: Connection, report: CarrierReport, of: Scope) -> Header:
    """The report's head with state, start and end of the run as of its cut-off."""
    head = report.header
    state = _state(connection, report, of)
    started = head.started_ms if head.started_ms is not None and head.started_ms <= head.cutoff_ms else None
    last = max((day.last_ms for day in report.days if day.last_ms is not None), default=None)
    return replace(head, run_state=state, started_ms=started, ended_ms=None if _open(state) else last)


def _open(state: RunState) -> bool:
    return state in (RunState.PLANNED, RunState.RUNNING, RunState.PAUSED)


def _state(connection: Connection, report: CarrierReport, of: Scope) -> RunState:
    g = report.general
    if not of.begun(report.cutoff_ms):
        return RunState.PLANNED
    if g.waiting:
        return RunState.PAUSED if _paused(connection, of, report.cutoff_ms) else RunState.RUNNING
    if any(cause.key == _CANCELLED for cause in report.excluded):
        return RunState.CANCELLED
    unsettled = g.no_receipt + g.unknown - report.extra.written_off
    finished_at = of.run.finished_at  # some time after its end it is, whatever is open
    over = finished_at is not None and finished_at <= report.cutoff_ms
    return RunState.FINISHED if over or not unsettled else RunState.SENT


def _paused(connection: Connection, of: Scope, cutoff_ms: int) -> bool:
    a = audit.c
    own = (a.subject == f"run/{of.run.id}", a.action.in_(_ORDERS), a.at <= cutoff_ms)
    last = connection.execute(select(a.action).where(*own).order_by(a.id.desc()).limit(1)).scalar()
    return last == "run.pause"
