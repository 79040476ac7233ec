"""Form 5 and the tables of other addressees in the consolidated report, sources of figures apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from app.reports.build.consolidated import ConsolidatedReport, RunLine
from app.reports.figures import labels
from app.reports.figures.addressees import CHANNELS, KINDS, AddresseeStatus
from app.reports.figures.carrier_statement import FigureSource as Source
from app.reports.figures.carrier_statement import Statement
from app.reports.figures.figures import FIGURES, Charged
from app.reports.figures.numbers import NOTHING, day_of, moment
from app.reports.figures.table_model import (
    Cell,
    CellKind,
    Formula,
    ReportTable,
    TableChart,
    TableColumn,
    TableRow,
    ratio,
    value,
)
from app.reports.forms import citation, count_columns
from app.reports.forms.carrier_tables import FINAL, INTERIM
from carriers.contract import ReceiptLevel

_COUNTS = count_columns.columns(*(key for key in FIGURES if key != "relayed_ratio"))
_COLUMNS = (
    TableColumn("nth", "TT", CellKind.TEXT, 5),
    TableColumn("name", "Doanh nghiệp", CellKind.TEXT, 14),
    TableColumn("paper", "Số, ngày báo cáo", CellKind.TEXT, 13),
    TableColumn("source", "Nguồn số liệu", CellKind.TEXT, 20),
    *_COUNTS,
    TableColumn("span", "Thời gian gửi", CellKind.TEXT, 12),
    TableColumn("sent_in_time", "Gửi xong đúng hạn?", CellKind.TEXT, 9),
    TableColumn("reported_in_time", "Báo cáo đúng hạn?", CellKind.TEXT, 9),
)
_SOURCE = (
    "Nguồn số liệu: ghi ở từng dòng; số đo, số doanh nghiệp báo và số nhập tay không cộng chung. Tỷ lệ nhận "
    "chỉ tính trên tin của những đợt có biên nhận của máy thuê bao."
)
NOTHING_YET = "chưa báo cáo"
CANCELLED = "Đã hủy"
OF = " của "  # between words and names in `finality`


def of_directive(report: ConsolidatedReport) -> tuple[ReportTable, ...]:
    """Return form 5, the channels of other addressees, and the status of each."""
    return _form_5(report), _channels(report), _others(report)


def reach(report: ConsolidatedReport) -> tuple[ReportTable, ...]:
    """Return the unique reach by campaign and carrier; nothing where no telephone has proved any."""
    found = report.reach
    if found is None or not found.persons:
        return ()
    columns = (
        TableColumn("kind", "Phân theo", CellKind.TEXT, 16),
        TableColumn("name", "Nội dung", CellKind.TEXT, 50),
        TableColumn("persons", "Số người nhận lần đầu", CellKind.COUNT, 16),
        TableColumn("repeated", "Đã nhận ở chiến dịch trước", CellKind.COUNT, 16),
    )
    rows = [
        TableRow(f"campaign_{each.campaign_id}", ("Chiến dịch", each.name, each.first, each.repeated))
        for each in found.by_campaign
    ]
    rows += [
        TableRow(f"carrier_{each.carrier}", ("Doanh nghiệp", carrier_name(each.carrier), each.persons, None))
        for each in found.by_carrier
    ]
    rows.append(TableRow("total", ("", "Số người đã nhận ít nhất một lần", found.persons, None), strong=True))
    source = (
        "Nguồn số liệu: biên nhận của máy thuê bao. Mỗi số thuê bao tính một lần, ở chiến dịch và doanh "
        "nghiệp gửi đến trước, nên mỗi cách phân cộng lại bằng tổng."
    )
    return (ReportTable("Số người", "Số người đã nhận ít nhất một lần", columns, tuple(rows), source),)


def reach_by_area(report: ConsolidatedReport) -> tuple[ReportTable, ...]:
    """Return the unique reach of each area: two pages of a paper, so it stands in workbook and CSV alone."""
    found = report.reach
    if found is None or not found.persons:
        return ()
    columns = (
        TableColumn("area", "Địa bàn", CellKind.TEXT, 34),
        TableColumn("persons", "Số người nhận lần đầu", CellKind.COUNT, 16),
    )
    rows = [TableRow(f"area_{each.code or 'none'}", (each.name, each.persons)) for each in found.by_area]
    rows.append(TableRow("total", ("Cộng", found.persons), strong=True))
    title = "Số người đã nhận ít nhất một lần, theo địa bàn"
    source = "Nguồn số liệu: biên nhận của máy thuê bao. Địa bàn là nơi ghi trong danh sách."
    return (ReportTable("Số người theo địa bàn", title, columns, tuple(rows), source),)


def cost(report: ConsolidatedReport) -> tuple[ReportTable, ...]:
    """Return what was handed over has cost, by campaign and carrier; nothing where no price is known."""
    priced = [(line, own) for line in report.lines if (own := _money(line.report.cost))]
    if not priced:
        return ()
    columns = (
        TableColumn("campaign", "Chiến dịch", CellKind.TEXT, 40),
        TableColumn("name", "Doanh nghiệp", CellKind.TEXT, 16),
        TableColumn("segments", "Bản tin tính tiền", CellKind.COUNT, 16),
        TableColumn("unknown", "Trong đó có thể đã gửi", CellKind.COUNT, 16),
        TableColumn("dong", "Chưa gồm VAT (đồng)", CellKind.COUNT, 18),
    )
    rows = [
        TableRow(f"run_{line.run_id}", (line.campaign, carrier_name(line.carrier), *own))
        for line, own in priced
    ]
    sums = [sum(column) for column in zip(*(own for _, own in priced), strict=True)]
    rows.append(TableRow("total", ("Cộng", "", *sums), strong=True))
    source = (
        "Nguồn số liệu: số tin Loa đã gửi, theo đơn giá hợp đồng ghi trong cấu hình; không tính tin bị "
        "từ chối ngay."
    )
    without = [line for line in report.lines if not _money(line.report.cost) and line.kind is not None]
    if without:
        names = ", ".join(dict.fromkeys(carrier_name(line.carrier) for line in without))
        source += f" Chưa gồm {len(without)} đợt không có đơn giá hoặc do doanh nghiệp tự gửi ({names})."
    return (ReportTable("Chi phí", "Chi phí gửi tin", columns, tuple(rows), source),)


def _money(of: Charged | None) -> tuple[int, int, int] | None:
    return None if of is None or of.dong is None else (of.segments, of.unknown_segments, of.dong)


def head(report: ConsolidatedReport) -> ReportTable:
    """Return subject and cut-off of the tables; documents have them in their text."""
    letter = report.letter
    pairs = (
        ("Tình trạng số liệu", finality(report)),
        ("Thời điểm chốt số liệu", moment(report.cutoff_ms)),
        ("Văn bản", citation.named(letter.number, letter.issued_on)),
        ("Cơ quan ban hành", letter.issuer),
        ("Trích yếu", letter.subject),
        ("Hạn báo cáo", moment(letter.deadline_ms)),
    )
    columns = (
        TableColumn("name", "Mục", CellKind.TEXT, 34),
        TableColumn("value", "Nội dung", CellKind.TEXT, 90),
    )
    rows = tuple(TableRow(f"head_{n}", pair) for n, pair in enumerate(pairs))
    return ReportTable("Thông tin", "Tổng hợp kết quả phối hợp tuyên truyền", columns, rows)


def _form_5(report: ConsolidatedReport) -> ReportTable:
    rows = [row for nth, line in enumerate(report.lines, 1) for row in _rows(nth, line, report)]
    rows += [row for kind in Source for row in _totals(kind, report.of(kind))]
    paper = citation.named(report.letter.number, report.letter.issued_on)
    title = f"Biểu 5 – Tổng hợp kết quả của doanh nghiệp viễn thông theo {paper}"
    charts = [_chart(kind, report.of(kind)) for kind in Source if report.of(kind)]
    first, more = (charts[0], tuple(charts[1:])) if charts else (None, ())
    shown = [level(line) for line in report.lines if line.kind is not None]
    source = f"{_SOURCE}{count_columns.unproved(*shown)}"
    return ReportTable("Biểu 5", title, _COLUMNS, tuple(rows), source, first, more)


def _chart(kind: Source, lines: Iterable[RunLine]) -> TableChart:
    lines = tuple(lines)
    title = f"Kết quả theo doanh nghiệp: {count_columns.whose(kind, *map(level, lines))}"
    rows = tuple(f"run_{line.run_id}" for line in lines)
    return TableChart(
        title, "name", ("sent", "delivered", "relayed"), True, rows, adds=False, what="doanh nghiệp"
    )


def _rows(nth: int, line: RunLine, report: ConsolidatedReport) -> Iterable[TableRow]:
    """Yield the run, and below a measured one its carrier's statement, which enters no sum."""
    yield _row((str(nth), carrier_name(line.carrier)), line, report)
    if line.kind is Source.MEASURED and line.statement:
        beside = ("", f"{carrier_name(line.carrier)} (đối chiếu)")
        row = _row(beside, replace(line, kind=line.statement.kind), report)
        yield row._replace(key=f"{row.key}_stated")


