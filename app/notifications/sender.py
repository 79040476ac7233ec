"""Send notices from the outbox; due times and leases make several senders safe."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app.core.config import Settings
from app.database.connection import Database
from app.notifications import mail, outbox, webhook
from app.notifications.outbox import DueNotice, Later, Never, NotificationChannel, Outcome, Sent

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """Sender of one process; owner: lease holder, different in every process."""

    db: Database
    settings: Settings
    owner: str
    waits: Sequence[float] = outbox.WAITS

    async def sweep(self) -> int:
        """Send due notices one after the other; return how many were tried."""
        tried = 0
        while due := await self.db.write_with_retry(outbox.take, self.owner):
            outcome = await self._send(due)
            if not isinstance(outcome, Sent):
                log.warning("notice not sent", id=due.id, kind=due.notice.kind, reason=outcome.reason)
            await self.db.write_with_retry(outbox.record_outcome, due, outcome, self.waits)
            tried += 1
        return tried

    async def _send(self, due: DueNotice) -> Outcome:
        notice, settings = due.notice, self.settings
        if notice.channel is NotificationChannel.EMAIL:
            if settings.mail is None:
                return Later("There is no mail server in the settings.")
            return await asyncio.to_thread(mail.send, settings.mail, notice)
        endpoint = settings.endpoints.get(notice.target)
        if endpoint is None:
            return Never(f"There is no endpoint {notice.target} in the settings any more.")
        return await webhook.post(endpoint, notice, private=settings.private_endpoints)
