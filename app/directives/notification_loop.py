"""The worker's notifications: plan reminders every minute, look at events and the outbox every second."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass

from app.core import clock
from app.core.config import Settings
from app.core.errors import DatabaseUnavailable
from app.database.connection import Database
from app.directives import reminders
from app.directives.risk import at_risk
from app.notifications import events, outbox, staff_mails
from app.notifications.sender import Sender

_PLAN_EVERY_S = 60.0
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class NotificationLoop:
    """Send reminders and events; any number of processes may run one."""

    db: Database
    settings: Settings

    async def run(self, stopping: asyncio.Event) -> None:
        """Plan and send until `stopping`; idle without mail server and endpoints."""
        if self.settings.mail is None and not self.settings.endpoints:
            await stopping.wait()
            return
        sender = Sender(self.db, self.settings, f"{os.getpid()}:{secrets.token_hex(4)}")
        planned = -_PLAN_EVERY_S
        while not stopping.is_set():
            if clock.monotonic() - planned >= _PLAN_EVERY_S:
                planned = clock.monotonic()
                await self.plan()
            await self.hear()
            await sender.sweep()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _LOOK_EVERY_S)

    async def plan(self) -> None:
        """Enqueue the reminders that are due, each once however often this is called."""
        with suppress(DatabaseUnavailable):  # tried again in the next minute
            due = await self.db.aread(reminders.due, self.settings, clock.now())
            due += await self.db.aread(at_risk, self.settings, clock.now())
            if due:
                await self.db.write_with_retry(outbox.put, due)

    async def hear(self) -> None:
        """Enqueue recent events that are not in the outbox yet."""
        with suppress(DatabaseUnavailable):
            news = await self.db.aread(events.happened, self.settings, clock.now())
            news += await self.db.aread(staff_mails.happened, self.settings, clock.now())
            if await self.db.aread(outbox.unknown, news):
                await self.db.write_with_retry(outbox.put, news)