def _row(first: tuple[str, str], line: RunLine, report: ConsolidatedReport) -> TableRow:
    when = (report.letter.deadline_ms, report.cutoff_ms)
    found = figures(line)
    counts = (found.get(column.key) for column in _COUNTS)
    sent = CANCELLED if line.cancelled else _in_time(line.sent_in_time(*when), *when)
    reported = NOTHING if line.kind is Source.MEASURED else _in_time(line.reported_in_time(*when), *when)
    cells_ = (*first, _paper(line), source_of(line), *counts, _span(line), sent, reported)
    return TableRow(f"run_{line.run_id}", cells_)


def _in_time(kept: bool | None, deadline_ms: int | None, cutoff_ms: int) -> str:
    if kept is not None:
        return "Có" if kept else "Không"
    return "Chưa đến hạn" if deadline_ms is not None and cutoff_ms <= deadline_ms else NOTHING


def finality(report: ConsolidatedReport) -> str:
    """Say whether figures may still change, and whose."""
    names = dict.fromkeys(carrier_name(line.carrier) for line in report.lines if line.interim)
    if not report.interim:
        return FINAL
    if not names:
        return INTERIM
    return f"SỐ LIỆU TẠM THỜI: số liệu có thể còn thay đổi{OF}{', '.join(names)}"


