"""Read published addresses again when they are due, several at once."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field

from sqlalchemy import Connection

from app.core.config import Settings
from app.core.errors import AppError
from app.database.connection import Database
from app.directives.publication import fetching, kit_source, published
from app.directives.publication.comparing import Found
from app.directives.publication.fetching import NotRead, ReadPage
from app.directives.publication.judging import judge
from app.directives.publication.published import DueReading
from app.observability.faults import Aside
from app.reports.figures.publications import PublicationState

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ReadingSweep:
    """A step reads what is due; the worker takes it again and again."""

    db: Database
    settings: Settings
    aside: Aside
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))  # one page judged at a time

    async def step(self) -> bool:
        """Return whether there may be more to read at once."""
        if not await self.db.read_with_retry(published.is_due):
            return False
        due = await self.db.write_with_retry(published.claim_due, self.settings.publication, AT_ONCE)
        await asyncio.gather(*(self._attempt(each) for each in due))
        return len(due) == AT_ONCE

    async def _attempt(self, of: DueReading) -> None:
        """Read it; a page that causes a fault nobody foresaw keeps no other one from being read."""
        await self.aside.result(of.id, f"publication {of.id}", self._read(of))

    async def _read(self, of: DueReading) -> None:
        own = self.settings.publication
        try:
            forms = await self.db.read_with_retry(_forms, of.campaign_id, self.settings)
        except AppError:
            why = "The campaign is no longer as approved, so there is no text to compare with."
            await self.db.write_with_retry(published.keep_failure, of, why, own)
            return
        page = await fetching.fetch(of.url, own)
        if isinstance(page, NotRead):
            await self.db.write_with_retry(published.keep_failure, of, page.why, own)
            return
        async with self.turn:
            found = await _judged(page, forms)
        if found is None:
            await self.db.write_with_retry(
                published.keep_failure, of, "The page takes too long to compare.", own
            )
            return
        sha256 = hashlib.sha256(page.body).hexdigest()
        await self.db.write_with_retry(published.keep_found, of, sha256, found, own)


async def _judged(page: ReadPage, forms: list[str]) -> Found | None:
    if page.status != 200:
        return PublicationState.GONE, ()
    return await judge(page.body, page.charset, page.plain, forms)


def _forms(connection: Connection, campaign_id: int, settings: Settings) -> list[str]:
    of = kit_source.read(connection, campaign_id, settings)
    return [of.original, *of.sent.values()]
