"""The forms of the result report (Biểu 1 to 5) with their Vietnamese words, filled from a report."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

from app.reports import labels
from app.reports.document.version import Version
from app.reports.figures import CampaignReport, CarrierReport, Cause, DayRow, Figures, Header, NamedArea, Step
from app.reports.render.count_columns import (
    COUNTS,
    LEVELS,
    counts,
    delivered,
    measured,
    part,
    relayed,
    totals,
)
from app.reports.render.numbers import NOTHING, count, moment
from app.reports.render.table_model import Cell, Chart, Column, Form, Formula, Kind, Row, ratio, total
from carriers.contract import Reason

INTERIM = "SỐ LIỆU TẠM THỜI: còn tin đang chờ gửi, chưa có biên nhận hoặc chưa rõ kết quả"
FINAL = "Số liệu cuối cùng"
STEPS = "Diễn biến"
_SERIES = ("sent", "delivered", "relayed")


def of_run(report: CarrierReport) -> tuple[Form, ...]:
    """The head, forms 1 to 4, and what happened when."""
    head = _head(report.header, report.interim, report.extra.oldest_ms)
    return head, _general(report), _areas(report), _days(report), _reasons(report), _steps(report)


def of_campaign(report: CampaignReport) -> tuple[Form, ...]:
    """Form 5, the runs side by side, and then the forms of each run."""
    return _side_by_side(report), *(form for run in report.runs for form in _named(run))


def _named(run: CarrierReport) -> list[Form]:
    head = run.header
    return [
        form._replace(
            name=f"{form.name} ({head.run_id})", title=f"{form.title} – {labels.network(head.carrier)}"
        )
        for form in of_run(run)
    ]


def _side_by_side(report: CampaignReport) -> Form:
    first = (
        Column("nth", "TT", Kind.TEXT, 5),
        Column("name", "Doanh nghiệp", Kind.TEXT, 24),
        Column("state", "Số liệu", Kind.TEXT, 12),
        Column("level", "Biên nhận", Kind.TEXT, 18),
    )
    rows = [_run_row(n, run) for n, run in enumerate(report.runs, 1)]
    title = (
        f"Biểu 5 – Tổng hợp theo doanh nghiệp: {report.campaign} (chốt số liệu {moment(report.cutoff_ms)})"
    )
    source = measured(report.receipt_level)
    if len(report.by_level) > 1:
        source = (
            "Nguồn số liệu: đo bằng biên nhận; mỗi dòng ghi mức biên nhận. Tỷ lệ chỉ tính trong cùng một mức."
        )
    if report.held:
        names = ", ".join(labels.network(carrier) for carrier in report.held)
        source += f" Chưa gồm đợt do doanh nghiệp tự gửi ({names}): xem báo cáo của đợt đó."
    return Form("Biểu 5", title, first + COUNTS, (*rows, *_sums(report)), source)


def _run_row(n: int, run: CarrierReport) -> Row:
    level = run.header.receipt_level
    first = (str(n), labels.network(run.header.carrier), _settled(run.interim), LEVELS[level])
    return Row(f"run_{n}", (*first, *counts(run.general, level)))


def _sums(report: CampaignReport) -> list[Row]:
    """All runs together, and where links prove different things, the runs of each level."""
    by_level, settled = report.by_level, _settled(report.interim)
    one = len(by_level) < 2
    first = ("", labels.TOTAL, settled, LEVELS[report.receipt_level] if one else "")
    rows = [Row("total", (*first, *totals(report.total, report.receipt_level, one)), strong=True)]
    if not one:
        for level, figures in by_level.items():
            cells = ("", part(level), "", LEVELS[level], *counts(figures, level))
            rows.append(Row(f"total_{level}", cells, strong=True))
    return rows


def _settled(interim: bool) -> str:
    return "tạm thời" if interim else "cuối cùng"


def _head(head: Header, interim: bool, oldest_ms: int | None) -> Form:
    columns = (Column("name", "Mục", Kind.TEXT, 34), Column("value", "Nội dung", Kind.TEXT, 90))
    pairs = [
        ("Tình trạng số liệu", INTERIM if interim else FINAL),
        ("Thời điểm chốt số liệu", moment(head.cutoff_ms)),
        ("Văn bản yêu cầu", head.directive or NOTHING),
        ("Chiến dịch", f"{head.campaign} (số {head.campaign_id})"),
        (
            "Doanh nghiệp",
            f"{labels.network(head.carrier)} (đợt {head.run_id}, {labels.RUN_STATES[head.run_state]})",
        ),
        ("Lô", ", ".join(str(batch) for batch in head.batches) or NOTHING),
        ("Tên định danh", head.sender),
        ("Bắt đầu gửi", moment(head.started_ms)),
        ("Kết thúc gửi", moment(head.ended_ms)),
        ("Mức biên nhận", labels.RECEIPT_LEVELS[head.receipt_level]),
        ("Tin chưa có biên nhận lâu nhất gửi lúc", moment(oldest_ms)),
    ]
    for lang, wording in sorted(head.texts.items()):
        pairs.append((f"Nội dung tin{f' ({lang})' if lang else ''}", wording))
        pairs.append(("Mã băm nội dung (SHA-256)", hashlib.sha256(wording.encode()).hexdigest()))
    rows = tuple(Row(f"head_{n}", pair) for n, pair in enumerate(pairs))
    return Form("Thông tin", "Kết quả nhắn tin tuyên truyền", columns, rows)


# ---- form 1 --------------------------------------------------------------------------------


def _general(report: CarrierReport) -> Form:
    columns = (
        Column("nth", "TT", Kind.TEXT, 6),
        Column("name", "Chỉ tiêu", Kind.TEXT, 62),
        Column("unit", "Đơn vị", Kind.TEXT, 10),
        Column("n", "Số lượng", Kind.COUNT, 14),
        Column("ratio", "Tỷ lệ so với đã gửi (%)", Kind.RATIO, 14),
    )
    rows = (*_before(report.general, report.excluded), *_outcomes(report), *_beside(report))
    source = measured(report.header.receipt_level)
    return Form("Biểu 1", "Biểu 1 – Kết quả chung", columns, rows, source)


def _before(g: Figures, causes: Iterable[Cause]) -> list[Row]:
    lines = [
        Row(f"cause_{n}", (f"(2.{n})", f"– {cause.label}", "thuê bao", cause.n, None))
        for n, cause in enumerate(causes, 1)
    ]
    excluded = Formula(g.excluded, f"SUM({{cause_1}}:{{cause_{len(lines)}}})") if lines else g.excluded
    sent = Formula(g.sent, "{eligible}-{excluded}-{waiting}")
    return [
        Row("eligible", ("(1)", "Thuê bao thuộc diện gửi", "thuê bao", g.eligible, None)),
        Row("excluded", ("(2)", "Loại trước khi gửi", "thuê bao", excluded, None)),
        *lines,
        Row("waiting", ("(2')", "Đang chờ gửi", "thuê bao", g.waiting, None)),
        Row("sent", ("(3)", "Đã gửi = (1) − (2) − (2')", "tin", sent, None), strong=True),
    ]


def _outcomes(report: CarrierReport) -> list[Row]:
    g, level = report.general, report.header.receipt_level
    named = (
        ("delivered", "(4a)", "Đã nhận (có biên nhận của máy thuê bao)"),
        ("relayed", "(4b)", "Nhà mạng đã tiếp nhận/chuyển (chưa có biên nhận của máy)"),
        ("failed", "(5)", "Không nhận được"),
        ("no_receipt", "(6a)", "Chưa có biên nhận = (3) − (4a) − (4b) − (5) − (6b)"),
        ("unknown", "(6b)", "Chưa rõ kết quả (có thể đã gửi, không gửi lại tự động)"),
    )
    rest = Formula(g.no_receipt, "{sent}-SUM({delivered}:{failed})-{unknown}")
    rows = []
    cells: dict[str, Cell] = {
        "delivered": delivered(g.delivered, level),
        "relayed": relayed(g.relayed, level),
        "no_receipt": rest,
    }
    for key, nth, name in named:
        n, cell = getattr(g, key), cells.get(key, getattr(g, key))
        share = ratio(key, "sent", None if isinstance(cell, str) or not g.sent else n / g.sent)
        rows.append(Row(key, (nth, name, "tin", cell, share)))
    written_off = (
        "",
        "– trong đó: người vận hành chốt không xử lý tiếp",
        "tin",
        report.extra.written_off,
        None,
    )
    return [*rows, Row("written_off", written_off)]


def _beside(report: CarrierReport) -> list[Row]:
    g, extra, level = report.general, report.extra, report.header.receipt_level
    resent = extra.resent if extra.resent is not None else "theo đợt"
    shares = counts(g, level)[-2:]
    received = ("(7a)", "Tỷ lệ đã nhận = (4a)/(3)", "%", None, shares[0])
    taken = ("(7b)", "Tỷ lệ nhà mạng tiếp nhận = (4b)/(3)", "%", None, shares[1])
    return [
        Row("delivered_ratio", received),
        Row("relayed_ratio", taken),
        Row("segments", ("(8)", "Tổng số bản tin quy đổi của tin đã gửi", "bản tin", g.segments, None)),
        Row("resent", ("(9a)", "Số lần gửi lại do người vận hành quyết định", "lần", resent, None)),
        Row("deferred", ("(9b)", "Số lần nhà mạng hoãn nhận (sau đó gửi tiếp)", "lần", extra.deferred, None)),
        Row("partly", ("(10)", "Tin nhiều phần mới có biên nhận một phần", "tin", extra.partly, None)),
    ]


# ---- forms 2 to 4 --------------------------------------------------------------------------


def _areas(report: CarrierReport) -> Form:
    first = (
        Column("nth", "TT", Kind.TEXT, 5),
        Column("code", "Mã", Kind.TEXT, 8),
        Column("name", "Huyện/thành phố, xã/phường", Kind.TEXT, 40),
    )
    level = report.header.receipt_level
    rows = [
        Row(
            f"area_{n}",
            (str(n), row.code or "", row.name, *counts(row.figures, level)),
            aside=row.code is None,
        )
        for n, row in enumerate(report.places, 1)
    ]
    if report.outside_areas:
        outside = Figures(eligible=report.outside_areas, excluded=report.outside_areas)
        rows.append(Row("outside", ("", "", labels.OUTSIDE_AREAS, *counts(outside, level)), aside=True))
    last = Row("total", ("", "", labels.TOTAL, *totals(report.general, level)), strong=True)
    title = "Biểu 2 – Kết quả theo địa bàn"
    chart = Chart("Kết quả theo địa bàn", "name", _SERIES, across=True, what="địa bàn")
    source = f"{measured(level)}{nobody_in(report.empty)}"
    return Form("Biểu 2", title, first + COUNTS, (*rows, last), source, chart)


def nobody_in(empty: Sequence[NamedArea]) -> str:
    """Areas of the report's day that are in no row, by name; "" for none."""
    names = ", ".join(area.name for area in empty)
    return f" {len(empty)} địa bàn không có thuê bao nào trong danh sách gửi: {names}." if empty else ""


