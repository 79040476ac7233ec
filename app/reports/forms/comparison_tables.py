"""Form 5 and the tables of other addressees in the consolidated report, sources of figures apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from app.reports.counting.consolidated import ConsolidatedReport, RunLine
from app.reports.figures import labels
from app.reports.figures.addressees import CHANNELS, KINDS, AddresseeStatus, stated_sum
from app.reports.figures.carrier_statement import FigureSource as Source
from app.reports.figures.carrier_statement import Statement
from app.reports.figures.figures import FIGURES, TIMED, Charged, Figures, standing_in
from app.reports.figures.numbers import NOTHING, count, day_of, moment
from app.reports.figures.table_model import (
    Cell,
    CellKind,
    Formula,
    ReportTable,
    TableChart,
    TableColumn,
    TableRow,
    facts,
    ratio,
    value,
)
from app.reports.forms import citation, count_columns, subscriber_tables
from app.reports.forms.carrier_tables import FINAL, INTERIM
from carriers.contract import ReceiptLevel

_COUNTS = count_columns.columns(standing_in("5"))
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
    "chỉ tính trên tin của những đợt có biên nhận của máy thuê bao. Thuê bao nhận tin ở nhiều đợt có mặt ở "
    "từng đợt; tính theo thuê bao: bảng “Kết quả theo doanh nghiệp viễn thông”."
)
NOTHING_YET = "chưa báo cáo"
CANCELLED = "Đã hủy"
UNCLEAR = "Chưa rõ"  # over, and nothing is known to have arrived


def of_directive(report: ConsolidatedReport) -> tuple[ReportTable, ...]:
    """Return form 5, the channels of other addressees, and the status of each."""
    return _form_5(report), _channels(report), _others(report)


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


def _money(charged: Charged | None) -> tuple[int, int, int] | None:
    return (
        None
        if charged is None or charged.dong is None
        else (charged.segments, charged.unknown_segments, charged.dong)
    )


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
    return facts("Thông tin", "Tổng hợp kết quả phối hợp tuyên truyền", pairs)


def _form_5(report: ConsolidatedReport) -> ReportTable:
    rows = [row for nth, line in enumerate(report.lines, 1) for row in _rows(nth, line, report)]
    rows += [row for kind in Source for row in _totals(kind, report.of(kind))]
    rows += _once(report)
    paper = citation.named(report.letter.number, report.letter.issued_on)
    title = f"Biểu 5 – Tổng hợp kết quả của doanh nghiệp viễn thông theo {paper} (tính theo tin)"
    charts = [_chart(kind, report.of(kind)) for kind in Source if report.of(kind)]
    first, more = (charts[0], tuple(charts[1:])) if charts else (None, ())
    shown = [level(line) for line in report.lines if line.kind is not None]
    source = f"{_SOURCE}{count_columns.unproved(*shown)}"
    return ReportTable("Biểu 5", title, _COLUMNS, tuple(rows), source, first, more)


def _chart(kind: Source, lines: Iterable[RunLine]) -> TableChart:
    lines = tuple(lines)
    title = f"Kết quả theo doanh nghiệp: {count_columns.whose(kind, *map(level, lines))}"
    rows = tuple(f"run_{line.run_id}" for line in lines)
    return TableChart(title, "name", TIMED, True, rows, adds=False, what="doanh nghiệp")


def _rows(nth: int, line: RunLine, report: ConsolidatedReport) -> Iterable[TableRow]:
    """Yield the run, and below a measured one its carrier's statement, which enters no sum."""
    yield _row((str(nth), line_name(line)), line, report)
    if line.kind is Source.MEASURED and line.statement:
        beside = ("", f"{line_name(line)} (đối chiếu)")
        row = _row(beside, replace(line, kind=line.statement.kind), report)
        yield row._replace(key=f"{row.key}_stated")


