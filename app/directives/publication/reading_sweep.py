"""Read published addresses again when they are due, several at once."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection

from app.core.config import Settings
from app.core.errors import AppError
from app.database.connection import Database
from app.directives.publication import fetching, kit_source, published
from app.directives.publication.comparing import Found, compare
from app.directives.publication.fetching import NotRead, ReadPage
from app.directives.publication.published import DueReading
from app.directives.publication.visible_words import visible
from app.observability.faults import Aside
from app.reports.figures.publications import PublicationState

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class ReadingSweep:
    """A step reads what is due; the worker takes it again and again."""

    db: Database
    settings: Settings
    aside: Aside

    async def step(self) -> bool:
        """Return whether there may be more to read at once."""
        if not await self.db.insist_reading(published.is_due):
            return False
        due = await self.db.insist(published.claim_due, self.settings.publication, AT_ONCE)
        await asyncio.gather(*(self._attempt(each) for each in due))
        return len(due) == AT_ONCE

    async def _attempt(self, of: DueReading) -> None:
        """Read it; a page that causes a fault nobody foresaw keeps no other one from being read."""
        await self.aside.result(of.id, f"publication {of.id}", self._read(of))

    async def _read(self, of: DueReading) -> None:
        own = self.settings.publication
        try:
            forms = await self.db.insist_reading(_forms, of.campaign_id, self.settings)
        except AppError:
            why = "The campaign is no longer as approved, so there is no text to compare with."
            await self.db.insist(published.keep_failure, of, why, own)
            return
        page = await fetching.fetch(of.url, own)
        if isinstance(page, NotRead):
            await self.db.insist(published.keep_failure, of, page.why, own)
            return
        found = await asyncio.to_thread(judge, page, forms)
        sha256 = hashlib.sha256(page.body).hexdigest()
        await self.db.insist(published.keep_found, of, sha256, found, own)


def judge(page: ReadPage, forms: list[str]) -> Found:
    if page.status != 200:
        return PublicationState.GONE, ()
    return compare(visible(page), forms)


def _forms(connection: Connection, campaign_id: int, settings: Settings) -> list[str]:
    of = kit_source.read(connection, campaign_id, settings)
    return [of.original, *of.sent.values()]
