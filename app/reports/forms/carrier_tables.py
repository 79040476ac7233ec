"""Forms of the result report (Biểu 1 to 4, and 7) in Vietnamese, measured or as a carrier states it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date

from app.core import areas, clock
from app.reports.counting.stated_report import StatedReport
from app.reports.figures import by_area, labels
from app.reports.figures.carrier_statement import KINDS, STATED, FigureSource, Statement, received_as
from app.reports.figures.document_meta import PaperMeta
from app.reports.figures.figures import (
    FIGURES,
    TIMED,
    CampaignReport,
    CarrierReport,
    Cause,
    Charged,
    DayRow,
    Figures,
    Header,
    NamedArea,
    standing_in,
)
from app.reports.figures.numbers import NOTHING, count, day_of, hour, moment
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
    stated,
    totals,
    unproved,
    whose,
)
from carriers.contract import Reason

FINAL = "Số liệu cuối cùng"
_INTERIM = "SỐ LIỆU TẠM THỜI"
_OPEN = "còn tin đang chờ gửi, chưa có biên nhận hoặc chưa rõ kết quả"
INTERIM = f"{_INTERIM}: {_OPEN}"
STEPS = "Diễn biến"
TITLE = "Kết quả nhắn tin tuyên truyền"
CAMPAIGN = "Biểu 7"
_CAMPAIGN_KEYS = standing_in("7")
OfRun = CarrierReport | StatedReport


def of_run(report: OfRun) -> tuple[ReportTable, ...]:
    """Return the header, forms 1 to 4, and the time steps; of what a carrier states the forms that it has."""
    found = (_head(report), _form_1(report), _form_2(report), _form_3(report), _form_4(report))
    if isinstance(report, CarrierReport):
        return (*found, _steps(report))
    return tuple(form for form in found if len(form.rows) > 1)  # more than a total


def of_campaign(report: CampaignReport) -> tuple[ReportTable, ...]:
    """Return form 7, the runs side by side, followed by each run's forms."""
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
    until = moment(report.cutoff_ms)
    title = f"{CAMPAIGN} – Tổng hợp theo doanh nghiệp: {report.campaign} (chốt số liệu {until})"
    source = measured(report.receipt_level)
    if len(report.by_level) > 1:
        source = (
            f"Nguồn số liệu: {whose(FigureSource.MEASURED, *report.by_level)}; mỗi dòng ghi mức biên nhận. "
            f"Tỷ lệ chỉ tính trong cùng một mức.{unproved(*report.by_level)}"
        )
    if report.held:
        names = ", ".join(labels.network(carrier) for carrier in report.held)
        source += f" Chưa gồm đợt do doanh nghiệp tự gửi ({names}): xem báo cáo của đợt đó."
    return ReportTable(CAMPAIGN, title, first + columns(_CAMPAIGN_KEYS), (*rows, *_sums(report)), source)


def _run_row(n: int, run: CarrierReport) -> TableRow:
    level = run.header.receipt_level
    first = (str(n), labels.network(run.header.carrier), _settled(run.interim), LEVELS[level])
    return TableRow(f"run_{n}", (*first, *pick(cells(run.general, level), _CAMPAIGN_KEYS)))


def _sums(report: CampaignReport) -> list[TableRow]:
    by_level, settled = report.by_level, _settled(report.interim)
    one = len(by_level) < 2
    first = ("", labels.TOTAL, settled, LEVELS[report.receipt_level] if one else "")
    total_cells = pick(totals(report.total, report.receipt_level, one), _CAMPAIGN_KEYS)
    rows = [TableRow("total", (*first, *total_cells), strong=True)]
    if not one:
        for level, figures in by_level.items():
            own = ("", part(level), "", LEVELS[level], *pick(cells(figures, level), _CAMPAIGN_KEYS))
            rows.append(TableRow(f"total_{level}", own, strong=True))
    return rows


def _settled(interim: bool) -> str:
    return "tạm thời" if interim else "cuối cùng"


def finality(report: OfRun) -> str:
    """Say whether figures may still change, and why; or what stays without a receipt."""
    if isinstance(report, CarrierReport):
        why, no_receipt = _OPEN, report.general.no_receipt
    else:
        why, no_receipt = (
            "doanh nghiệp chưa báo kết thúc gửi",
            report.statement.figures.general.no_receipt or 0,
        )
        if report.statement.ended_ms is not None:
            why = "doanh nghiệp chốt số liệu khi biên nhận còn về (72 giờ sau khi gửi xong)"
    if report.interim:
        return f"{_INTERIM}: {why}"
    left = f": {count(no_receipt)} tin không có biên nhận, đã hết thời gian chờ" if no_receipt else ""
    return f"{FINAL}{left}"


