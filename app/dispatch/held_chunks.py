"""What a send loop holds: leased chunks and their halves on the wire."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.core import clock
from app.core.sending_window import closes_at
from app.dispatch.run_content import ClaimedChunk, RunContent
from app.ledger.contract import ChunkLease, DeliveryToSend, SubmitOutcome
from carriers.contract import Permit


@dataclass(slots=True)
class HeldChunk:
    """A leased chunk: what is still to be sent, and the permit that limits writing it to the wire."""

    lease: ChunkLease
    content: RunContent
    items: deque[DeliveryToSend]
    permit: Permit
    taken: tuple[datetime, float]  # time of the claim: the database's clock, monotonic seconds
    on_wire: int = 0
    retry_after_s: float = 0.0
    asked: list[DeliveryToSend] = field(default_factory=list)  # the half whose reservation was asked for last
    opted_out: set[int] = field(default_factory=set)  # phones put on the do-not-send list since the claim
    most: int | None = None  # segments that the budget had left when it was too small for a half

    @classmethod
    def of(cls, found: ClaimedChunk, asked: float, lease_s: float) -> HeldChunk:
        """Hold a chunk that was claimed now. asked: when its claim began, in monotonic seconds.

        The hours are counted from then: the database told its time at some moment of the claim.
        """
        closes = closes_at(found.content.window, found.at)
        permit = Permit(asked + lease_s)
        if closes is not None:
            permit.closes = asked + (closes - found.at).total_seconds()
        taken = (found.at, clock.monotonic())
        return cls(found.lease, found.content, deque(found.lease.items), permit, taken)

    @property
    def over(self) -> bool:
        return not self.items and not self.on_wire

    def begin_pass(self, items: Sequence[DeliveryToSend]) -> None:
        """Begin another pass under the same lease, with what is due in it."""
        self.lease = replace(self.lease, pass_no=self.lease.pass_no + 1, items=items)
        self.items.extend(items)
        self.retry_after_s = 0.0
        self.opted_out = set()  # the pass was begun without those

    def take(self, capacity: int) -> list[DeliveryToSend]:
        """Take the next messages, at least one, of so many segments in all."""
        self.asked = []
        capacity = capacity if self.most is None else min(capacity, self.most)
        while self.items and (not self.asked or capacity >= self.items[0].segments):
            self.asked.append(self.items.popleft())
            capacity -= self.asked[-1].segments
        return self.asked

    def refused(self, left: int | None) -> None:
        """Send nothing more of it; or, where the budget was too small for the half, only what it has left.

        What is on the wire is reserved, so it still goes.
        """
        if left is None:
            self.items.clear()
            self.permit.withdraw()
            return
        self.items.extendleft(reversed(self.asked))
        self.most = left
        if self.items and self.items[0].segments > left:
            self.items.clear()

    def sendable(
        self, some: Sequence[DeliveryToSend]
    ) -> tuple[Sequence[DeliveryToSend], Sequence[DeliveryToSend]]:
        """Split reserved messages: what may go, and what was stopped or whose phone has opted out."""
        if not self.permit.stands:
            return (), some
        if not self.opted_out:
            return some, ()
        return [i for i in some if i.phone not in self.opted_out], [
            i for i in some if i.phone in self.opted_out
        ]

    def now(self) -> datetime:
        """Return the database's time: by this machine's clock, if it is wrong, messages would lapse early."""
        at, then = self.taken
        return at + timedelta(seconds=clock.monotonic() - then)


@dataclass(slots=True)
class HalfInFlight:
    """One half on the wire, with the task that collects its results."""

    chunk: HeldChunk
    answers: asyncio.Task[list[SubmitOutcome]]


def segments_of(items: Sequence[DeliveryToSend]) -> int:
    return sum(item.segments for item in items)
