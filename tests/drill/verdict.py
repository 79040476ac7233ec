"""The drill's result: comparison, `loa verify`, and the effect of each kind of fault."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.core.states import DeliveryState
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.reports.verification.verify import examine
from tests.drill.context import DrillContext, FaultOutcome
from tests.drill.plan import DrillOrder, FaultKind, PlannedFault
from tests.drill.reconciliation import (
    Excuses,
    LedgerRecord,
    MessageRecord,
    ReconciliationResult,
    compare,
)


@dataclass(frozen=True, slots=True)
class Done:
    """One fault as it happened, while the carrier took its messages `first` to `last`."""

    event: PlannedFault
    outcome: FaultOutcome
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """One kind of fault. Counts cover the messages that the carrier took meanwhile."""

    fault: FaultKind
    times: int
    skipped: str
    copies_max: int
    lost: int
    unknown: int
    settled: int
    receipts_lost: int
    recovery_median_s: float
    recovery_max_s: float


@dataclass(frozen=True, slots=True)
class DrillResult:
    """The result; `objections` are the sentences that fail the drill."""

    done: tuple[Done, ...]
    rows: tuple[VerdictRow, ...]
    finding: ReconciliationResult
    objections: tuple[str, ...]
    seconds: float


def conclude(
    context: DrillContext, numbers: frozenset[int], done: tuple[Done, ...], seconds: float
) -> DrillResult:
    """Compare carrier and ledger, and recount the ledger; call it when nothing is running."""
    seen, look = context.smsc, context.look
    book = MessageRecord(
        {number: seen.copies(number) for number in seen.numbers()}, dict(seen.acknowledged())
    )
    kept = LedgerRecord(look.states(), look.reported(), look.waiting(), look.ever_unknown())
    excuses = Excuses(context.declared, context.allowed, misnamed(context, done), context.mistimed)
    finding = compare(numbers, book, kept, excuses)
    rows = tuple(_rows(done, seen.in_order(), book, kept))
    objections = [*finding.sentences(), *_verified(str(look.url))]
    by_time = not any(each.event.fault is FaultKind.CLOCK for each in done)
    looked, ways = look.traces(book.copies, by_time=by_time)
    finding.figures["traces_looked_at"] = looked
    objections += ways
    if open_ones := look.open():
        objections.append(f"{open_ones:,} deliveries were not sent in the end.")
    return DrillResult(done, rows, finding, tuple(objections), seconds)


def misnamed(context: DrillContext, done: Iterable[Done]) -> set[int]:
    """Return numbers whose receipts may have had their id in the other base."""
    order, own = context.smsc.in_order(), [each for each in done if each.event.fault is FaultKind.OTHER_BASE]
    return {number for each in own for number in order[each.first : each.last]}


def _verified(url: str) -> list[str]:
    db = Database(url)
    try:
        return [difference.sentence for difference in examine(db, ledger_for(db)).differences]
    finally:
        db.close()


def _rows(
    done: Sequence[Done], order: Sequence[int], book: MessageRecord, kept: LedgerRecord
) -> Iterable[VerdictRow]:
    for fault in FaultKind:
        own = [each for each in done if each.event.fault is fault]
        if own:
            yield _row(fault, own, order, Whole(book, kept))


@dataclass(frozen=True, slots=True)
class Whole:
    """Both counts."""

    book: MessageRecord
    kept: LedgerRecord

    def lost(self, number: int) -> bool:
        """Return whether the carrier took it and the ledger has it as never sent."""
        return self.kept.states.get(number, DeliveryState.QUEUED) == DeliveryState.QUEUED

    def receipt_lost(self, number: int) -> bool:
        """Return whether a receipt was acknowledged and is not in the ledger."""
        return self.kept.reported.get(number, 0) < self.book.acknowledged.get(number, 0)

    def settled(self, number: int) -> bool:
        return self.kept.states.get(number) != DeliveryState.UNKNOWN


def _row(fault: FaultKind, own: Sequence[Done], order: Sequence[int], whole: Whole) -> VerdictRow:
    numbers = {number for each in own for number in order[each.first : each.last]}
    doubtful = numbers.union(*(each.outcome.declared for each in own)) & whole.kept.ever_unknown
    took = [each.outcome.recovery_s for each in own if not each.outcome.skipped]
    return VerdictRow(
        fault,
        len(took),
        next((each.outcome.skipped for each in own if each.outcome.skipped), ""),
        max((whole.book.copies.get(number, 0) for number in numbers), default=0),
        sum(map(whole.lost, numbers)),
        len(doubtful),
        sum(map(whole.settled, doubtful)),
        sum(map(whole.receipt_lost, numbers)),
        statistics.median(took) if took else 0.0,
        max(took, default=0.0),
    )


# Output

# Counts cover the messages that the carrier took meanwhile; per number: the most to one.
_COLUMNS = {
    "times": 7,
    "per number": 12,
    "lost": 6,
    "unknown": 9,
    "settled": 9,
    "receipts lost": 15,
    "recovery s": 12,
    "at most s": 11,
}


def document(order: DrillOrder, found: DrillResult) -> dict[str, Any]:
    took = [each.outcome.recovery_s for each in found.done if not each.outcome.skipped]
    return {
        "passed": not found.objections,
        **asdict(order),
        "faults_done": len(took),
        **found.finding.figures,
        "recovery_max_s": round(max(took, default=0.0), 3),
        "seconds_total": round(found.seconds, 1),
        "by_fault": [asdict(row) for row in found.rows],
        "objections": list(found.objections),
        "events": [
            {
                "at": each.event.at,
                "fault": each.event.fault,
                "point": each.event.point,
                "turn": each.event.turn,
                "recovery_s": round(each.outcome.recovery_s, 3),
                "declared": len(each.outcome.declared),
                "words": each.outcome.skipped or each.outcome.words,
            }
            for each in found.done
        ],
    }


def tell(order: DrillOrder, found: DrillResult) -> Iterator[str]:
    yield f"{'fault':<42}" + "".join(f"{name:>{width}}" for name, width in _COLUMNS.items())
    for row in found.rows:
        yield f"{row.fault:<42}" + _cells(row)
    figures = found.finding.figures
    yield (
        f"{figures['messages']:,} messages to {figures['numbers_taken']:,} numbers, at most "
        f"{figures['copies_max']} each; {figures['delivered']:,} delivered. Unknown were "
        f"{figures['unknown_ever']:,}, settled {figures['unknown_settled']:,}; "
        f"{figures['unknown_left']:,} never came to the carrier and wait for a person. "
        f"{figures['in_quarantine']:,} numbers have a receipt in quarantine. "
        f"{figures['traces_looked_at']:,} journals were held against the model of sending."
    )
    yield from (f"FAILED: {sentence}" for sentence in found.objections)
    if not found.objections:
        yield f"Passed: no copy, no loss, every unknown explained; seed {order.seed}, {found.seconds:,.0f} s."


def _cells(row: VerdictRow) -> str:
    if not row.times:
        return f"  skipped: {row.skipped}"
    counts = (row.times, row.copies_max, row.lost, row.unknown, row.settled, row.receipts_lost)
    cells = [*(f"{n:,}" for n in counts), f"{row.recovery_median_s:.2f}", f"{row.recovery_max_s:.2f}"]
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, _COLUMNS.values(), strict=True))
