"""The worker's retention: erase what is due, a little at a time, in one process at once.

What is due, and when: retention_due.py.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog

from app.core.errors import AppError
from app.database.connection import Database
from app.ledger.contract import Ledger
from app.privacy import certificates
from app.privacy.erasable import RetentionTerms
from app.privacy.eraser import Eraser

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 300.0
_SLACK_S = 1.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Look every five minutes for what is due; any number of processes may run one."""

    db: Database
    ledger: Ledger
    terms: RetentionTerms

    async def run(self, stopping: asyncio.Event) -> None:
        eraser = Eraser(self.db, self.ledger, self.terms)
        while not stopping.is_set():
            try:
                await eraser.run(stopping)
            except AppError as error:  # figures do not balance, or another process has taken over
                log.error("erasure put off", reason=error.detail)
            pause_s = await self._pause_s()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), pause_s)

    async def _pause_s(self) -> float:
        """Return the pause before the next look: shorter if an erasure is open, whose process may be dead."""
        free_in_ms = await self.db.read_with_retry(certificates.free_in_ms, self.ledger)
        return _LOOK_EVERY_S if free_in_ms is None else min(_LOOK_EVERY_S, free_in_ms / 1000 + _SLACK_S)