def _days(report: CarrierReport) -> Form:
    columns = (
        Column("day", "Ngày", Kind.TEXT, 20),
        Column("hours", "Khung giờ", Kind.TEXT, 20),
        Column("batches", "Số lô", Kind.COUNT, 8),
        Column("sent", "Đã gửi", Kind.COUNT, 12),
        Column("delivered", "Đã nhận (biên nhận máy)", Kind.COUNT, 14),
        Column("relayed", "Nhà mạng đã tiếp nhận", Kind.COUNT, 14),
        Column("rate", "Tốc độ TB (tin/giây)", Kind.RATE, 12),
    )
    level = report.header.receipt_level
    rows = [Row(f"day_{n}", _day(day, level)) for n, day in enumerate(report.days)]
    sums = totals(report.general, level)[3:6]
    last = Row("total", (labels.TOTAL, "", None, *sums, None), strong=True)
    return Form("Biểu 3", "Biểu 3 – Kết quả theo ngày", columns, (*rows, last), measured(level))


def _day(day: DayRow, level: int | None) -> tuple[Cell, ...]:
    name = date.fromisoformat(day.day).strftime("%d/%m/%Y") if day.day else labels.NO_DAY
    hours = "" if day.first_ms is None else f"{moment(day.first_ms)[11:]}–{moment(day.last_ms)[11:]}"
    return (name, hours, day.batches, day.sent, *_received(day, level), day.messages_per_second)


