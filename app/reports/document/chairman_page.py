"""One page for the chairman: carriers, best and worst, who is missing, the areas least reached."""

from __future__ import annotations

from collections.abc import Iterator

from app.core import clock
from app.reports import by_area
from app.reports.consolidated import ConsolidatedReport, RunLine
from app.reports.document import citation
from app.reports.document.model import (
    Block,
    Paragraph,
    Style,
    Table,
    Title,
)
from app.reports.figures import AreaRow
from app.reports.render import comparison_tables
from app.reports.render.numbers import count, hour, percent
from app.reports.render.table_model import CellKind, ReportTable, TableColumn, TableRow, value
from carriers.contract import ReceiptLevel

_FEWEST, _ROWS = 8, 15  # areas in the table of those least reached; rows of both tables on one page
_NAMES = 6  # units that are named; of the others their number is told
_OF_FORM_5 = ("name", "source", "sent", "delivered", "relayed", "failed")
_OPEN = ("waiting", "no_receipt", "unknown")
_OPEN_COLUMN = TableColumn("open", "Đang chờ, chưa rõ", CellKind.COUNT, 12)


def blocks(report: ConsolidatedReport, form_5: ReportTable, words: str) -> Iterator[Block]:
    """Yield the page below its letterhead; words: the version and its cut-off."""
    topic = citation.topic(report.letter.subject)
    yield Title("TÓM TẮT KẾT QUẢ", f"{topic[:1].upper()}{topic[1:]}", (f"({words})",))
    due = report.letter.deadline_ms
    yield Paragraph(
        f"{f'Hạn báo cáo: {hour(due)}. ' if due is not None else ''}{comparison_tables.settled(report)}."
    )
    table = _carriers(form_5)
    yield Table(table, table.source, size=9)
    yield from (Paragraph(f"{each}.", Style.ITEM) for each in _sentences(report))
    areas = _least_reached(report, min(_FEWEST, _ROWS - len(table.rows)))
    if areas.rows:
        yield Table(areas, areas.source, size=9)


def _carriers(form: ReportTable) -> ReportTable:
    """Take form 5's rows and its sums by source, with fewer columns; no statement beside measured figures."""
    places = [form.place(key) for key in _OF_FORM_5]
    last, waiting = form.place("sent_in_time"), [form.place(key) for key in _OPEN]
    rows = []
    for row in form.rows:
        if row.key.endswith("_stated"):
            continue
        left = [n for place in waiting if isinstance(n := value(row.cells[place]), int)]
        cells = (*(row.cells[place] for place in places), sum(left) if left else None, row.cells[last])
        rows.append(row._replace(cells=cells))
    name, source, *counts = (form.columns[place] for place in places)
    columns = (name._replace(width=24), source._replace(width=24), *counts, _OPEN_COLUMN, form.columns[last])
    title = "Kết quả của doanh nghiệp viễn thông"
    return ReportTable("Doanh nghiệp", title, columns, tuple(rows), form.source)


def _sentences(report: ConsolidatedReport) -> Iterator[str]:
    found = [(share, line) for line in report.lines if (share := _share(line)) is not None]
    shares = sorted(found, key=lambda each: each[0])
    if shares:
        lowest, highest = shares[0], shares[-1]
        yield f"Tỷ lệ nhận cao nhất: {_told(*highest)}"
        if lowest[1] is not highest[1]:
            yield f"Tỷ lệ nhận thấp nhất: {_told(*lowest)}"
    else:
        yield "Chưa có tỷ lệ nhận: chưa doanh nghiệp nào có biên nhận của máy thuê bao"
    names = comparison_tables.missing(report)
    more = f" và {count(len(names) - _NAMES)} đơn vị khác" if len(names) > _NAMES else ""
    yield f"Chưa báo cáo: {', '.join(names[:_NAMES])}{more}" if names else "Chưa báo cáo: không có"


def _share(line: RunLine) -> float | None:
    """Return received of sent, where receipts of telephones prove it."""
    if line.kind is None or comparison_tables.level(line) != ReceiptLevel.HANDSET:
        return None
    found = comparison_tables.figures(line)
    sent, delivered = value(found.get("sent")), value(found.get("delivered"))
    return delivered / sent if isinstance(sent, int) and isinstance(delivered, int) and sent else None


def _told(share: float, line: RunLine) -> str:
    said = f"{percent(share)} số tin đã gửi, {comparison_tables.source_of(line)}"
    return f"{comparison_tables.carrier_name(line.carrier)} ({said})"


def _least_reached(report: ConsolidatedReport, most: int) -> ReportTable:
    """Sum measured runs with receipts of telephones by the areas of the cut-off's day, lowest share first."""
    on = clock.local(clock.from_ms(report.cutoff_ms)).date()
    proved = [line for line in report.lines if line.kind and _share(line) is not None and line.report.areas]
    rows = by_area.measured([row for line in proved for row in line.report.areas], on)
    known = [row for row in rows if row.code is not None and row.figures.sent]
    known.sort(key=lambda row: (row.figures.delivered_ratio or 0.0, -row.figures.sent))
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("area", "Địa bàn", CellKind.TEXT, 40),
        TableColumn("sent", "Đã gửi", CellKind.COUNT, 14),
        TableColumn("delivered", "Máy đã nhận", CellKind.COUNT, 14),
        TableColumn("ratio", "Tỷ lệ nhận", CellKind.RATIO, 12),
    )
    names = ", ".join(dict.fromkeys(comparison_tables.carrier_name(line.carrier) for line in proved))
    title = f"Địa bàn có tỷ lệ nhận thấp nhất ({min(most, len(known))} trong {len(known)} địa bàn)"
    source = f"Nguồn số liệu: đo bằng biên nhận của máy thuê bao ({names})."
    shown = tuple(_area(nth, row) for nth, row in enumerate(known[: max(most, 0)], 1))
    return ReportTable("Địa bàn", title, columns, shown, source)


def _area(nth: int, row: AreaRow) -> TableRow:
    f = row.figures
    return TableRow(f"area_{row.code}", (str(nth), row.name, f.sent, f.delivered, f.delivered_ratio))
