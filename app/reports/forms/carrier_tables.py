"""Forms of the result report (Biểu 1 to 5) with Vietnamese labels, filled from a report."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

from app.core import areas, clock
from app.reports.figures import by_area, labels
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.figures import (
    FIGURES,
    TIMED,
    CampaignReport,
    CarrierReport,
    Cause,
    DayRow,
    Figures,
    Header,
    NamedArea,
    standing_in,
)
from app.reports.figures.numbers import NOTHING, count, moment
from app.reports.figures.table_model import (
    Cell,
    CellKind,
    Formula,
    ReportTable,
    TableChart,
    TableColumn,
    TableRow,
    ratio,
    total,
    value,
)
from app.reports.figures.version import Version
from app.reports.forms.citation import named_as_stored
from app.reports.forms.count_columns import (
    LEVELS,
    cells,
    columns,
    measured,
    part,
    pick,
    totals,
    unproved,
    whose,
)
from carriers.contract import Reason

INTERIM = "SỐ LIỆU TẠM THỜI: còn tin đang chờ gửi, chưa có biên nhận hoặc chưa rõ kết quả"
FINAL = "Số liệu cuối cùng"
STEPS = "Diễn biến"
TITLE = "Kết quả nhắn tin tuyên truyền"
_AREA, _CAMPAIGN = standing_in("2"), standing_in("2")  # one run by areas, the runs of a campaign


def of_run(report: CarrierReport) -> tuple[ReportTable, ...]:
    """Return the header, forms 1 to 4, and the time steps."""
    return _head(report), _general(report), _areas(report), _days(report), _reasons(report), _steps(report)


def of_campaign(report: CampaignReport) -> tuple[ReportTable, ...]:
    """Return form 5, the runs side by side, followed by each run's forms."""
    return _side_by_side(report), *(form for run in report.runs for form in _named(run))


def _named(run: CarrierReport) -> list[ReportTable]:
    head = run.header
    return [
        form._replace(
            name=f"{form.name} ({head.run_id})", title=f"{form.title} – {labels.network(head.carrier)}"
        )
        for form in of_run(run)
    ]


def _side_by_side(report: CampaignReport) -> ReportTable:
    first = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("name", "Doanh nghiệp", CellKind.TEXT, 24),
        TableColumn("state", "Số liệu", CellKind.TEXT, 12),
        TableColumn("level", "Biên nhận", CellKind.TEXT, 18),
    )
    rows = [_run_row(n, run) for n, run in enumerate(report.runs, 1)]
    title = (
        f"Biểu 5 – Tổng hợp theo doanh nghiệp: {report.campaign} (chốt số liệu {moment(report.cutoff_ms)})"
    )
    source = measured(report.receipt_level)
    if len(report.by_level) > 1:
        source = (
            f"Nguồn số liệu: {whose(FigureSource.MEASURED, *report.by_level)}; mỗi dòng ghi mức biên nhận. "
            f"Tỷ lệ chỉ tính trong cùng một mức.{unproved(*report.by_level)}"
        )
    if report.held:
        names = ", ".join(labels.network(carrier) for carrier in report.held)
        source += f" Chưa gồm đợt do doanh nghiệp tự gửi ({names}): xem báo cáo của đợt đó."
    return ReportTable("Biểu 5", title, first + columns(_CAMPAIGN), (*rows, *_sums(report)), source)


def _run_row(n: int, run: CarrierReport) -> TableRow:
    level = run.header.receipt_level
    first = (str(n), labels.network(run.header.carrier), _settled(run.interim), LEVELS[level])
    return TableRow(f"run_{n}", (*first, *pick(cells(run.general, level), _CAMPAIGN)))


def _sums(report: CampaignReport) -> list[TableRow]:
    by_level, settled = report.by_level, _settled(report.interim)
    one = len(by_level) < 2
    first = ("", labels.TOTAL, settled, LEVELS[report.receipt_level] if one else "")
    total_cells = pick(totals(report.total, report.receipt_level, one), _CAMPAIGN)
    rows = [TableRow("total", (*first, *total_cells), strong=True)]
    if not one:
        for level, figures in by_level.items():
            own = ("", part(level), "", LEVELS[level], *pick(cells(figures, level), _CAMPAIGN))
            rows.append(TableRow(f"total_{level}", own, strong=True))
    return rows


def _settled(interim: bool) -> str:
    return "tạm thời" if interim else "cuối cùng"


def finality(report: CarrierReport) -> str:
    """Say whether figures may still change, and what stays without a receipt."""
    return INTERIM if report.interim else settled(report.general.no_receipt)


