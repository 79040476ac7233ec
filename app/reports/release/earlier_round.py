"""Sets the carriers of two frozen reports of directives side by side, by their frozen figures alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from app.core import clock
from app.core.errors import Invalid
from app.reports.figures.numbers import hour
from app.reports.figures.version import EarlierRound, RoundRow
from app.reports.forms import count_columns
from app.reports.forms.comparison_tables import NOTHING_YET
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, SubjectKind
from app.reports.frozen.printed_code import FrozenTotals, totals
from carriers.contract import ReceiptLevel


@dataclass(frozen=True, slots=True)
class _RoundSum:
    source: str
    sent: int | None = None
    delivered: int | None = None
    ratio: float | None = None


def find(
    connection: Connection, report: Frozen, other_id: int | None, carrier: str | None
) -> EarlierRound | None:
    """Return the earlier round to compare with; raises Invalid for what is none, NotFound."""
    if other_id is None:
        return None
    other = archive.get(connection, other_id, carrier)
    kinds = {report.subject, other.subject}
    if kinds != {SubjectKind.DIRECTIVE} or other.subject_id == report.subject_id:
        raise Invalid(
            "Compare a directive's report with one of another directive. Changes since its own "
            "previous version are already an annex.",
            field="compare_with",
        )
    if other.cut_off_at >= report.cut_off_at:
        raise Invalid(
            "Report {other} does not have an earlier cut-off, so it is not an earlier round.",
            other=other.id,
            field="compare_with",
        )
    return _beside(connection, other, report)


def _beside(connection: Connection, earlier: Frozen, now: Frozen) -> EarlierRound:
    reports = [json.loads(archive.figures(connection, each)) for each in (earlier, now)]
    before, after = (_by_carrier(totals(SubjectKind.DIRECTIVE, each)) for each in reports)
    issued = f", số {earlier.issued.number} ngày {earlier.issued.dated_on:%d/%m/%Y}" if earlier.issued else ""
    words = (
        f"báo cáo theo văn bản {reports[0]['directive']}{issued} (bản số {earlier.version}, số liệu chốt đến "
        f"{hour(clock.to_ms(earlier.cut_off_at))})"
    )
    names = dict.fromkeys((*before, *after))
    rows = (_row(name, _sum(before.get(name, ())), _sum(after.get(name, ()))) for name in names)
    return EarlierRound(words, tuple(rows))


def _by_carrier(lines: Iterator[FrozenTotals]) -> dict[str, list[FrozenTotals]]:
    found: dict[str, list[FrozenTotals]] = {}
    for line in lines:
        found.setdefault(line.carrier, []).append(line)
    return found


def _row(name: str, earlier: _RoundSum, two: _RoundSum) -> RoundRow:
    counts = ((earlier.sent, two.sent), (earlier.delivered, two.delivered))
    return RoundRow(name, (earlier.source, two.source), *counts, (earlier.ratio, two.ratio))


def _sum(lines: Sequence[FrozenTotals]) -> _RoundSum:
    """Sum one carrier's runs of a round; figures of several sources or levels are not added up."""
    if not lines:
        return _RoundSum("không có")
    if len({(line.source, line.receipt_level) for line in lines}) > 1:
        return _RoundSum("nhiều nguồn, không cộng")
    source, level = lines[0].source, lines[0].receipt_level
    if source is None:
        return _RoundSum(NOTHING_YET)
    proved = ReceiptLevel[level.upper()] if level else None
    sent, delivered = (_whole([line.figures[key] for line in lines]) for key in ("sent", "delivered"))
    handset = proved == ReceiptLevel.HANDSET
    ratio = delivered / sent if handset and sent and delivered is not None else None
    words = f"{count_columns.whose(source, proved)}, {count_columns.LEVELS[proved]}"
    return _RoundSum(words, sent, delivered if handset else None, ratio)


def _whole(counts: Sequence[int | None]) -> int | None:
    known = [n for n in counts if n is not None]
    return sum(known) if len(known) == len(counts) else None
