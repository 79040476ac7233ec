"""Look after what a send loop holds, beside its sending: renew leases, withdraw what may not go any more.

A fault of one look is shown and costs this look alone: the results of what is on the wire are still recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.dispatch.claims import SendContext
from app.dispatch.held_chunks import HeldChunk
from app.dispatch.run_content import still_going
from app.ledger.contract import Link
from app.observability.faults import Faults, outcome

_LOOK_EVERY_S = 0.5  # how often leases, orders and opt-outs of what is on the wire are checked
_NOTED_EVERY_S = 60.0


@dataclass(slots=True)
class ChunkWatch:
    """Watch over the chunks of one send loop until it is cancelled. chunks: those it holds now."""

    link: Link
    context: SendContext
    chunks: Callable[[], Sequence[HeldChunk]]
    _noted: dict[str, float] = field(default_factory=dict)  # lasting faults, by when they were shown

    def start(self) -> list[asyncio.Task[None]]:
        """Start to watch; the tasks end when they are cancelled, not before."""
        looks = {
            "leases": (self.context.lease_s / 3, self.keep_leases),
            "orders": (_LOOK_EVERY_S, self.look_at_orders),
            "deadlines": (_LOOK_EVERY_S / 2, self.look_at_deadlines),
        }
        return [asyncio.create_task(self._again_and_again(name, *each)) for name, each in looks.items()]

    async def _again_and_again(self, name: str, every_s: float, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self._said(f"{name} {self.link.name}", await outcome(look()))

    async def _said(self, source: str, end: object) -> None:
        """Show a fault now and then, and when it is over; without the database the leases expire."""
        faults, now = Faults(self.context.db, self.context.metrics), clock.monotonic()
        if not isinstance(end, BaseException):
            if self._noted.pop(source, None) is not None:
                await faults.over(source)
        elif not isinstance(end, Exception):
            raise end
        elif isinstance(end, DatabaseUnavailable):
            return
        elif now - self._noted.get(source, -_NOTED_EVERY_S) >= _NOTED_EVERY_S:
            self._noted[source] = now
            await faults.note(source, end)

    async def keep_leases(self) -> None:
        """Renew leases while a carrier is slow to answer."""
        context = self.context
        for chunk in self.chunks():
            asked = clock.monotonic()
            if await context.db.write_with_retry(context.ledger.renew, chunk.lease, context.lease_s):
                chunk.permit.until = max(chunk.permit.until, asked + context.lease_s)
            else:
                chunk.permit.withdraw()

    async def look_at_orders(self) -> None:
        """Withdraw what waits in the adapter once its run is paused or ended, or its link halted."""
        chunks = self.chunks()
        if not chunks:
            return
        runs = {chunk.lease.run_id for chunk in chunks}
        phones = list({item.phone for chunk in chunks for item in chunk.lease.items})
        going, listed = await self.context.db.aread(still_going, self.link, runs, phones)
        for chunk in chunks:
            chunk.opted_out.update(listed)
            if chunk.lease.run_id not in going:
                chunk.permit.withdraw()

    async def look_at_deadlines(self) -> None:
        """Have what waits in the adapter given back once its lease or the sending hours are over.

        Asks nobody: the permit knows both ends, and is looked at before each write in any case.
        """
        for chunk in [each for each in self.chunks() if not (each.permit.stands or each.permit.withdrawn)]:
            chunk.permit.withdraw()
