"""Form 5 and the other addressees' tables of the consolidated report, each kind of figures for itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.reports import labels
from app.reports.addressees import CHANNELS, KINDS, Standing
from app.reports.consolidated import ConsolidatedReport, RunLine
from app.reports.figures import Figures
from app.reports.render import cells
from app.reports.render.form import Cell, Chart, Column, Form, Kind, Row
from app.reports.render.forms import FINAL, INTERIM
from app.reports.render.numbers import NOTHING, moment
from app.reports.stated import KINDS as SOURCES
from app.reports.stated import Counts
from app.reports.stated import Kind as Source
from carriers.contract import ReceiptLevel

_COLUMNS = (
    Column("nth", "TT", Kind.TEXT, 5),
    Column("name", "Doanh nghiệp", Kind.TEXT, 16),
    Column("paper", "Số, ngày báo cáo", Kind.TEXT, 16),
    Column("source", "Nguồn số liệu", Kind.TEXT, 14),
    Column("eligible", "Thuộc diện", Kind.COUNT, 11),
    Column("excluded", "Loại trước khi gửi", Kind.COUNT, 10),
    Column("sent", "Đã gửi", Kind.COUNT, 11),
    Column("delivered", "Đã nhận (biên nhận máy)", Kind.COUNT, 12),
    Column("relayed", "Nhà mạng đã tiếp nhận", Kind.COUNT, 12),
    Column("failed", "Không nhận được", Kind.COUNT, 10),
    Column("no_receipt", "Chưa có biên nhận", Kind.COUNT, 11),
    Column("delivered_ratio", "Tỷ lệ nhận", Kind.RATIO, 10),
    Column("segments", "Bản tin quy đổi", Kind.COUNT, 12),
    Column("span", "Thời gian gửi", Kind.TEXT, 15),
    Column("in_time", "Đúng hạn?", Kind.TEXT, 9),
)
NOT_SAID = "không báo"
NOTHING_YET = "chưa báo cáo"


def of_directive(report: ConsolidatedReport) -> tuple[Form, ...]:
    """Form 5, the channels of the other addressees, and each of these with its report."""
    return _form_5(report), _channels(report), _others(report)


def head(report: ConsolidatedReport) -> Form:
    """What the tables speak of, and as of when: papers say it in their text."""
    letter = report.letter
    pairs = (
        ("Tình trạng số liệu", INTERIM if report.interim else FINAL),
        ("Thời điểm chốt số liệu", moment(report.cutoff_ms)),
        ("Văn bản", f"{letter.number} ngày {letter.issued_on:%d/%m/%Y}"),
        ("Cơ quan ban hành", letter.issuer),
        ("Trích yếu", letter.subject),
        ("Hạn báo cáo", moment(letter.deadline_ms)),
    )
    columns = (Column("name", "Mục", Kind.TEXT, 34), Column("value", "Nội dung", Kind.TEXT, 90))
    rows = tuple(Row(f"head_{n}", pair) for n, pair in enumerate(pairs))
    return Form("Thông tin", "Tổng hợp kết quả phối hợp tuyên truyền", columns, rows)


def _form_5(report: ConsolidatedReport) -> Form:
    rows = [row for nth, line in enumerate(report.lines, 1) for row in _rows(nth, line, report)]
    rows += [total for kind in Source if (total := _total(kind, report.of(kind)))]
    title = f"Biểu 5 – Tổng hợp kết quả của doanh nghiệp viễn thông theo Công văn số {report.letter.number}"
    source = "Nguồn số liệu: ghi ở từng dòng; số đo, số doanh nghiệp báo và số nhập tay không cộng chung."
    chart = Chart("Kết quả theo doanh nghiệp", "name", ("sent", "delivered", "relayed"), across=True)
    return Form("Biểu 5", title, _COLUMNS, tuple(rows), source, chart if report.lines else None)


def _rows(nth: int, line: RunLine, report: ConsolidatedReport) -> Iterable[Row]:
    """The run, and what its carrier says of a run that Loa has measured: beside it, and in no sum."""
    yield _row((str(nth), carrier_name(line.carrier)), line, report)
    if line.kind is Source.MEASURED and line.statement:
        beside = ("", f"{carrier_name(line.carrier)} (đối chiếu)")
        row = _row(beside, replace(line, kind=line.statement.kind), report)
        yield row._replace(key=f"{row.key}_stated")


def _row(first: tuple[str, str], line: RunLine, report: ConsolidatedReport) -> Row:
    head = (
        *first,
        _paper(line),
        SOURCES[line.kind] if line.kind else NOTHING_YET,
    )
    late = line.late(report.letter.deadline_ms, report.cutoff_ms)
    in_time = NOTHING if report.letter.deadline_ms is None else "Không" if late else "Có"
    return Row(f"run_{line.run_id}", (*head, *_figures(line), _span(line), in_time))


def carrier_name(carrier: str) -> str:
    """The carrier as people call it."""
    return labels.network(carrier)


def _paper(line: RunLine) -> str:
    if line.kind is not Source.MEASURED and line.statement:
        paper = line.statement.paper
        return ", ".join(filter(None, (paper.number, paper.dated_on))) or f"bản {paper.version}"
    return f"bản số {line.version} (đợt {line.run_id})" if line.version else f"chưa chốt (đợt {line.run_id})"


def _span(line: RunLine) -> str:
    if line.kind is Source.MEASURED:
        span = (line.report.header.started_ms, line.report.header.ended_ms)
    else:
        span = (line.statement.began_ms, line.statement.ended_ms) if line.statement else (None, None)
    return f"{moment(span[0])[:16]} – {moment(span[1])[:16]}"


def _figures(line: RunLine) -> tuple[Cell, ...]:
    if line.kind is Source.MEASURED:
        return _measured(line.report.general, line.report.header.receipt_level)
    if line.statement is None or line.kind is None:
        return (None,) * 7 + (None, None)
    figures = line.statement.figures
    return _stated(figures.general, line.statement.level, figures.segments)


def _measured(f: Figures, level: int | None) -> tuple[Cell, ...]:
    found = cells.counts(f, level)
    unsettled = f.no_receipt + f.unknown + f.waiting
    return (f.eligible, f.excluded, f.sent, *found[4:6], f.failed, unsettled, found[-2], f.segments)


def _stated(counts: Counts, level: ReceiptLevel, segments: int | None) -> tuple[Cell, ...]:
    handset = level is ReceiptLevel.HANDSET
    received = _said(counts.received)
    delivered = received if handset else labels.NO_RECEIPTS
    relayed = NOT_SAID if handset else received
    ratio = counts.received_ratio if handset else None
    rest = (_said(counts.failed), _said(counts.no_receipt), ratio, NOT_SAID if segments is None else segments)
    return (counts.eligible, counts.excluded, counts.sent, delivered, relayed, *rest)


def _said(n: int | None) -> Cell:
    return labels.NO_RECEIPTS if n is None else n


def _total(kind: Source, lines: Iterable[RunLine]) -> Row | None:
    """The sum of one kind of figures; columns that a line lacks are summed over those that have them."""
    found = [_figures(line) for line in lines]
    if len(found) < 2:
        return None
    sums = [_sum(column) for column in zip(*found, strict=True)]
    sent, delivered = sums[2], sums[3]
    known = isinstance(sent, int) and isinstance(delivered, int) and sent
    sums[7] = delivered / sent if known else None  # type: ignore[operator]
    return Row(f"total_{kind}", ("", f"Cộng ({SOURCES[kind]})", "", "", *sums, "", ""), strong=True)


def _sum(column: Iterable[Cell]) -> Cell:
    numbers = [n for n in column if isinstance(n, int)]
    return sum(numbers) if numbers else labels.NO_RECEIPTS


def _channels(report: ConsolidatedReport) -> Form:
    columns = (
        Column("nth", "TT", Kind.TEXT, 5),
        Column("channel", "Hình thức", Kind.TEXT, 40),
        Column("units", "Số đơn vị", Kind.COUNT, 12),
        Column("pieces", "Số tin, bài, buổi", Kind.COUNT, 14),
        Column("reach", "Lượt tiếp cận", Kind.COUNT, 16),
        Column("minutes", "Thời lượng (phút)", Kind.COUNT, 14),
    )
    rows = tuple(
        Row(
            each.channel.value,
            (str(n), CHANNELS[each.channel], each.units, each.pieces, each.reach, each.minutes),
        )
        for n, each in enumerate(report.channels, 1)
    )
    source = "Nguồn số liệu: các cơ quan, đơn vị tự báo cáo; lượt tiếp cận có thể trùng người."
    return Form(
        "Hình thức", "Kết quả tuyên truyền của các cơ quan, đơn vị theo hình thức", columns, rows, source
    )


def _others(report: ConsolidatedReport) -> Form:
    columns = (
        Column("nth", "TT", Kind.TEXT, 5),
        Column("kind", "Nhóm", Kind.TEXT, 22),
        Column("name", "Cơ quan, đơn vị", Kind.TEXT, 36),
        Column("state", "Tình trạng", Kind.TEXT, 18),
        Column("received", "Nhận báo cáo lúc", Kind.TEXT, 18),
        Column("pieces", "Số tin, bài, buổi", Kind.COUNT, 14),
        Column("reach", "Lượt tiếp cận", Kind.COUNT, 14),
    )
    rows = tuple(_other(nth, each) for nth, each in enumerate(report.others, 1))
    title = "Tình hình báo cáo của các cơ quan, đơn vị"
    return Form("Đơn vị", title, columns, rows, "Nguồn số liệu: báo cáo của từng cơ quan, đơn vị.")


def _other(nth: int, each: Standing) -> Row:
    items = each.report.items if each.report else ()
    pieces = sum(item.pieces for item in items) if each.report else None
    reach = sum(item.reach or 0 for item in items) if each.report else None
    of = each.addressee
    cells_ = (str(nth), KINDS[of.kind], of.name, standing(each), moment(each.first_ms), pieces, reach)
    return Row(f"unit_{nth}", cells_)


def standing(each: Standing) -> str:
    """Whether the addressee has reported, and in time."""
    if each.report is None:
        return "Chưa báo cáo (quá hạn)" if each.late else "Chưa báo cáo"
    return "Đã báo cáo (trễ hạn)" if each.late else "Đã báo cáo"
