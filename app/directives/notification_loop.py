"""The worker's notifications: reminders are planned, events looked at every second, and all is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from app.core import clock
from app.core.config import Settings
from app.core.errors import DatabaseUnavailable
from app.core.states import RunState
from app.database.connection import Database
from app.database.jobs import Hold
from app.database.models import campaigns, directives, runs
from app.directives import reminders
from app.directives.status import RunDeadlineStatus, status
from app.notifications import events, outbox, staff_mails
from app.notifications.events import AT_RISK, NotificationEvent, notices
from app.notifications.outbox import Notice
from app.notifications.sender import Sender
from app.sender_names import reminders as sender_name_reminders

_LOOK_EVERY_S = 1.0
_LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class NotificationLoop:
    """Send reminders and events; of any number of processes that run one, one is at work."""

    db: Database
    settings: Settings

    async def run(self, stopping: asyncio.Event) -> None:
        """Look and send until `stopping`; idle without mail server and endpoints."""
        if self.settings.mail is None and not self.settings.endpoints:
            await stopping.wait()
            return
        hold = Hold(self.db, outbox.JOB, "", _LEASE_S)
        sender = Sender(self.db, self.settings, hold)
        while not stopping.is_set():
            with suppress(DatabaseUnavailable):  # tried again at the next look
                if await hold.hold():
                    await self.hear()
                    if await sender.sweep():  # another host may reach what this one can't
                        await hold.leave()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _LOOK_EVERY_S)
        with suppress(DatabaseUnavailable):
            await hold.leave()

    async def plan(self) -> None:
        """Enqueue the reminders that are due, each once however often this is called."""
        due = await self.db.aread(reminders.due, self.settings, clock.now())
        due += await self.db.aread(at_risk, self.settings, clock.now())
        due += await self.db.aread(sender_name_reminders.due, self.settings, clock.now())
        if due:
            await self.db.write_with_retry(outbox.put, due)

    async def hear(self) -> None:
        """Enqueue recent events that are not in the outbox yet."""
        news = await self.db.aread(events.happened, self.settings, clock.now())
        news += await self.db.aread(staff_mails.happened, self.settings, clock.now())
        if await self.db.aread(outbox.unknown, news):
            await self.db.write_with_retry(outbox.put, news)


# ---- Notices of runs that the forecast sees miss their directive's deadline, one per run and deadline

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
        "report_deadline": clock.moment(deadline).isoformat(),
        "run_id": run.run_id,
        "campaign_id": run.campaign_id,
        "carrier": run.carrier,
        "done_at": run.done_at.isoformat() if run.done_at else None,
    }
    return NotificationEvent(AT_RISK, f"run/{run.run_id}/at-risk/{deadline}", clock.to_ms(now), data)