def level(line: RunLine) -> int | None:
    if line.kind is Source.MEASURED or line.statement is None:
        return line.report.header.receipt_level
    return line.statement.level


def source_of(line: RunLine) -> str:
    """Say whose word the line's figures are, and what its receipts prove."""
    if line.kind is None:
        return NOTHING_YET
    proved = level(line)
    return f"{count_columns.whose(line.kind, proved)}, {count_columns.LEVELS[proved]}"


def missing(report: ConsolidatedReport) -> list[str]:
    """Name who has not reported: addressees, carriers without figures, carriers without a run."""
    late = {True: " (quá hạn)", False: ""}
    names = [f"{each.addressee.name}{late[each.late]}" for each in report.others if each.report is None]
    names += [carrier_name(line.carrier) for line in report.lines if line.kind is None]
    return names + [f"{name} (chưa có đợt gửi)" for name in report.silent]


def carrier_name(carrier: str) -> str:
    return labels.network(carrier)


def _paper(line: RunLine) -> str:
    if line.kind is not Source.MEASURED and line.statement:
        paper = line.statement.paper
        return ", ".join(filter(None, (paper.number, day_of(paper.dated_on)))) or f"bản {paper.version}"
    return f"bản số {line.version}" if line.version else "chưa chốt"


def _span(line: RunLine) -> str:
    if line.kind is Source.MEASURED:
        span = (line.report.header.started_ms, line.report.header.ended_ms)
    else:
        span = (line.statement.began_ms, line.statement.ended_ms) if line.statement else (None, None)
    first, last = (moment(ms)[:16] for ms in span)
    same = len(first) == len(last) == 16 and first[:10] == last[:10]
    return f"{first[:10]} {first[11:]}\u2013{last[11:]}" if same else f"{first} – {last}"


def figures(line: RunLine) -> dict[str, Cell]:
    """Return the line's cells by figure; none while its carrier has said nothing."""
    if line.kind is Source.MEASURED:
        f = line.report.general
        return count_columns.cells(f, line.report.header.receipt_level) | {"sent": f.sent}
    return _stated(line.statement) if line.statement and line.kind else {}


def _stated(of: Statement) -> dict[str, Cell]:
    """Return what a carrier's form says; what it does not ask for is a dash."""
    found: dict[str, Cell] = {key: None if each.part else NOTHING for key, each in FIGURES.items()}
    if of.level is not ReceiptLevel.HANDSET:
        found["delivered"] = labels.UNPROVED
    segments = of.figures.segments
    found["segments"] = labels.NOT_SAID if segments is None else segments
    return found | count_columns.stated(of.figures.general, of.level)


def _totals(kind: Source, lines: Sequence[RunLine]) -> Iterable[TableRow]:
    """Sum one source of figures, and the runs of each receipt level where levels differ."""
    if len(lines) < 2:
        return
    yield _total(f"total_{kind}", f"Cộng ({count_columns.whose(kind, *map(level, lines))})", lines)
    levels = sorted({level(line) or 0 for line in lines}, reverse=True)
    for each in levels if len(levels) > 1 else ():
        own = [line for line in lines if (level(line) or 0) == each]
        if len(own) > 1:
            yield _total(f"total_{kind}_{each}", count_columns.part(each), own)


