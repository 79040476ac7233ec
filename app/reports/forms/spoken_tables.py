"""Tables of runs whose carrier calls: forms in words of calls, and calls in the consolidated report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.reports.build.consolidated import ConsolidatedReport, RunLine
from app.reports.figures import labels
from app.reports.figures.carrier_statement import KINDS, FigureSource
from app.reports.figures.numbers import NOTHING, day_of, moment
from app.reports.figures.spoken import SpokenRecording
from app.reports.figures.table_model import (
    Cell,
    CellKind,
    ReportTable,
    TableColumn,
    TableRow,
    value,
)
from carriers.contract import ReceiptLevel

NO_MESSAGES = (
    "Đây là cuộc gọi, không phải tin nhắn; không cộng với số tin. Doanh nghiệp giữ số thuê bao nên không "
    "biết trong số người nghe máy ai đã nhận tin nhắn."
)
PROVED: dict[ReceiptLevel, str] = {
    ReceiptLevel.NONE: "doanh nghiệp không có số liệu nghe máy",
    ReceiptLevel.OPERATOR: "theo tổng đài của doanh nghiệp",
    ReceiptLevel.HANDSET: "theo bản ghi cuộc gọi của doanh nghiệp",
}
UNKNOWN = labels.NO_CALL_RECORDS
# Words of forms about messages, as they are of calls.
_WORDS = {
    "tin": "cuộc gọi",
    "lần": "lần",
    "Thuê bao thuộc diện gửi": "Thuê bao thuộc diện gọi",
    "Loại trước khi gửi": "Loại trước khi gọi",
    "Đã gửi = (1) − (2)": "Đã gọi = (1) − (2)",
    "Đã gửi": "Đã gọi",
    "Đã nhận (biên nhận máy)": "Có người nghe máy",
    "Nhà mạng đã tiếp nhận": "Có người nghe máy",
    "Tỷ lệ nhận": "Tỷ lệ nghe máy",
    "Tỷ lệ nhà mạng tiếp nhận": "Tỷ lệ nghe máy",
    "Không nhận được": "Không nghe máy",
    "Chưa có biên nhận": "Chưa rõ kết quả",
    "Chưa có biên nhận = (3) − (4) − (5)": "Chưa rõ kết quả = (3) − (4) − (5)",
    "Số lần gửi lại": "Số lần gọi lại",
    labels.NO_RECEIPTS: UNKNOWN,
    "Biểu 4 – Tin không đến: nguyên nhân": "Biểu 4 – Cuộc gọi không nghe máy: nguyên nhân",
    "Kết quả theo địa bàn (doanh nghiệp báo)": "Kết quả gọi theo địa bàn (doanh nghiệp báo)",
}


def as_calls(form: ReportTable, source: str) -> ReportTable:
    """Return a form of stated figures in words of calls, without the row of SMS parts."""
    columns = tuple(each._replace(title=_word(each.title)) for each in form.columns)
    rows = tuple(
        row._replace(cells=tuple(map(_cell, row.cells))) for row in form.rows if row.key != "segments"
    )
    chart = form.chart and form.chart._replace(title=_word(form.chart.title))
    said = source if form.source else ""
    return form._replace(title=_word(form.title), columns=columns, rows=rows, source=said, chart=chart)


def _word(words: str) -> str:
    return _WORDS.get(words, words)


def _cell(cell: Cell) -> Cell:
    return _word(cell) if isinstance(cell, str) else cell


def recordings(of: Iterable[SpokenRecording]) -> Iterable[tuple[str, str]]:
    """Yield name and value of what was played, for the head of a form."""
    for each in of:
        yield f"Lời đọc ({each.language})", each.wording
        yield "Thời lượng tệp ghi âm", f"{f'{each.duration_ms / 1000:.1f}'.replace('.', ',')} giây"
        yield "Mã băm tệp ghi âm (SHA-256)", each.sha256


# The consolidated report

_COLUMNS = (
    TableColumn("nth", "TT", CellKind.TEXT, 5),
    TableColumn("campaign", "Chiến dịch", CellKind.TEXT, 26),
    TableColumn("name", "Doanh nghiệp", CellKind.TEXT, 14),
    TableColumn("source", "Nguồn số liệu", CellKind.TEXT, 26),
    TableColumn("eligible", "Thuê bao thuộc diện gọi", CellKind.COUNT, 14),
    TableColumn("sent", "Đã gọi", CellKind.COUNT, 12),
    TableColumn("answered", "Có người nghe máy", CellKind.COUNT, 12),
    TableColumn("failed", "Không nghe máy", CellKind.COUNT, 12),
    TableColumn("no_receipt", "Chưa rõ kết quả", CellKind.COUNT, 12),
    TableColumn("span", "Thời gian gọi", CellKind.TEXT, 22),
)
_COUNTS = ("eligible", "sent", "answered", "failed", "no_receipt")
NOTHING_YET = "chưa báo cáo"


def of_directive(report: ConsolidatedReport) -> tuple[ReportTable, ...]:
    """Return the calls of every run that plays an announcement; nothing without one."""
    lines = report.announcements
    if not lines:
        return ()
    rows = [_row(nth, line) for nth, line in enumerate(lines, 1)]
    for kind in dict.fromkeys(line.kind for line in lines if line.kind):
        own = [row for row, line in zip(rows, lines, strict=True) if line.kind is kind]
        rows += [_total(kind, own)] if len(own) > 1 else []
    source = f"Nguồn số liệu: ghi ở từng dòng. {NO_MESSAGES}"
    return (ReportTable("Cuộc gọi", "Thông báo thoại: kết quả gọi", _COLUMNS, tuple(rows), source),)


def _row(nth: int, line: RunLine) -> TableRow:
    first = (str(nth), line.campaign, labels.network(line.carrier))
    said = line.statement
    if said is None:
        return TableRow(f"call_{line.run_id}", (*first, NOTHING_YET, *([NOTHING] * len(_COUNTS)), NOTHING))
    paper = ", ".join(filter(None, (said.paper.number, day_of(said.paper.dated_on))))
    whose = f"{KINDS[said.kind]}{f' ({paper})' if paper else ''}, {PROVED[said.level]}"
    g = said.figures.general
    counts = (g.eligible, g.sent, *(_known(n) for n in (g.received, g.failed, g.no_receipt)))
    span = f"{moment(said.began_ms)[:16]} – {moment(said.ended_ms)[:16]}"
    return TableRow(f"call_{line.run_id}", (*first, whose, *counts, span))


def _known(n: int | None) -> Cell:
    return UNKNOWN if n is None else n


def _total(kind: FigureSource, rows: Sequence[TableRow]) -> TableRow:
    """Sum the runs of one source; a figure that one of them lacks has no sum."""
    sums: list[Cell] = []
    for at in range(4, 4 + len(_COUNTS)):
        found = [n for row in rows if isinstance(n := value(row.cells[at]), int)]
        sums.append(sum(found) if len(found) == len(rows) else NOTHING)
    return TableRow(f"calls_{kind}", ("", "Cộng", "", KINDS[kind], *sums, ""), strong=True)
