"""The drill for people and for machines: a table of faults, the sums, and every objection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from app.devtools.drill.plan import DrillOrder
from app.devtools.drill.verdict import DrillResult, VerdictRow

# Counts are of the messages that the carrier took while the fault lasted; recovery: median and worst.
_COLUMNS = {
    "times": 7,
    "copies": 8,
    "lost": 6,
    "unknown": 9,
    "settled": 9,
    "receipts lost": 15,
    "recovery s": 12,
    "at most s": 11,
}


def document(order: DrillOrder, found: DrillResult) -> dict[str, Any]:
    """Everything for machines; `passed` is the verdict, names say the unit."""
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
    """The table's lines, and below it the sums and the verdict."""
    yield f"{'fault':<42}" + "".join(f"{name:>{width}}" for name, width in _COLUMNS.items())
    for row in found.rows:
        yield f"{row.fault:<42}" + _cells(row)
    figures = found.finding.figures
    yield (
        f"{figures['messages']:,} messages to {figures['numbers_taken']:,} numbers, at most "
        f"{figures['copies_max']} each; {figures['delivered']:,} delivered. Unknown were "
        f"{figures['unknown_ever']:,}, settled {figures['unknown_settled']:,}; "
        f"{figures['unknown_left']:,} never came to the carrier and wait for a person. "
        f"{figures['in_quarantine']:,} numbers have a receipt in quarantine."
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