def settled(no_receipt: int | None) -> str:
    left = f": {count(no_receipt)} tin không có biên nhận, đã hết thời gian chờ" if no_receipt else ""
    return f"{FINAL}{left}"


def _head(report: CarrierReport) -> ReportTable:
    head = report.header
    state = labels.RUN_STATES[head.run_state]
    own = (
        ("Doanh nghiệp", f"{labels.network(head.carrier)} ({state}; mã đợt gửi trong Loa: {head.run_id})"),
        ("Lô", ", ".join(str(batch) for batch in head.batches) or NOTHING),
        ("Tên định danh", head.sender),
        ("Bắt đầu gửi", moment(report.began_ms)),
        ("Kết thúc gửi", moment(head.ended_ms)),
        ("Mức biên nhận", labels.RECEIPT_LEVELS[head.receipt_level]),
        ("Tin chưa có biên nhận lâu nhất gửi lúc", moment(report.extra.oldest_ms)),
    )
    return facts(head, finality(report), own)


# ---- What the forms of measured and of stated figures have in common


def facts(head: Header, finality: str, own: Iterable[tuple[str, str]]) -> ReportTable:
    """Return the first sheet: whether figures may change, of what they are, and the texts sent."""
    columns = (
        TableColumn("name", "Mục", CellKind.TEXT, 34),
        TableColumn("value", "Nội dung", CellKind.TEXT, 90),
    )
    pairs = [
        ("Tình trạng số liệu", finality),
        ("Thời điểm chốt số liệu", moment(head.cutoff_ms)),
        ("Văn bản yêu cầu", named_as_stored(head.directive) if head.directive else NOTHING),
        ("Chiến dịch", f"{head.campaign} (số {head.campaign_id})"),
        *own,
    ]
    for lang, wording in sorted(head.texts.items()):
        pairs.append((f"Nội dung tin{f' ({lang})' if lang else ''}", wording))
        pairs.append(("Mã băm nội dung (SHA-256)", hashlib.sha256(wording.encode()).hexdigest()))
    rows = tuple(TableRow(f"head_{n}", pair) for n, pair in enumerate(pairs))
    return ReportTable("Thông tin", TITLE, columns, rows)


GENERAL = (
    TableColumn("nth", "TT", CellKind.TEXT, 8),
    TableColumn("name", "Chỉ tiêu", CellKind.TEXT, 62),
    TableColumn("unit", "Đơn vị", CellKind.TEXT, 10),
    TableColumn("n", "Số lượng", CellKind.COUNT, 14),
)
DAY = (
    TableColumn("day", "Ngày", CellKind.TEXT, 20),
    TableColumn("hours", "Khung giờ", CellKind.TEXT, 20),
    TableColumn("batches", "Số lô", CellKind.COUNT, 8),
)
CAUSE = (
    TableColumn("nth", "TT", CellKind.TEXT, 5),
    TableColumn("name", "Nguyên nhân", CellKind.TEXT, 48),
    TableColumn("n", "Số lượng", CellKind.COUNT, 12),
)
REMEDY = TableColumn("remedy", "Biện pháp", CellKind.TEXT, 40)


def form_1(columns: tuple[TableColumn, ...], rows: Iterable[TableRow], source: str) -> ReportTable:
    return ReportTable("Biểu 1", "Biểu 1 – Kết quả chung", columns, tuple(rows), source)


def first_day(head: Header) -> date:
    """Return the day that decides which names, laws and areas apply."""
    return clock.local(clock.from_ms(head.started_ms or head.cutoff_ms)).date()


def area_rows(rows: Iterable[tuple[str | None, Iterable[Cell]]], on: date) -> list[TableRow]:
    """Return the rows of form 2; those of unknown area stay out of its chart."""
    return [
        TableRow(f"area_{n}", (str(n), code or "", by_area.named(code, on), *counts), aside=code is None)
        for n, (code, counts) in enumerate(rows, 1)
    ]


def form_2(
    counts: tuple[TableColumn, ...],
    rows: Iterable[TableRow],
    sums: Iterable[Cell],
    source: str,
    chart: TableChart,
    on: date,
) -> ReportTable:
    first = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("code", "Mã", CellKind.TEXT, 8),
        TableColumn("name", "Huyện, thành phố" if areas.districts(on) else "Xã, phường", CellKind.TEXT, 40),
    )
    last = TableRow("total", ("", "", labels.TOTAL, *sums), strong=True)
    title = "Biểu 2 – Kết quả theo địa bàn"
    return ReportTable("Biểu 2", title, first + counts, (*rows, last), source, chart)


