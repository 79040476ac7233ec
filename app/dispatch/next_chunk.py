"""Claim what a link sends next; on a fast link while the last messages of the present chunk go out."""

from __future__ import annotations

import asyncio

import structlog

from app.core import clock
from app.core.states import LinkState
from app.dispatch.claims import Claims
from app.dispatch.held_chunks import HeldChunk
from app.dispatch.run_content import ClaimedChunk

log = structlog.get_logger(__name__)


class NextChunk:
    """The next chunk of one send loop, if it was claimed ahead.

    It is held like any other: its lease is renewed, orders withdraw it, and what is not sent is released.
    Nothing of it is reserved yet, so a crash leaves none of its messages unknown.
    """

    def __init__(self, claims: Claims, link: str, lease_s: float) -> None:
        self._claims, self._link, self._lease_s = claims, link, lease_s
        self._task: asyncio.Task[HeldChunk | LinkState] | None = None

    @property
    def held(self) -> HeldChunk | None:
        """The chunk that was claimed ahead and not taken yet."""
        if self._task is None or not self._task.done() or self._task.cancelled() or self._task.exception():
            return None
        found = self._task.result()
        return found if isinstance(found, HeldChunk) else None

    def start(self) -> None:
        """Claim ahead, unless that has begun."""
        self._task = self._task or asyncio.create_task(self._claim())

    async def take(self) -> HeldChunk | LinkState:
        """Return the next chunk; or the link's state if it is halted or nothing is due now."""
        found = await self.give_up()
        # That nothing was due was said before the last results were recorded.
        return found or await self._claim()

    async def give_up(self) -> HeldChunk | None:
        """Return the chunk that was claimed ahead, for its release; None if there is none."""
        task, self._task = self._task, None
        found = await task if task is not None else None
        return found if isinstance(found, HeldChunk) else None

    def cancel(self) -> list[asyncio.Task[HeldChunk | LinkState]]:
        """Cancel a claim that is under way; return its task, to be waited for."""
        task, self._task = self._task, None
        if task is None:
            return []
        task.cancel()
        return [task]

    async def _claim(self) -> HeldChunk | LinkState:
        asked = clock.monotonic()
        found = await self._claims.next()
        if not isinstance(found, ClaimedChunk):
            return found
        if found.lease.lost:
            log.warning("deliveries of a dead holder are unknown", link=self._link, n=found.lease.lost)
        return HeldChunk.of(found, asked, self._lease_s)