def changes(version: Version) -> Form:
    """The differences as a table."""
    columns = (
        Column("where", "Số liệu", Kind.TEXT, 56),
        Column("before", "Bản trước", Kind.COUNT, 14),
        Column("after", "Bản này", Kind.COUNT, 14),
        Column("difference", "Chênh lệch", Kind.COUNT, 14),
    )
    rows = tuple(
        Row(f"change_{n}", (each.where, each.before, each.after, each.difference))
        for n, each in enumerate(version.changes, 1)
    )
    return Form("Thay đổi", "Số liệu thay đổi so với bản trước", columns, rows)


def _steps(report: CarrierReport) -> Form:
    columns = (
        Column("from", "Từ", Kind.TEXT, 20),
        Column("minutes", "Số phút", Kind.COUNT, 10),
        Column("sent", "Đã gửi", Kind.COUNT, 12),
        Column("delivered", "Đã nhận (biên nhận máy)", Kind.COUNT, 14),
        Column("relayed", "Nhà mạng đã tiếp nhận", Kind.COUNT, 14),
    )
    level = report.header.receipt_level
    rows = tuple(
        Row(f"step_{n}", (moment(step.start_ms)[:16], step.minutes, step.sent, *_received(step, level)))
        for n, step in enumerate(report.steps)
    )
    chart = Chart("Diễn biến gửi và nhận theo thời gian", "from", _SERIES) if rows else None
    return Form(STEPS, "Diễn biến gửi và nhận theo thời gian", columns, rows, measured(level), chart)


