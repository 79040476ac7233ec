"""What a send loop holds: leased chunks and their halves on the wire."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from app.core import clock
from app.dispatch.run_content import RunContent
from app.ledger.contract import ChunkLease, DeliveryToSend, SubmitOutcome
from carriers.contract import Permit


@dataclass(slots=True)
class HeldChunk:
    """A leased chunk: what is still to be sent, and the permit that limits writing it to the wire."""

    lease: ChunkLease
    script: RunContent
    items: deque[DeliveryToSend]
    permit: Permit
    taken: tuple[datetime, float]  # time of the claim: the database's clock, monotonic seconds
    on_wire: int = 0
    retry_after_s: float = 0.0

    @property
    def over(self) -> bool:
        return not self.items and not self.on_wire

    def begin_pass(self, items: Sequence[DeliveryToSend]) -> None:
        """Begin another pass under the same lease, with what is due in it."""
        self.lease = replace(self.lease, pass_no=self.lease.pass_no + 1, items=items)
        self.items.extend(items)
        self.retry_after_s = 0.0

    def now(self) -> datetime:
        """Return the database's time: this machine's clock may be wrong, and would then send at night."""
        at, then = self.taken
        return at + timedelta(seconds=clock.monotonic() - then)


@dataclass(slots=True)
class HalfInFlight:
    """One half on the wire, with the task that collects its results."""

    chunk: HeldChunk
    answers: asyncio.Task[list[SubmitOutcome]]


def segments_of(items: Sequence[DeliveryToSend]) -> int:
    return sum(item.segments for item in items)
