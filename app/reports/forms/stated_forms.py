"""Forms 1 to 4 as stated by a carrier or entered from its document."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from app.reports.build.stated_report import StatedReport
from app.reports.figures import labels
from app.reports.figures.carrier_statement import (
    KINDS,
    CauseCounts,
    DayCounts,
    received_as,
)
from app.reports.figures.figures import FIGURES
from app.reports.figures.numbers import NOTHING, day_of, hour, moment
from app.reports.figures.table_model import (
    Cell,
    CellKind,
    ReportTable,
    TableChart,
    TableColumn,
    TableRow,
    total,
)
from app.reports.forms import count_columns
from app.reports.forms.carrier_tables import FINAL
from app.reports.forms.citation import named_as_stored
from carriers.contract import ReceiptLevel

TITLE = "Kết quả nhắn tin tuyên truyền"


def of_run(report: StatedReport) -> tuple[ReportTable, ...]:
    found = [_head(report), _general(report)]
    figures = report.statement.figures
    found += [_areas(report)] if report.places else []
    found += [_days(report)] if figures.days else []
    found += [_reasons(report)] if figures.reasons else []
    return tuple(found)


def source(report: StatedReport) -> str:
    """Return the line below each table: whose figures, from which document, and what its receipts prove."""
    of = report.statement
    paper = ", ".join(filter(None, (of.paper.number, day_of(of.paper.dated_on))))
    level = labels.LEVEL_WORDS[of.level]
    return (
        f"Nguồn số liệu: {KINDS[of.kind]}, bản {of.paper.version}{f' ({paper})' if paper else ''}; "
        f"doanh nghiệp chốt đến {hour(of.cutoff_ms)}; {level}; chưa đối chiếu bằng biên nhận."
    )


def received_words(level: ReceiptLevel) -> str:
    """Label (4): only handset receipts prove that a message was received."""
    return FIGURES[received_as(level)].label


def finality(report: StatedReport) -> str:
    """Say whether the carrier's figures may still change, and why."""
    if not report.interim:
        return FINAL
    ended = report.statement.ended_ms is not None
    why = "còn tin chưa có biên nhận" if ended else "doanh nghiệp chưa báo kết thúc gửi"
    return f"SỐ LIỆU TẠM THỜI: {why}"


def _or_no_receipts(n: int | None) -> Cell:
    return labels.NO_RECEIPTS if n is None else n


def _head(report: StatedReport) -> ReportTable:
    columns = (
        TableColumn("name", "Mục", CellKind.TEXT, 34),
        TableColumn("value", "Nội dung", CellKind.TEXT, 90),
    )
    head, of = report.header, report.statement
    pairs = [
        ("Tình trạng số liệu", finality(report)),
        ("Thời điểm chốt số liệu", moment(head.cutoff_ms)),
        ("Văn bản yêu cầu", named_as_stored(head.directive) if head.directive else NOTHING),
        ("Chiến dịch", f"{head.campaign} (số {head.campaign_id})"),
        ("Doanh nghiệp", f"{labels.network(head.carrier)} (đợt {head.run_id}, tự gửi đến thuê bao của mình)"),
        ("Nguồn số liệu", source(report)),
        (
            "Số, ngày báo cáo",
            ", ".join(filter(None, (of.paper.number, day_of(of.paper.dated_on)))) or NOTHING,
        ),
        ("Bản quét kèm theo (SHA-256)", of.paper.attachment.sha256 if of.paper.attachment else NOTHING),
        *_sent(report),
    ]
    rows = tuple(TableRow(f"head_{n}", pair) for n, pair in enumerate(pairs))
    return ReportTable("Thông tin", TITLE, columns, rows)


def _sent(report: StatedReport) -> Iterator[tuple[str, str]]:
    """Yield what was sent, and when."""
    head, of = report.header, report.statement
    yield "Tên định danh", head.sender
    yield from (("Bắt đầu gửi", moment(of.began_ms)), ("Kết thúc gửi", moment(of.ended_ms)))
    for lang, wording in sorted(head.texts.items()):
        yield f"Nội dung tin{f' ({lang})' if lang else ''}", wording
        yield "Mã băm nội dung (SHA-256)", hashlib.sha256(wording.encode()).hexdigest()


