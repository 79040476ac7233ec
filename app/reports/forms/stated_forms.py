"""Forms 1 to 4 as stated by a carrier or entered from its document."""

from __future__ import annotations

from app.reports.counting.stated_report import StatedReport
from app.reports.figures import labels
from app.reports.figures.carrier_statement import (
    KINDS,
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
from app.reports.forms import carrier_tables, count_columns
from carriers.contract import ReceiptLevel


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
        return carrier_tables.settled(report.statement.figures.general.no_receipt)
    ended = report.statement.ended_ms is not None
    why = (
        "doanh nghiệp chốt số liệu khi biên nhận còn về (72 giờ sau khi gửi xong)"
        if ended
        else "doanh nghiệp chưa báo kết thúc gửi"
    )
    return f"SỐ LIỆU TẠM THỜI: {why}"


def _or_no_receipts(n: int | None) -> Cell:
    return labels.NO_RECEIPTS if n is None else n


def _head(report: StatedReport) -> ReportTable:
    head, of = report.header, report.statement
    own = (
        (
            "Doanh nghiệp",
            f"{labels.network(head.carrier)} (tự gửi đến thuê bao của mình; mã đợt gửi trong Loa: "
            f"{head.run_id})",
        ),
        ("Nguồn số liệu", source(report)),
        (
            "Số, ngày báo cáo",
            ", ".join(filter(None, (of.paper.number, day_of(of.paper.dated_on)))) or NOTHING,
        ),
        ("Bản quét kèm theo (SHA-256)", of.paper.attachment.sha256 if of.paper.attachment else NOTHING),
        ("Tên định danh", head.sender),
        ("Bắt đầu gửi", moment(of.began_ms)),
        ("Kết thúc gửi", moment(of.ended_ms)),
    )
    return carrier_tables.facts(head, finality(report), own)


def _general(report: StatedReport) -> ReportTable:
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
    return carrier_tables.form_1(carrier_tables.GENERAL, rows, source(report))


def _areas(report: StatedReport) -> ReportTable:
    level = report.statement.level
    received = received_as(level)
    keys = ("eligible", "sent", received, "failed", "no_receipt", f"{received}_ratio")
    counts = ((row, count_columns.stated(row.counts, level)) for row in report.places)
    on = carrier_tables.first_day(report.header)
    rows = carrier_tables.area_rows(((row.code, (of[key] for key in keys)) for row, of in counts), on)
    cells = count_columns.stated(report.statement.figures.general, level)
    sums = (total(cell) if isinstance(cell := cells[key], int) else cell for key in keys)
    title = "Kết quả theo địa bàn (doanh nghiệp báo)"
    chart = TableChart(title, "name", ("sent", received), across=True, what="địa bàn")
    said = f"{source(report)}{count_columns.unproved(level)}{_not_stated(report)}"
    return carrier_tables.form_2(count_columns.columns(keys), rows, sums, said, chart, on)


def _not_stated(report: StatedReport) -> str:
    """List the areas of the run that the carrier left out."""
    names = ", ".join(area.name for area in report.empty)
    return f" Doanh nghiệp không báo số của {len(report.empty)} địa bàn: {names}." if names else ""


def _days(report: StatedReport) -> ReportTable:
    columns = (
        TableColumn("sent", "Đã gửi", CellKind.COUNT, 12),
        TableColumn("received", received_words(report.statement.level), CellKind.COUNT, 14),
    )
    days = report.statement.figures.days
    missing = labels.NO_RECEIPTS if report.statement.level is ReceiptLevel.NONE else labels.NOT_SAID
    received = [day.received for day in days if day.received is not None]
    sums = (total(sum(day.sent for day in days)), total(sum(received)) if received else missing)
    return carrier_tables.form_3(columns, (_day_cells(day, missing) for day in days), sums, source(report))


def _day_cells(day: DayCounts, missing: str) -> tuple[Cell, ...]:
    received = missing if day.received is None else day.received
    return (day_of(day.day), day.hours, day.batches, day.sent, received)


def _reasons(report: StatedReport) -> ReportTable:
    reasons = report.statement.figures.reasons
    named = enumerate(reasons, 1)
    rows = [TableRow(cause.key, (str(n), cause.label, cause.n, cause.remedy)) for n, cause in named]
    sums = (total(sum(cause.n for cause in reasons)), "")
    columns = (*carrier_tables.CAUSE, carrier_tables.REMEDY)
    return carrier_tables.form_4(columns, rows, sums, source(report))
