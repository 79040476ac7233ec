"""A carrier that is only asked: a test writes down what it knows of each message, and what it lists."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

from app.core import clock
from app.database.connection import Database
from app.ledger.contract import SubmitOutcome
from app.observability.metrics import Metrics
from app.receipts.poll import Poll
from app.receipts.receipt_writer import Inbox
from app.receipts.status_queries import QueryPlan
from carriers.contract import (
    Accepted,
    Question,
    ReadError,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
    SubmitResult,
    Unknown,
)
from tests.app.dispatch.paper import PaperCarrier
from tests.app.world import World, build

Says = ReceiptStatus | ReadError | Exception | None


class Oracle(PaperCarrier):
    """Answers each question by `says`, and keeps when it was asked for what."""

    def __init__(self, queries_per_second: float = 1000.0, delay_s: float = 0.0) -> None:
        super().__init__(delay_s=delay_s)
        self.queries_per_second = queries_per_second
        self.says: Callable[[Question], Says] = lambda _: ReceiptStatus.DELIVERED
        self.level = ReceiptLevel.HANDSET
        self.asked: list[tuple[float, Question]] = []
        self.asking = self.most_asked = 0
        self.lists: dict[tuple[str, date], Sequence[Receipt] | ReadError] = {}
        self.read: Counter[tuple[str, date]] = Counter()
        self.up.set()

    async def query(self, question: Question) -> Receipt | None:
        self.asked.append((clock.monotonic(), question))
        self.asking += 1
        self.most_asked = max(self.most_asked, self.asking)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.asking -= 1
        says = self.says(question)
        if isinstance(says, Exception):
            raise says
        return None if says is None else Receipt(None, None, says, self.level, code="9", raw="asked")

    def phones(self) -> Counter[str]:
        """How often each phone was asked about."""
        return Counter(question.phone for _, question in self.asked)

    async def failures(self, day: date, sender: str) -> Sequence[Receipt]:
        self.read[sender, day] += 1
        await asyncio.sleep(self.delay_s)
        found = self.lists.get((sender, day), ())
        if isinstance(found, ReadError):
            raise found
        return found


def sent(db: Database, results: Sequence[SubmitResult], *, chunk: int = 1000) -> World:
    """A world whose deliveries got these results; a shared reference where it is that of a request."""
    world = build(db, len(results), chunk=chunk)
    world.fan_out()
    rest = list(results)
    while (lease := world.claim()) is not None:
        outcomes = [SubmitOutcome(item, rest.pop(0)) for item in lease.items]
        db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
        db.write(world.ledger.release, lease, 0.0)
    return world


def lost(reference: str | None = "req-1") -> Unknown:
    """An answer that was lost, to a request whose id is ours."""
    return Unknown("no answer", (reference,) if reference else ())


def taken(reference: str = "req-1") -> Accepted:
    return Accepted((reference,))


def poll(world: World, oracle: Oracle, which: str = "unknown", **more: object) -> Poll:
    """The asking of the world's link, impatient enough for a test."""
    inbox = Inbox(world.db, world.ledger, Metrics())
    plan = QueryPlan(which, int(str(more.get("sample", 200))), float(str(more.get("after_s", 0.05))))  # type: ignore[arg-type]
    return Poll(world.link, oracle, inbox, plan, float(str(more.get("lease_s", 2.0))))