def _row(first: tuple[str, str], line: RunLine, report: ConsolidatedReport) -> TableRow:
    when = (report.letter.deadline_ms, report.cutoff_ms)
    found = figures(line)
    counts = (found.get(column.key, NOTHING) for column in _COUNTS)
    kept = line.sent_in_time(*when)
    sent = CANCELLED if line.cancelled else UNCLEAR if kept is None and line.over else _in_time(kept, *when)
    reported = NOTHING if line.kind is Source.MEASURED else _in_time(line.reported_in_time(*when), *when)
    cells_ = (*first, _paper(line), source_of(line), *counts, _span(line), sent, reported)
    return TableRow(f"run_{line.run_id}", cells_)


def _in_time(in_time: bool | None, deadline_ms: int | None, cutoff_ms: int) -> str:
    if in_time is not None:
        return "Có" if in_time else "Không"
    return "Chưa đến hạn" if deadline_ms is not None and cutoff_ms <= deadline_ms else NOTHING


def finality(report: ConsolidatedReport, listed: Callable[[list[str]], str] = ", ".join) -> str:
    """Say whether figures may still change, and whose."""
    names = list(dict.fromkeys(carrier_name(line.carrier) for line in report.lines if line.interim))
    if not report.interim:
        return FINAL
    return f"SỐ LIỆU TẠM THỜI: số liệu của {listed(names)} có thể còn thay đổi" if names else INTERIM


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
    """Name who has not reported: carriers without a run, carriers without figures, other addressees."""
    late = {True: " (quá hạn)", False: ""}
    names = [f"{name} (chưa có đợt gửi)" for name in report.silent]
    names += dict.fromkeys(carrier_name(line.carrier) for line in report.lines if line.kind is None)
    return names + [f"{each.addressee.name}{late[each.late]}" for each in report.others if not each.report]


def reported(statuses: Sequence[AddresseeStatus]) -> str:
    """Say how many of these addressees have reported, and what they did."""
    done = [each for each in statuses if each.report]
    items = [item for each in done if each.report for item in each.report.items]
    reach, minutes = (stated_sum(getattr(item, name) for item in items) for name in ("reach", "minutes"))
    late = sum(each.late for each in done)
    spoken = sorted({item.languages for item in items if item.languages})
    words = f"{count(len(done))}/{count(len(statuses))} đơn vị đã báo cáo"
    if not done:
        return words
    words += f"{f' ({count(late)} trễ hạn)' if late else ''}: "
    words += f"{count(sum(item.pieces for item in items))} tin, bài, buổi; "
    words += (
        "chưa nêu lượt tiếp cận" if reach is None else f"{count(reach)} lượt tiếp cận theo số các đơn vị báo"
    )
    words += f"; thời lượng {count(minutes)} phút" if minutes is not None else ""
    return words + (f"; ngôn ngữ: {'; '.join(spoken)}" if spoken else "")


def carrier_name(carrier: str) -> str:
    return labels.network(carrier)


def line_name(line: RunLine) -> str:
    return f"{carrier_name(line.carrier)}{' (gửi tiếp)' if line.follow_up else ''}"


def _paper(line: RunLine) -> str:
    if line.kind is not Source.MEASURED and line.statement:
        paper = line.statement.paper
        named = ", ".join(filter(None, (paper.number, day_of(paper.dated_on)))) or f"bản {paper.version}"
        return f"{named}, ký số" if paper.signature else named
    return f"bản chốt {line.version}" if line.version else "chưa chốt khi lập"


def _span(line: RunLine) -> str:
    if line.kind is Source.MEASURED:
        span = (line.report.began_ms, line.report.header.ended_ms)
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


def _stated(statement: Statement) -> dict[str, Cell]:
    """Return what a carrier's form says; what it does not ask for is a dash."""
    found: dict[str, Cell] = {key: None if each.part else NOTHING for key, each in FIGURES.items()}
    if statement.level is not ReceiptLevel.HANDSET:
        found["delivered"] = labels.UNPROVED
    segments = statement.figures.segments
    found["segments"] = labels.NOT_SAID if segments is None else segments
    return found | count_columns.stated(statement.figures.general, statement.level)