def _general(report: StatedReport) -> ReportTable:
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 8),
        TableColumn("name", "Chỉ tiêu", CellKind.TEXT, 62),
        TableColumn("unit", "Đơn vị", CellKind.TEXT, 10),
        TableColumn("n", "Số lượng", CellKind.COUNT, 14),
    )
    f, level = report.statement.figures, report.statement.level
    g = f.general
    causes = [
        TableRow(f"cause_{n}", (f"(2.{n})", f"– {cause.label}", "thuê bao", cause.n))
        for n, cause in enumerate(f.excluded, 1)
    ]
    segments = labels.NOT_SAID if f.segments is None else f.segments
    resent = labels.NOT_SAID if f.resent is None else f.resent
    rows = (
        TableRow("eligible", ("(1)", "Thuê bao thuộc diện gửi", "thuê bao", g.eligible)),
        TableRow("excluded", ("(2)", "Loại trước khi gửi", "thuê bao", g.excluded)),
        *causes,
        TableRow("sent", ("(3)", "Đã gửi = (1) − (2)", "tin", g.sent), strong=True),
        TableRow("received", ("(4)", received_words(level), "tin", _or_no_receipts(g.received))),
        TableRow("failed", ("(5)", "Không nhận được", "tin", _or_no_receipts(g.failed))),
        TableRow(
            "no_receipt", ("(6)", "Chưa có biên nhận = (3) − (4) − (5)", "tin", _or_no_receipts(g.no_receipt))
        ),
        TableRow("segments", ("(8)", "Tổng số bản tin quy đổi", "bản tin", segments)),
        TableRow("resent", ("(9)", "Số lần gửi lại", "lần", resent)),
    )
    return ReportTable("Biểu 1", "Biểu 1 – Kết quả chung", columns, rows, source(report))


def _areas(report: StatedReport) -> ReportTable:
    level = report.statement.level
    received = received_as(level)
    keys = ("eligible", "sent", received, "failed", "no_receipt", f"{received}_ratio")
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("code", "Mã", CellKind.TEXT, 8),
        TableColumn("name", "Huyện/thành phố, xã/phường", CellKind.TEXT, 40),
        *count_columns.columns(*keys),
    )
    rows = []
    for n, row in enumerate(report.places, 1):
        cells = count_columns.stated(row.counts, level)
        first = (str(n), row.code or "", row.name)
        rows.append(TableRow(f"area_{n}", (*first, *(cells[key] for key in keys)), aside=row.code is None))
    cells = count_columns.stated(report.statement.figures.general, level)
    sums = (total(cell) if isinstance(cell := cells[key], int) else cell for key in keys)
    rows.append(TableRow("total", ("", "", labels.TOTAL, *sums), strong=True))
    chart = TableChart(
        "Kết quả theo địa bàn (doanh nghiệp báo)", "name", ("sent", received), across=True, what="địa bàn"
    )
    said = f"{source(report)}{count_columns.unproved(level)}{_not_stated(report)}"
    return ReportTable("Biểu 2", "Biểu 2 – Kết quả theo địa bàn", columns, tuple(rows), said, chart)


def _not_stated(report: StatedReport) -> str:
    """List the areas of the run that the carrier left out."""
    names = ", ".join(area.name for area in report.empty)
    return f" Doanh nghiệp không báo số của {len(report.empty)} địa bàn: {names}." if names else ""


def _days(report: StatedReport) -> ReportTable:
    columns = (
        TableColumn("day", "Ngày", CellKind.TEXT, 20),
        TableColumn("hours", "Khung giờ", CellKind.TEXT, 20),
        TableColumn("batches", "Số lô", CellKind.COUNT, 8),
        TableColumn("sent", "Đã gửi", CellKind.COUNT, 12),
        TableColumn("received", received_words(report.statement.level), CellKind.COUNT, 14),
    )
    days = report.statement.figures.days
    missing = labels.NO_RECEIPTS if report.statement.level is ReceiptLevel.NONE else labels.NOT_SAID
    rows = [TableRow(f"day_{n}", _day_cells(day, missing)) for n, day in enumerate(days)]
    received = [day.received for day in days if day.received is not None]
    sums = (total(sum(day.sent for day in days)), total(sum(received)) if received else missing)
    last = TableRow("total", (labels.TOTAL, "", None, *sums), strong=True)
    return ReportTable("Biểu 3", "Biểu 3 – Kết quả theo ngày", columns, (*rows, last), source(report))


def _day_cells(day: DayCounts, missing: str) -> tuple[Cell, ...]:
    received = missing if day.received is None else day.received
    return (day_of(day.day), day.hours, day.batches, day.sent, received)


def _reasons(report: StatedReport) -> ReportTable:
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("name", "Nguyên nhân", CellKind.TEXT, 48),
        TableColumn("n", "Số lượng", CellKind.COUNT, 12),
        TableColumn("remedy", "Biện pháp", CellKind.TEXT, 40),
    )
    reasons = report.statement.figures.reasons
    rows = [TableRow(cause.key, _reason(n, cause)) for n, cause in enumerate(reasons, 1)]
    last = TableRow("total", ("", labels.TOTAL, total(sum(cause.n for cause in reasons)), ""), strong=True)
    title = "Biểu 4 – Tin không đến: nguyên nhân"
    return ReportTable("Biểu 4", title, columns, (*rows, last), source(report))


def _reason(n: int, cause: CauseCounts) -> tuple[Cell, ...]:
    return (str(n), cause.label, cause.n, cause.remedy)
