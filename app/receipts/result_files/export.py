"""A result file's reconciliation and lines as CSV for Excel, with its diacritics and as text only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

from app.file_import.cells import csv_pieces, safe
from app.receipts.result_files.queries import ReceiptFile, ResultLineView, RunMessages
from app.receipts.result_files.verdicts import WORDS, ResultVerdict

TABLE_HEADER = ("of", "what", "count", "in words", "giải thích")
LINES_HEADER = (
    *("line", "number", "said", "status", "reason", "code", "time"),
    *("verdict", "why", "in words", "giải thích", "campaign"),
)


def table_csv(file: ReceiptFile) -> Iterator[str]:
    """The counts: of the lines, which add up to `lines`, and of each run's messages."""
    counts = file.reconciliation
    rows: list[tuple[object, ...]] = [("file", "lines", file.lines, "", "")]
    for each in fields(counts):
        rows.append(("file", each.name, getattr(counts, each.name), *WORDS[each.name]))
    for run in file.runs:
        rows += [_run_row(run, each.name) for each in fields(run) if not each.name.endswith("_id")]
    return csv_pieces(TABLE_HEADER, rows)


def lines_csv(lines: Iterable[ResultLineView]) -> Iterator[str]:
    """Lines with what became of them."""
    return csv_pieces(LINES_HEADER, (_row(line) for line in lines))


def _run_row(run: RunMessages, name: str) -> tuple[object, ...]:
    words = WORDS[ResultVerdict.MISSING] if name == ResultVerdict.MISSING else ("", "")
    return (f"run {run.run_id} (campaign {run.campaign_id})", name, getattr(run, name), *words)


def _row(line: ResultLineView) -> tuple[object, ...]:
    at = line.at.isoformat(sep=" ", timespec="seconds") if line.at else ""
    told = (line.verdict, line.why, line.verdict_en, line.verdict_vi, line.campaign_id)
    return (
        line.line,
        line.phone,
        safe(line.said),
        line.status,
        line.reason,
        safe(line.code or ""),
        at,
        *told,
    )
