"""What a send loop has in hand: chunks under lease, and their halves on the wire."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.core import clock
from app.dispatch.run_content import RunContent
from app.ledger.contract import ChunkLease, DeliveryToSend, SubmitOutcome
from carriers.contract import Permit


@dataclass(slots=True)
class HeldChunk:
    """A lease at work: its halves still to be sent, and until when these may be written to the wire.

    taken: when it was taken, on the clock that all processes share and in monotonic seconds.
    """

    lease: ChunkLease
    script: RunContent
    items: deque[DeliveryToSend]
    permit: Permit
    taken: tuple[datetime, float]
    on_wire: int = 0
    retry_after_s: float = 0.0

    @property
    def over(self) -> bool:
        return not self.items and not self.on_wire

    def now(self) -> datetime:
        """The time on the shared clock: that of this machine may be wrong, and sends at night then."""
        at, then = self.taken
        return at + timedelta(seconds=clock.monotonic() - then)


@dataclass(slots=True)
class HalfInFlight:
    """One half on the wire."""

    chunk: HeldChunk
    answers: asyncio.Task[list[SubmitOutcome]]


def segments_of(items: Sequence[DeliveryToSend]) -> int:
    """SMS parts of all these."""
    return sum(item.segments for item in items)