def _totals(kind: Source, lines: Sequence[RunLine]) -> Iterable[TableRow]:
    """Sum one source of figures, and the runs of each receipt level where levels differ."""
    if len(lines) < 2:
        return
    yield _total(f"total_{kind}", f"Cộng tin ({count_columns.whose(kind, *map(level, lines))})", lines)
    levels = sorted({level(line) or 0 for line in lines}, reverse=True)
    for each in levels if len(levels) > 1 else ():
        own = [line for line in lines if (level(line) or 0) == each]
        if len(own) > 1:
            yield _total(f"total_{kind}_{each}", count_columns.part(each), own)


def _once(report: ConsolidatedReport) -> Iterator[TableRow]:
    """Yield subscribers counted once, by what receipts prove, where carriers have several rounds."""
    rows, known = report.subscribers, subscriber_tables.levels(report)
    if rows is None or not _has_rounds(report.of(Source.MEASURED)):
        return
    for each in sorted(set(known.values()), reverse=True):
        f = sum((row.figures for row in rows if known.get(row.carrier, 0) == each), Figures())
        cells = count_columns.cells(f, each) | {"sent": f.sent, "excluded": NOTHING, "segments": NOTHING}
        if each == ReceiptLevel.HANDSET and f.eligible:
            cells["delivered_ratio"] = ratio("delivered", "eligible", f.delivered / f.eligible)
        name = f"Thuê bao, {count_columns.LEVELS[each]}: mỗi thuê bao tính một lần"
        counts = (cells[column.key] for column in _COUNTS)
        yield TableRow(f"once_{each}", ("", name, "", "", *counts, "", "", ""), strong=True)


def _has_rounds(lines: Sequence[RunLine]) -> bool:
    return len({line.carrier for line in lines}) < len(lines)


def _total(key: str, name: str, lines: Sequence[RunLine]) -> TableRow:
    found = [(f"run_{line.run_id}", figures(line)) for line in lines]
    sums = {column.key: _sum(column.key, found) for column in _COUNTS}
    sent, delivered = value(sums["sent"]), value(sums["delivered"])
    if _has_rounds(lines):  # a sum of messages would count subscribers twice
        sums |= {key: NOTHING for key, each in FIGURES.items() if each.again and key in sums}
    proved = not _has_rounds(lines) and all(level(line) == ReceiptLevel.HANDSET for line in lines)
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
            (str(n), CHANNELS[each.channel], each.units, each.pieces, _said(each.reach), _said(each.minutes)),
        )
        for n, each in enumerate(report.channels, 1)
    )
    rows += (_all_channels(report),) if len(rows) > 1 else ()
    source = (
        "Nguồn số liệu: các cơ quan, đơn vị tự báo cáo; lượt tiếp cận có thể trùng người. "
        "“…”: không đơn vị nào nêu."
    )
    return ReportTable(
        "Hình thức", "Kết quả tuyên truyền của các cơ quan, đơn vị theo hình thức", columns, rows, source
    )


def _all_channels(report: ConsolidatedReport) -> TableRow:
    """Count a unit once, however many channels it used."""
    units = sum(bool(each.report and each.report.items) for each in report.others)
    found = report.channels
    pieces = sum(each.pieces for each in found)
    sums = (_said(stated_sum(getattr(each, name) for each in found)) for name in ("reach", "minutes"))
    return TableRow("total", ("", labels.TOTAL, units, pieces, *sums), strong=True)


def _said(n: int | None) -> Cell:
    return labels.UNPROVED if n is None else n


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


def _other(nth: int, status: AddresseeStatus) -> TableRow:
    items = status.report.items if status.report else ()
    pieces: Cell = sum(item.pieces for item in items) if status.report else NOTHING
    reach = _said(stated_sum(item.reach for item in items)) if status.report else NOTHING
    of = status.addressee
    cells_ = (str(nth), KINDS[of.kind], of.name, standing(status), _arrived(status.first_ms), pieces, reach)
    return TableRow(f"unit_{nth}", cells_)


def _arrived(ms: int | None) -> str:
    """Format the arrival of a report: the day alone where no hour was given."""
    said = moment(ms)[:16]
    return said.removesuffix(" 00:00")


def standing(status: AddresseeStatus) -> str:
    if status.report is None:
        return "Chưa báo cáo (quá hạn)" if status.late else "Chưa báo cáo"
    return "Đã báo cáo (trễ hạn)" if status.late else "Đã báo cáo"