def first_day(head: Header) -> date:
    """Return the day that decides which names, laws and areas apply."""
    return clock.moment(head.started_ms or head.cutoff_ms).date()


def source(report: OfRun) -> str:
    """Return the line below each table: whose figures, from which document, and what its receipts prove."""
    if isinstance(report, CarrierReport):
        return measured(report.header.receipt_level)
    of = report.statement
    paper, signed = cited(of.paper), ", doanh nghiệp ký số" if of.paper.signature else ""
    return (
        f"Nguồn số liệu: {KINDS[of.kind]}{signed}, bản {of.paper.version}{f' ({paper})' if paper else ''}; "
        f"doanh nghiệp chốt đến {hour(of.cutoff_ms)}; {labels.LEVEL_WORDS[of.level]}; chưa đối chiếu "
        "bằng biên nhận."
    )


def cited(paper: PaperMeta) -> str:
    """Return number and day of a carrier's document, as far as it has them."""
    return ", ".join(filter(None, (paper.number, day_of(paper.dated_on))))


def _head(report: OfRun) -> ReportTable:
    """Return the first sheet: whether figures may change, of what they are, and the texts sent."""
    head = report.header
    if isinstance(report, CarrierReport):
        how = labels.RUN_STATES[head.run_state]
        began, own = report.began_ms, [("Lô", ", ".join(str(batch) for batch in head.batches) or NOTHING)]
        last = [
            ("Mức biên nhận", labels.RECEIPT_LEVELS[head.receipt_level]),
            ("Tin chưa có biên nhận lâu nhất gửi lúc", moment(report.extra.oldest_ms)),
        ]
    else:
        how, scan = "tự gửi đến thuê bao của mình", report.statement.paper.attachment
        key = report.statement.paper.signature  # papers of unsigned figures stay as they are
        began, last = report.statement.began_ms, []
        own = [
            ("Nguồn số liệu", source(report)),
            ("Số, ngày báo cáo", cited(report.statement.paper) or NOTHING),
            ("Bản quét kèm theo (SHA-256)", scan.sha256 if scan else NOTHING),
            *([("Chữ ký số của doanh nghiệp", f"khóa {key.kid}; SHA-256 {key.sha256}")] if key else []),
        ]
    pairs = [
        ("Tình trạng số liệu", finality(report)),
        ("Thời điểm chốt số liệu", moment(head.cutoff_ms)),
        ("Văn bản yêu cầu", named_as_stored(head.directive) if head.directive else NOTHING),
        ("Chiến dịch", f"{head.campaign} (số {head.campaign_id})"),
        ("Doanh nghiệp", f"{labels.network(head.carrier)} ({how}; mã đợt gửi trong Loa: {head.run_id})"),
        *own,
        ("Tên định danh", head.sender),
        ("Bắt đầu gửi", moment(began)),
        ("Kết thúc gửi", moment(head.ended_ms)),
        *last,
    ]
    for lang, wording in sorted(head.texts.items()):
        pairs.append((f"Nội dung tin{f' ({lang})' if lang else ''}", wording))
        pairs.append(("Mã băm nội dung (SHA-256)", hashlib.sha256(wording.encode()).hexdigest()))
    return facts("Thông tin", TITLE, pairs)


# ---- Form 1


def _form_1(report: OfRun) -> ReportTable:
    shown: tuple[TableColumn, ...] = (
        TableColumn("nth", "TT", CellKind.TEXT, 8),
        TableColumn("name", "Chỉ tiêu", CellKind.TEXT, 62),
        TableColumn("unit", "Đơn vị", CellKind.TEXT, 10),
        TableColumn("n", "Số lượng", CellKind.COUNT, 14),
    )
    if isinstance(report, CarrierReport):
        shown += (TableColumn("ratio", "Tỷ lệ so với đã gửi (%)", CellKind.RATIO, 14),)
        rows, excluded = _measured_rows(report), report.excluded
    else:
        rows, excluded = _stated_rows(report.statement), report.statement.figures.excluded
    more = len(shown) - 4
    causes = (
        TableRow(f"cause_{n}", (f"(2.{n})", f"– {cause.label}", "thuê bao", cause.n, *(None,) * more))
        for n, cause in enumerate(excluded, 1)
    )
    at = 1 + next(nth for nth, row in enumerate(rows) if row.key == "excluded")
    every = (*rows[:at], *causes, *rows[at:])
    return ReportTable("Biểu 1", "Biểu 1 – Kết quả chung", shown, every, source(report))