def form_3(
    counts: tuple[TableColumn, ...], days: Iterable[tuple[Cell, ...]], sums: Iterable[Cell], source: str
) -> ReportTable:
    rows = [TableRow(f"day_{n}", cells) for n, cells in enumerate(days)]
    last = TableRow("total", (labels.TOTAL, "", None, *sums), strong=True)
    return ReportTable("Biểu 3", "Biểu 3 – Kết quả theo ngày", DAY + counts, (*rows, last), source)


def form_4(
    columns: tuple[TableColumn, ...], rows: Iterable[TableRow], sums: tuple[Cell, ...], source: str
) -> ReportTable:
    last = TableRow("total", ("", labels.TOTAL, *sums), strong=True)
    title = "Biểu 4 – Tin không đến: nguyên nhân"
    return ReportTable("Biểu 4", title, columns, (*rows, last), source)


# Form 1


def _general(report: CarrierReport) -> ReportTable:
    share = TableColumn("ratio", "Tỷ lệ so với đã gửi (%)", CellKind.RATIO, 14)
    counts, ratios = (
        [key for key in standing_in("1") if bool(FIGURES[key].part) is of_ratios and key != "segments"]
        for of_ratios in (False, True)
    )
    written_off = (
        "",
        "– trong đó: người vận hành chốt không xử lý tiếp",
        "tin",
        report.extra.written_off,
        None,
    )
    causes = [
        TableRow(f"cause_{n}", (f"(2.{n})", f"– {cause.label}", "thuê bao", cause.n, None))
        for n, cause in enumerate(report.excluded, 1)
    ]
    rows = [_figure_row(key, report) for key in (*counts, *ratios, "segments")]
    after = {
        "excluded": causes,
        counts[-1]: [TableRow("written_off", written_off)],
        "segments": _cost(report),
    }
    every = (row for each in rows for row in (each, *after.get(each.key, ())))
    return form_1((*GENERAL, share), (*every, *_extra_rows(report)), measured(report.header.receipt_level))


def _figure_row(key: str, report: CarrierReport) -> TableRow:
    """Return a figure's row; what was sent is the base of the share of its parts."""
    g, figure = report.general, FIGURES[key]
    cell = cells(g, report.header.receipt_level)[key]
    if figure.part:
        return TableRow(key, (*(figure.line or ()), None, cell))
    if key == "excluded" and report.excluded:
        cell = Formula(g.excluded, f"SUM({{cause_1}}:{{cause_{len(report.excluded)}}})")
    elif key == "no_receipt":
        cell = Formula(g.no_receipt, "{sent}-SUM({delivered}:{failed})-{unknown}")
    elif cell == labels.UNPROVED:
        cell = labels.NO_RECEIPTS
    n, share = value(cell), None
    if figure.outcome or figure.of:
        share = ratio(key, "sent", n / g.sent if isinstance(n, int) and g.sent else None)
    return TableRow(key, (*(figure.line or ()), cell, share), strong=key == "sent")


def _extra_rows(report: CarrierReport) -> list[TableRow]:
    extra = report.extra
    resent = extra.resent if extra.resent is not None else "theo đợt"
    deferred = "Số lần hoãn gửi (nhà mạng hoãn nhận hoặc tin chưa chuyển đi)"
    return [
        TableRow("resent", ("(9a)", "Số lần gửi lại do người vận hành quyết định", "lần", resent, None)),
        TableRow("deferred", ("(9b)", deferred, "lần", extra.deferred, None)),
        TableRow("partly", ("(10)", "Tin nhiều phần mới có biên nhận một phần", "tin", extra.partly, None)),
        *_unexplained(report),
    ]


def _unexplained(report: CarrierReport) -> list[TableRow]:
    if not report.extra.unexplained:
        return []
    name = (
        "Tin chưa giải thích được, ít nhất (các dòng trong sổ mâu thuẫn nhau; tính theo trạng thái đang ghi)"
    )
    return [TableRow("unexplained", ("(11)", name, "tin", report.extra.unexplained, None))]


def _cost(report: CarrierReport) -> list[TableRow]:
    """Rows on money, where the price is known: its contract's, set by who sends."""
    if report.cost is None or report.cost.dong is None:
        return []
    cost, why = report.cost, "theo đơn giá hợp đồng, không tính tin bị từ chối ngay"
    maybe = (
        f" (trong đó {count(cost.unknown_segments)} bản tin có thể đã gửi)" if cost.unknown_segments else ""
    )
    return [
        TableRow("charged", ("(8a)", f"Bản tin tính tiền{maybe}", "bản tin", cost.segments, None)),
        TableRow("dong", ("(8b)", f"Chi phí chưa gồm thuế VAT, {why}", "đồng", cost.dong, None)),
    ]


