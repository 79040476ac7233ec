"""Form 6 of the consolidated report: areas over all carriers, what was measured, stated and entered apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from app.core import clock
from app.reports.build.consolidated import ConsolidatedReport, RunLine
from app.reports.figures import by_area, labels
from app.reports.figures.carrier_statement import FigureSource as Source
from app.reports.figures.figures import FIGURES, provable
from app.reports.figures.numbers import NOTHING
from app.reports.figures.table_model import Cell, CellKind, ReportTable, TableColumn, TableRow, total
from app.reports.forms import comparison_tables
from app.reports.forms.carrier_tables import nobody_in
from carriers.contract import ReceiptLevel

NAME = "Biểu 6"
_WORDS = {Source.MEASURED: "số đo", Source.STATED: "doanh nghiệp báo", Source.MANUAL: "nhập tay"}
_KEYS = ("sent", "delivered", "relayed")
# Area -> figure -> number.
_Block = dict[str | None, dict[str, int]]


def of_directive(report: ConsolidatedReport) -> ReportTable:
    """Return the form; without rows where no carrier has figures by area.

    A figure that the receipts of no run in a block can prove has no column there.
    """
    on = clock.local(clock.from_ms(report.cutoff_ms)).date()
    blocks = {kind: _block(report.of(kind), on) for kind in Source}
    codes = {code for block in blocks.values() for code in block}
    ordered = sorted(codes, key=lambda code: (code is None, code or ""))
    shown = [
        (kind, key) for kind in Source for key in _KEYS if any(key in row for row in blocks[kind].values())
    ]
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("code", "Mã", CellKind.TEXT, 8),
        TableColumn("name", "Địa bàn", CellKind.TEXT, 30),
        *(TableColumn(f"{kind}_{key}", _head(kind, key), CellKind.COUNT, 13) for kind, key in shown),
    )
    rows = [
        TableRow(
            f"area_{nth}",
            (str(nth), code or "", by_area.label(code, on), *_cells(blocks, shown, code)),
            aside=code is None,
        )
        for nth, code in enumerate(ordered, 1)
    ]
    if rows:
        sums = (total(sum(row.get(key, 0) for row in blocks[kind].values())) for kind, key in shown)
        rows.append(TableRow("total", ("", "", labels.TOTAL, *sums), strong=True))
    source = f"{_source(report, on)}{nobody_in(by_area.empty(codes, on))}"
    title = f"{NAME} – Kết quả theo địa bàn của các doanh nghiệp"
    return ReportTable(NAME, title, columns, tuple(rows), source)


def _head(kind: Source, key: str) -> str:
    return f"{FIGURES[key].label}: {_WORDS[kind]}"


def _cells(
    blocks: dict[Source, _Block], shown: Sequence[tuple[Source, str]], code: str | None
) -> Iterable[Cell]:
    for kind, key in shown:
        yield blocks[kind].get(code, {}).get(key, NOTHING)


def _block(lines: Sequence[RunLine], on: date) -> _Block:
    found: _Block = {}
    for line in lines:
        for code, figures in _rows(line, on):
            row = found.setdefault(code, {})
            for key, n in figures.items():
                row[key] = row.get(key, 0) + n
    return found


def _rows(line: RunLine, on: date) -> Iterator[tuple[str | None, dict[str, int]]]:
    """Yield each area's figures of a run as far as its receipts prove them; none without any known area."""
    level, found = comparison_tables.level(line), list[tuple[str | None, Mapping[str, object]]]()
    if line.kind is Source.MEASURED:
        found += [(x.code, provable(x.figures, level)) for x in by_area.measured(line.report.areas, on)]
    elif line.kind and line.statement:
        stated = by_area.stated_rows(line.statement.figures.areas, on)
        found += [(x.code, x.counts.by_figure(line.statement.level)) for x in stated]
    if all(code is None for code, _ in found):
        return
    for code, figures in found:
        numbers = {key: n for key in _KEYS if isinstance(n := figures.get(key), int)}
        if level == ReceiptLevel.HANDSET and not numbers.get("relayed"):
            numbers.pop("relayed", None)  # it is among the delivered
        yield code, numbers


def _source(report: ConsolidatedReport, on: date) -> str:
    """Name the carriers of each block, and those without figures by area."""
    known = {line.run_id: any(True for _ in _rows(line, on)) for line in report.lines}
    parts = [
        f"{_WORDS[kind]} ({_names(line for line in report.of(kind) if known[line.run_id])})"
        for kind in Source
        if any(known[line.run_id] for line in report.of(kind))
    ]
    without = _names(line for line in report.lines if not known[line.run_id])
    left_out = f" Chưa có số theo địa bàn: {without}." if without else ""
    return f"Nguồn số liệu: {'; '.join(parts)}; không cộng chung.{left_out}"


def _names(lines: Iterable[RunLine]) -> str:
    return ", ".join(dict.fromkeys(comparison_tables.carrier_name(line.carrier) for line in lines))