def _stated_rows(statement: Statement) -> list[TableRow]:
    """Return the rows of what the carrier's form asks for; (4) is what its receipts prove to be received."""
    rows = []
    for key, (number, words, unit) in STATED.items():
        n = statement.figures.stated(key)
        none = labels.NOT_SAID if key in ("segments", "resent") else labels.NO_RECEIPTS
        named = FIGURES[received_as(statement.level)].label if key == "received" else words
        cells = (number, named, unit, none if n is None else n)
        rows.append(TableRow(key, cells, strong=key == "sent"))
    return rows


def _measured_rows(report: CarrierReport) -> list[TableRow]:
    counts, ratios = (
        [key for key in standing_in("1") if bool(FIGURES[key].part) is of_ratios and key != "segments"]
        for of_ratios in (False, True)
    )
    extra = report.extra
    rows = [_figure_row(key, report) for key in counts]
    rows.append(
        _extra("written_off", "", "– trong đó: người vận hành chốt không xử lý tiếp", extra.written_off)
    )
    rows += [_figure_row(key, report) for key in (*ratios, "segments")]
    rows += _cost(report.cost)
    resent = extra.resent if extra.resent is not None else "theo đợt"
    again, later = (
        "Số lần gửi lại do người vận hành quyết định",
        "Số lần hoãn gửi (nhà mạng hoãn nhận hoặc tin chưa chuyển đi)",
    )
    rows += [
        _extra("resent", "(9a)", again, resent, "lần"),
        _extra("deferred", "(9b)", later, extra.deferred, "lần"),
        _extra("partly", "(10)", "Tin nhiều phần mới có biên nhận một phần", extra.partly),
    ]
    if extra.unexplained:
        odd = "(các dòng trong sổ mâu thuẫn nhau; tính theo trạng thái đang ghi)"
        words = f"Tin chưa giải thích được, ít nhất {odd}"
        rows.append(_extra("unexplained", "(11)", words, extra.unexplained))
    if extra.contradicted_snapshots:
        words = "Mốc chốt số liệu trước đây không khớp sổ (chẳng hạn do đồng hồ máy chủ chạy sai)"
        rows.append(_extra("contradicted_snapshots", "(12)", words, extra.contradicted_snapshots, unit="mốc"))
    return rows


def _extra(key: str, number: str, words: str, n: Cell, unit: str = "tin") -> TableRow:
    return TableRow(key, (number, words, unit, n, None))


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


def _cost(cost: Charged | None) -> list[TableRow]:
    """Rows on money, where the price is known: its contract's, set by who sends."""
    if cost is None or cost.dong is None:
        return []
    maybe = (
        f" (trong đó {count(cost.unknown_segments)} bản tin có thể đã gửi)" if cost.unknown_segments else ""
    )
    why = "Chi phí chưa gồm thuế VAT, theo đơn giá hợp đồng, không tính tin bị từ chối ngay"
    return [
        _extra("charged", "(8a)", f"Bản tin tính tiền{maybe}", cost.segments, "bản tin"),
        _extra("dong", "(8b)", why, cost.dong, "đồng"),
    ]


# ---- Forms 2 to 4


def _form_2(report: OfRun) -> ReportTable:
    on, level = first_day(report.header), report.header.receipt_level
    found: list[tuple[str | None, dict[str, Cell]]]
    if isinstance(report, CarrierReport):
        keys, drawn = standing_in("2"), TIMED
        found = [(row.code, cells(row.figures, level)) for row in report.places]
        sums = totals(report.general, level)
        title, words = "Kết quả theo địa bàn", nobody_in(report.empty)
    else:
        proved = report.statement.level
        key = received_as(proved)
        keys, drawn = ("eligible", "sent", key, "failed", "no_receipt", f"{key}_ratio"), ("sent", key)
        found = [(row.code, stated(row.counts, proved)) for row in report.places]
        whole = stated(report.statement.figures.general, proved)
        sums = {name: total(cell) if isinstance(cell, int) else cell for name, cell in whole.items()}
        title = "Kết quả theo địa bàn (doanh nghiệp báo)"
        names = ", ".join(area.name for area in report.empty)
        left_out = f" Doanh nghiệp không báo số của {len(report.empty)} địa bàn: {names}." if names else ""
        words = f"{unproved(proved)}{left_out}"
    rows = [
        TableRow(
            f"area_{n}", (str(n), code or "", by_area.named(code, on), *pick(of, keys)), aside=code is None
        )
        for n, (code, of) in enumerate(found, 1)
    ]
    if isinstance(report, CarrierReport) and (n := report.outside_areas):
        outside = pick(cells(Figures(eligible=n, excluded=n), level), keys)
        rows.append(TableRow("outside", ("", "", labels.OUTSIDE_AREAS, *outside), aside=True))
    if rows:
        rows.append(TableRow("total", ("", "", labels.TOTAL, *pick(sums, keys)), strong=True))
    first = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("code", "Mã", CellKind.TEXT, 8),
        TableColumn("name", "Huyện, thành phố" if areas.districts(on) else "Xã, phường", CellKind.TEXT, 40),
    )
    chart = TableChart(title, "name", drawn, across=True, what="địa bàn")
    return ReportTable(
        *("Biểu 2", "Biểu 2 – Kết quả theo địa bàn", first + columns(keys), tuple(rows)),
        f"{source(report)}{words}",
        chart,
    )


