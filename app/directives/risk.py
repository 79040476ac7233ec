"""Notices of runs that the forecast sees miss their directive's deadline, one per run and deadline."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, select

from app.core import clock
from app.core.config import Settings
from app.core.states import RunState
from app.database.models import campaigns, directives, runs
from app.directives.status import RunDeadlineStatus, status
from app.notifications.events import AT_RISK, NotificationEvent, notices
from app.notifications.outbox import Notice

_UNDER_WAY = (RunState.RUNNING.value, RunState.PAUSED.value)


def at_risk(connection: Connection, settings: Settings, now: datetime) -> list[Notice]:
    """Return notices for every run under way that the forecast sees done after the deadline."""
    return list(notices(settings, _events(connection, now))) if settings.endpoints else []


def _events(connection: Connection, now: datetime) -> Iterator[NotificationEvent]:
    d = directives.c
    going = (
        select(d.id, d.report_deadline)
        .join(campaigns, campaigns.c.directive_id == d.id)
        .join(runs, runs.c.campaign_id == campaigns.c.id)
        .where(d.report_deadline > clock.to_ms(now), runs.c.state.in_(_UNDER_WAY))
    )
    for directive_id, deadline in connection.execute(going.distinct()).all():
        for run in status(connection, directive_id, now).runs:
            if run.in_time is False and run.state in _UNDER_WAY:
                yield _event(run, directive_id, deadline, now)


def _event(run: RunDeadlineStatus, directive_id: int, deadline: int, now: datetime) -> NotificationEvent:
    data = {
        "directive_id": directive_id,
        "report_deadline": clock.local(clock.from_ms(deadline)).isoformat(),
        "run_id": run.run_id,
        "campaign_id": run.campaign_id,
        "carrier": run.carrier,
        "done_at": run.done_at.isoformat() if run.done_at else None,
    }
    return NotificationEvent(AT_RISK, f"run/{run.run_id}/at-risk/{deadline}", clock.to_ms(now), data)