def _total(key: str, name: str, lines: Sequence[RunLine]) -> TableRow:
    found = [(f"run_{line.run_id}", figures(line)) for line in lines]
    sums = {column.key: _sum(column.key, found) for column in _COUNTS}
    sent, delivered = value(sums["sent"]), value(sums["delivered"])
    proved = all(level(line) == ReceiptLevel.HANDSET for line in lines)
    if proved and isinstance(sent, int) and isinstance(delivered, int) and sent:
        sums["delivered_ratio"] = ratio("delivered", "sent", delivered / sent)
    return TableRow(key, ("", name, "", "", *sums.values(), "", "", ""), strong=True)


def _sum(key: str, rows: Sequence[tuple[str, dict[str, Cell]]]) -> Cell:
    """Sum by the figure's rule: what needs receipts, over the lines whose receipts prove it."""
    if FIGURES[key].part:
        return None
    numbers = {row: n for row, cells in rows if isinstance(n := cells.get(key), int)}
    if not numbers or (len(numbers) < len(rows) and not FIGURES[key].needs):
        return NOTHING
    return Formula(sum(numbers.values()), f"SUM({','.join(f'{{at_{row}}}' for row in numbers)})")


def _channels(report: ConsolidatedReport) -> ReportTable:
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("channel", "Hình thức", CellKind.TEXT, 40),
        TableColumn("units", "Số đơn vị", CellKind.COUNT, 12),
        TableColumn("pieces", "Số tin, bài, buổi", CellKind.COUNT, 14),
        TableColumn("reach", "Lượt tiếp cận", CellKind.COUNT, 16),
        TableColumn("minutes", "Thời lượng (phút)", CellKind.COUNT, 14),
    )
    rows = tuple(
        TableRow(
            each.channel.value,
            (str(n), CHANNELS[each.channel], each.units, each.pieces, each.reach, each.minutes),
        )
        for n, each in enumerate(report.channels, 1)
    )
    rows += (_all_channels(report),) if len(rows) > 1 else ()
    source = "Nguồn số liệu: các cơ quan, đơn vị tự báo cáo; lượt tiếp cận có thể trùng người."
    return ReportTable(
        "Hình thức", "Kết quả tuyên truyền của các cơ quan, đơn vị theo hình thức", columns, rows, source
    )


def _all_channels(report: ConsolidatedReport) -> TableRow:
    """Count a unit once, however many channels it used."""
    units = sum(bool(each.report and each.report.items) for each in report.others)
    found = report.channels
    sums = (sum(each.pieces for each in found), sum(each.reach for each in found))
    minutes = sum(each.minutes for each in found)
    return TableRow("total", ("", labels.TOTAL, units, *sums, minutes), strong=True)


def _others(report: ConsolidatedReport) -> ReportTable:
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("kind", "Nhóm", CellKind.TEXT, 22),
        TableColumn("name", "Cơ quan, đơn vị", CellKind.TEXT, 36),
        TableColumn("state", "Tình trạng", CellKind.TEXT, 18),
        TableColumn("received", "Nhận báo cáo lúc", CellKind.TEXT, 18),
        TableColumn("pieces", "Số tin, bài, buổi", CellKind.COUNT, 14),
        TableColumn("reach", "Lượt tiếp cận", CellKind.COUNT, 14),
    )
    rows = tuple(_other(nth, each) for nth, each in enumerate(report.others, 1))
    title = "Tình hình báo cáo của các cơ quan, đơn vị"
    return ReportTable("Đơn vị", title, columns, rows, "Nguồn số liệu: báo cáo của từng cơ quan, đơn vị.")


def _other(nth: int, each: AddresseeStatus) -> TableRow:
    items = each.report.items if each.report else ()
    pieces = sum(item.pieces for item in items) if each.report else None
    reach = sum(item.reach or 0 for item in items) if each.report else None
    of = each.addressee
    cells_ = (str(nth), KINDS[of.kind], of.name, standing(each), _arrived(each.first_ms), pieces, reach)
    return TableRow(f"unit_{nth}", cells_)


def _arrived(ms: int | None) -> str:
    """Format the arrival of a report: the day alone where no hour was given."""
    said = moment(ms)[:16]
    return said.removesuffix(" 00:00")


def standing(each: AddresseeStatus) -> str:
    if each.report is None:
        return "Chưa báo cáo (quá hạn)" if each.late else "Chưa báo cáo"
    return "Đã báo cáo (trễ hạn)" if each.late else "Đã báo cáo"