# Forms 2 to 4


def _areas(report: CarrierReport) -> ReportTable:
    level = report.header.receipt_level
    on = first_day(report.header)
    rows = area_rows(((row.code, pick(cells(row.figures, level), _AREA)) for row in report.places), on)
    if report.outside_areas:
        outside = Figures(eligible=report.outside_areas, excluded=report.outside_areas)
        left_out = ("", "", labels.OUTSIDE_AREAS, *pick(cells(outside, level), _AREA))
        rows.append(TableRow("outside", left_out, aside=True))
    chart = TableChart("Kết quả theo địa bàn", "name", TIMED, across=True, what="địa bàn")
    source = f"{measured(level)}{nobody_in(report.empty)}"
    return form_2(columns(_AREA), rows, pick(totals(report.general, level), _AREA), source, chart, on)


def nobody_in(empty: Sequence[NamedArea]) -> str:
    """List the areas of the report's day without any row; "" for none."""
    names = ", ".join(area.name for area in empty)
    return f" {len(empty)} địa bàn không có thuê bao nào trong danh sách gửi: {names}." if empty else ""


def _days(report: CarrierReport) -> ReportTable:
    rate = TableColumn("rate", "Tốc độ TB (tin/giây)", CellKind.RATE, 12)
    level = report.header.receipt_level
    sums = (*pick(totals(report.general, level), TIMED), None)
    days = (_day(day, level) for day in report.days)
    return form_3((*columns(TIMED), rate), days, sums, measured(level))


def _day(day: DayRow, level: int | None) -> tuple[Cell, ...]:
    name = date.fromisoformat(day.day).strftime("%d/%m/%Y") if day.day else labels.NO_DAY
    hours = "" if day.first_ms is None else f"{moment(day.first_ms)[11:16]}–{moment(day.last_ms)[11:16]}"
    return (name, hours, day.batches, *_timed(day.figures, level), day.messages_per_second)


def _timed(f: Figures, level: int | None) -> list[Cell]:
    return pick(cells(f, level) | {"sent": f.sent}, TIMED)


def changes(version: Version) -> ReportTable:
    columns = (
        TableColumn("where", "Số liệu", CellKind.TEXT, 56),
        TableColumn("before", "Bản trước", CellKind.COUNT, 14),
        TableColumn("after", "Bản này", CellKind.COUNT, 14),
        TableColumn("difference", "Chênh lệch", CellKind.COUNT, 14),
    )
    rows = tuple(
        TableRow(f"change_{n}", (each.where, each.before, each.after, each.difference))
        for n, each in enumerate(version.changes, 1)
    )
    return ReportTable("Thay đổi", "Số liệu thay đổi so với bản trước", columns, rows)


def _steps(report: CarrierReport) -> ReportTable:
    shown = (
        TableColumn("from", "Từ", CellKind.TEXT, 20),
        TableColumn("minutes", "Số phút", CellKind.COUNT, 10),
        *columns(TIMED),
    )
    level = report.header.receipt_level
    rows = tuple(
        TableRow(f"step_{n}", (moment(step.start_ms)[:16], step.minutes, *_timed(step.figures, level)))
        for n, step in enumerate(report.steps)
    )
    chart = TableChart("Diễn biến gửi và nhận theo thời gian", "from", TIMED) if rows else None
    return ReportTable(STEPS, "Diễn biến gửi và nhận theo thời gian", shown, rows, measured(level), chart)


def _reasons(report: CarrierReport) -> ReportTable:
    failed, rows = report.general.failed, []
    for n, cause in enumerate(report.reasons, 1):
        share = Formula(cause.n / failed if failed else None, 'IF({total}=0,"",{n}/{total})')
        remedy = _remedy(cause, report.networks)
        rows.append(TableRow(cause.key, (str(n), cause.label, cause.n, share, remedy)))
    shown = (*CAUSE, TableColumn("ratio", "Tỷ lệ (%)", CellKind.RATIO, 10), REMEDY)
    return form_4(shown, rows, (total(failed), None, ""), measured(report.header.receipt_level))


def _remedy(cause: Cause, networks: Sequence[Cause]) -> str:
    """Name the networks to ask instead, where the carrier told who serves the numbers."""
    if cause.key != Reason.OTHER_NETWORK.name.lower() or not networks:
        return ""
    return "Thuộc mạng " + "; ".join(f"{each.label}: {count(each.n)}" for each in networks)
