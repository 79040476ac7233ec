"""Form 6 of the consolidated report: areas over all carriers, what was measured, stated and entered apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date

from app.core import areas, clock
from app.reports.counting.consolidated import ConsolidatedReport, RunLine
from app.reports.counting.unique_reach import Subscribers
from app.reports.figures import by_area, labels
from app.reports.figures.carrier_statement import FigureSource as Source
from app.reports.figures.figures import FIGURES, provable, standing_in
from app.reports.figures.numbers import NOTHING
from app.reports.figures.table_model import Cell, CellKind, ReportTable, TableColumn, TableRow, ratio, total
from app.reports.forms import comparison_tables, subscriber_tables
from app.reports.forms.carrier_tables import nobody_in
from carriers.contract import ReceiptLevel

NAME = "Biểu 6"
_KEYS = standing_in("6")
_ONCE = {
    "addressed": "Thuê bao phải gửi, có biên nhận của máy",
    "reached": "Thuê bao đã nhận",
    "addressed_else": "Thuê bao phải gửi, không có biên nhận của máy",
    "taken": "Tổng đài xác nhận",
}
# Area -> figure -> number.
_Block = dict[str | None, dict[str, int]]


def of_directive(report: ConsolidatedReport) -> ReportTable:
    """Return the form; without rows where no carrier has figures by area.

    A figure that the receipts of no run in a block can prove has no column there.
    """
    on = clock.moment(report.cutoff_ms).date()
    blocks = {kind: _block(report.of(kind), on) for kind in Source}
    if (once := report.subscribers) is not None:
        blocks[Source.MEASURED] = subscribers(report, once, on)
    codes = {code for block in blocks.values() for code in block}
    ordered = sorted(codes, key=lambda code: (code is None, code or ""))
    shown = [
        (kind, key)
        for kind in Source
        for key in (*_KEYS, *_ONCE)
        if any(key in row for row in blocks[kind].values())
    ]
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("code", "Mã", CellKind.TEXT, 8),
        TableColumn("name", "Địa bàn", CellKind.TEXT, 30),
        *(column for kind, key in shown for column in _columns(kind, key)),
    )
    rows = [
        TableRow(
            f"area_{nth}",
            (str(nth), code or "", by_area.named(code, on), *_cells(blocks, shown, code)),
            aside=code is None,
        )
        for nth, code in enumerate(ordered, 1)
    ]
    if rows:
        sums = {pair: sum(row.get(pair[1], 0) for row in blocks[pair[0]].values()) for pair in shown}
        cells = (cell for pair, n in sums.items() for cell in _with_share(pair, total(n), sums))
        rows.append(TableRow("total", ("", "", labels.TOTAL, *cells), strong=True))
    source = f"{_source(report, on)}{nobody_in(by_area.empty(codes, on))}"
    title = f"{NAME} – Kết quả theo địa bàn của các doanh nghiệp"
    return ReportTable(NAME, title, columns, tuple(rows), source)


def _columns(kind: Source, key: str) -> Iterator[TableColumn]:
    title = _ONCE.get(key) or f"{FIGURES[key].label}: {subscriber_tables.WHOSE[kind]}"
    yield TableColumn(f"{kind}_{key}", title, CellKind.COUNT, 13)
    if key == "reached":
        yield TableColumn(f"{kind}_ratio", FIGURES["delivered_ratio"].label, CellKind.RATIO, 11)


def _cells(
    blocks: dict[Source, _Block], shown: Sequence[tuple[Source, str]], code: str | None
) -> Iterable[Cell]:
    numbers = {(kind, key): blocks[kind].get(code, {}).get(key) for kind, key in shown}
    for pair, n in numbers.items():
        yield from _with_share(pair, NOTHING if n is None else n, numbers)


def _with_share(
    pair: tuple[Source, str], cell: Cell, numbers: Mapping[tuple[Source, str], int | None]
) -> Iterator[Cell]:
    """Yield the cell, and behind the subscribers reached their share of those to be written to."""
    yield cell
    kind, key = pair
    if key == "reached":
        n, whole = numbers[pair], numbers[kind, "addressed"]
        share = None if n is None or not whole else n / whole
        yield ratio(f"{kind}_reached", f"{kind}_addressed", share)


def subscribers(report: ConsolidatedReport, rows: Sequence[Subscribers], on: date) -> _Block:
    """Return measured subscribers by the areas of that day, each counted once, levels of proof apart."""
    known, found = subscriber_tables.levels(report), _Block()
    if all(row.area is None for row in rows):
        return found
    for row in rows:
        own = found.setdefault(row.area and (areas.place(row.area, on) or row.area), {})
        f = row.figures
        numbers = {"addressed_else": f.eligible, "taken": f.relayed + f.delivered}
        if known.get(row.carrier) == ReceiptLevel.HANDSET:
            numbers = {"addressed": f.eligible, "reached": f.delivered}
        for key, n in numbers.items():
            own[key] = own.get(key, 0) + n
    return found


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
        f"{subscriber_tables.WHOSE[kind]} ({_names(line for line in report.of(kind) if known[line.run_id])})"
        for kind in Source
        if any(known[line.run_id] for line in report.of(kind))
    ]
    without = _names(line for line in report.lines if not known[line.run_id])
    left_out = f" Chưa có số theo địa bàn: {without}." if without else ""
    once = " Số đo tính theo thuê bao, mỗi thuê bao một lần." if report.subscribers is not None else ""
    return f"Nguồn số liệu: {'; '.join(parts)}; không cộng chung.{once}{left_out}"


def nobody(report: ConsolidatedReport) -> list[str]:
    """Name the areas without subscribers in any list; return none if no list has areas."""
    on = clock.moment(report.cutoff_ms).date()
    codes = {code for line in report.lines for code, _ in _rows(line, on)}
    return [each.name for each in by_area.empty(codes, on)]


def _names(lines: Iterable[RunLine]) -> str:
    return ", ".join(dict.fromkeys(comparison_tables.carrier_name(line.carrier) for line in lines))