def _received(of: DayRow | Step, level: int | None) -> tuple[Cell, Cell]:
    return delivered(of.delivered, level), relayed(of.relayed, level)


def _reasons(report: CarrierReport) -> Form:
    columns = (
        Column("nth", "TT", Kind.TEXT, 5),
        Column("name", "Nguyên nhân", Kind.TEXT, 48),
        Column("n", "Số lượng", Kind.COUNT, 12),
        Column("ratio", "Tỷ lệ (%)", Kind.RATIO, 10),
        Column("remedy", "Biện pháp", Kind.TEXT, 40),
    )
    failed = report.general.failed
    rows = []
    for n, cause in enumerate(report.reasons, 1):
        share = Formula(cause.n / failed if failed else None, 'IF({total}=0,"",{n}/{total})')
        rows.append(Row(cause.key, (str(n), cause.label, cause.n, share, _remedy(cause, report.networks))))
    last = Row("total", ("", labels.TOTAL, total(failed), None, ""), strong=True)
    title, source = "Biểu 4 – Tin không đến: nguyên nhân", measured(report.header.receipt_level)
    return Form("Biểu 4", title, columns, (*rows, last), source)


def _remedy(cause: Cause, networks: Sequence[Cause]) -> str:
    """Where the carrier has said who serves the numbers: whom to ask instead."""
    if cause.key != Reason.OTHER_NETWORK.name.lower() or not networks:
        return ""
    return "Thuộc mạng " + "; ".join(f"{each.label}: {count(each.n)}" for each in networks)