def nobody_in(empty: Sequence[NamedArea]) -> str:
    """List the areas of the report's day without any row; "" for none."""
    names = ", ".join(area.name for area in empty)
    return f" {len(empty)} địa bàn không có thuê bao nào trong danh sách gửi: {names}." if empty else ""


def _form_3(report: OfRun) -> ReportTable:
    counts: tuple[TableColumn, ...]
    days: list[tuple[Cell, ...]]
    sums: tuple[Cell, ...]
    if isinstance(report, CarrierReport):
        level = report.header.receipt_level
        counts = (*columns(TIMED), TableColumn("rate", "Tốc độ TB (tin/giây)", CellKind.RATE, 12))
        days = [_day(day, level) for day in report.days]
        sums = (*pick(totals(report.general, level), TIMED), None)
    else:
        named, rows = FIGURES[received_as(report.statement.level)].label, report.statement.figures.days
        counts = (
            TableColumn("sent", "Đã gửi", CellKind.COUNT, 12),
            TableColumn("received", named, CellKind.COUNT, 14),
        )
        none = labels.NOT_SAID if report.statement.level else labels.NO_RECEIPTS
        days = [
            (day_of(d.day), d.hours, d.batches, d.sent, none if d.received is None else d.received)
            for d in rows
        ]
        received = [d.received for d in rows if d.received is not None]
        sums = (total(sum(d.sent for d in rows)), total(sum(received)) if received else none)
    first = (
        TableColumn("day", "Ngày", CellKind.TEXT, 20),
        TableColumn("hours", "Khung giờ", CellKind.TEXT, 20),
        TableColumn("batches", "Số lô", CellKind.COUNT, 8),
    )
    last = TableRow("total", (labels.TOTAL, "", None, *sums), strong=True)
    every = (*(TableRow(f"day_{n}", of) for n, of in enumerate(days)), last)
    return ReportTable("Biểu 3", "Biểu 3 – Kết quả theo ngày", first + counts, every, source(report))


def _day(day: DayRow, level: int | None) -> tuple[Cell, ...]:
    name = day_of(day.day) or labels.NO_DAY
    hours = "" if day.first_ms is None else f"{moment(day.first_ms)[11:16]}–{moment(day.last_ms)[11:16]}"
    return (name, hours, day.batches, *_timed(day.figures, level), day.messages_per_second)


def _timed(f: Figures, level: int | None) -> list[Cell]:
    return pick(cells(f, level) | {"sent": f.sent}, TIMED)


def _form_4(report: OfRun) -> ReportTable:
    share: tuple[TableColumn, ...] = ()
    rows: list[tuple[str, tuple[Cell, ...]]]
    if isinstance(report, CarrierReport):
        failed, share = report.general.failed, (TableColumn("ratio", "Tỷ lệ (%)", CellKind.RATIO, 10),)
        rows = [
            (c.key, (c.label, c.n, _share(c.n, failed), _remedy(c, report.networks))) for c in report.reasons
        ]
    else:
        rows = [(c.key, (c.label, c.n, c.remedy)) for c in report.statement.figures.reasons]
        failed = sum(c.n for c in report.statement.figures.reasons)
    shown = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("name", "Nguyên nhân", CellKind.TEXT, 48),
        TableColumn("n", "Số lượng", CellKind.COUNT, 12),
        *share,
        TableColumn("remedy", "Biện pháp", CellKind.TEXT, 40),
    )
    last = TableRow("total", ("", labels.TOTAL, total(failed), *(None for _ in share), ""), strong=True)
    every = (*(TableRow(key, (str(n), *of)) for n, (key, of) in enumerate(rows, 1)), last)
    return ReportTable("Biểu 4", "Biểu 4 – Tin không đến: nguyên nhân", shown, every, source(report))


def _share(n: int, failed: int) -> Formula:
    return Formula(n / failed if failed else None, 'IF({total}=0,"",{n}/{total})')


def _remedy(cause: Cause, networks: Sequence[Cause]) -> str:
    """Name the networks to ask instead, where the carrier told who serves the numbers."""
    if cause.key != Reason.OTHER_NETWORK.name.lower() or not networks:
        return ""
    return "Thuộc mạng " + "; ".join(f"{each.label}: {count(each.n)}" for each in networks)


# ---- Beside the forms


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
