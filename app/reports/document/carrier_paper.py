"""The carrier's result report (form A), section by section, with forms 1 to 4 and annexes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from app.core import clock
from app.reports import labels
from app.reports.document import chart_images
from app.reports.document.annexes import changes_annex, texts_annex
from app.reports.document.letterhead import Letterhead
from app.reports.document.model import (
    Block,
    DocumentPicture,
    Heading,
    PaperDocument,
    PaperHead,
    Paragraph,
    Section,
    Signature,
    Style,
    Table,
    Title,
)
from app.reports.document.version import Version
from app.reports.figures import CarrierReport
from app.reports.render import carrier_tables
from app.reports.render.numbers import NOTHING, count, moment, percent
from app.reports.render.table_model import ReportTable, value

DRAFT = "DỰ THẢO"
DOTS = "…" * 20
BLANK_NUMBER = "\u00a0" * 10  # left blank for the office to number
SUBJECT = "Kết quả nhắn tin tuyên truyền phòng, chống lừa đảo trên không gian mạng"


def compose(report: CarrierReport, head: Letterhead, version: Version) -> PaperDocument:
    found = {form.name: form for form in carrier_tables.of_run(report)}
    body = (
        *_top(report, head, version),
        *_scope(report, head),
        *_results(report, found),
        *_rest(report),
        Signature(head.recipients, head.post),
    )
    areas = Section(
        (
            Title("Phụ lục 1", "KẾT QUẢ THEO ĐỊA BÀN", (_kept_with(head),)),
            Table(found["Biểu 2"], _source(found["Biểu 2"], report.cutoff_ms), size=9.5),
            *_picture(found["Biểu 2"]),
        ),
        landscape=True,
    )
    annexes = (
        texts_annex(2, report.header.texts, _kept_with(head)),
        *changes_annex(3, version, _kept_with(head)),
    )
    sections = (Section(body), areas, *annexes)
    return PaperDocument(SUBJECT, head.name, DRAFT, report.cutoff_ms, sections)


def first_day(report: CarrierReport) -> date:
    """Return the day that decides which names, laws and areas apply."""
    return clock.local(clock.from_ms(report.header.started_ms or report.cutoff_ms)).date()


def top(head: Letterhead, cutoff_ms: int) -> PaperHead:
    """Return the letterhead, with number and day left to the office."""
    year = clock.local(clock.from_ms(cutoff_ms)).year
    dated = f"{head.place}, ngày …… tháng …… năm {year}"
    return PaperHead(head.superior, head.agency, f"Số:{BLANK_NUMBER}/{head.symbol}", dated)


def _top(report: CarrierReport, head: Letterhead, version: Version) -> Iterator[Block]:
    yield top(head, report.cutoff_ms)
    directive = report.header.directive
    notes = [f"(theo {directive_name(directive)})"] if directive else []
    notes.append(f"({version.words(report.cutoff_ms)})")
    yield Title("BÁO CÁO", SUBJECT, tuple(notes), f"Kính gửi: {head.to}")


def directive_name(directive: str) -> str:
    """Format a directive's number and ISO date (in brackets) as documents name it."""
    number, _, issued = directive.partition(" (")
    day = date.fromisoformat(issued.rstrip(")")).strftime("%d/%m/%Y")
    return f"Công văn số {number} ngày {day}"


def _kept_with(head: Letterhead) -> str:
    return f"(Kèm theo Báo cáo số{BLANK_NUMBER}/{head.symbol})"


def _scope(report: CarrierReport, head: Letterhead) -> Iterator[Block]:
    h = report.header
    yield Heading(1, "I. CĂN CỨ VÀ PHẠM VI")
    yield Heading(2, "1. Căn cứ")
    bases = [*([directive_name(h.directive)] if h.directive else []), *head.bases]
    yield Paragraph(f"Thực hiện {'; '.join(bases)}." if bases else f"Căn cứ: {DOTS}")
    yield Heading(2, "2. Nội dung tin nhắn đã duyệt")
    yield Paragraph("Toàn văn, mã băm, số ký tự và số bản tin quy đổi của mỗi tin: Phụ lục 2.")
    yield Heading(2, "3. Tên định danh")
    yield Paragraph(f"Tin được gửi với tên định danh “{h.sender}”.")
    yield Heading(2, "4. Đối tượng và cách xác định địa bàn")
    basis = head.area_basis or DOTS
    yield Paragraph(
        f"Thuê bao của {head.name} thuộc chiến dịch “{h.campaign}” (số {h.campaign_id}, đợt {h.run_id}, "
        f"{len(h.batches)} lô). Địa bàn được xác định theo: {basis}."
    )
    yield Heading(2, "5. Thời gian gửi và thời điểm chốt số liệu")
    yield Paragraph(
        f"Bắt đầu gửi: {moment(h.started_ms)}; kết thúc gửi: {moment(h.ended_ms)}; tình trạng: "
        f"{labels.RUN_STATES[h.run_state]}. Thời điểm chốt số liệu: {moment(h.cutoff_ms)} (giờ Việt Nam)."
    )
    yield Paragraph(_settled(report))


def _settled(report: CarrierReport) -> str:
    level = labels.RECEIPT_LEVELS[report.header.receipt_level]
    words = carrier_tables.INTERIM if report.interim else carrier_tables.FINAL
    return f"{words[0]}{words[1:]}. Mức biên nhận: {level[0].lower()}{level[1:]}."


def _results(report: CarrierReport, found: dict[str, ReportTable]) -> Iterator[Block]:
    g = report.general
    yield Heading(1, "II. KẾT QUẢ")
    yield Heading(2, "1. Kết quả chung")
    yield Paragraph(
        f"Thuộc diện gửi {count(g.eligible)} thuê bao; loại trước khi gửi {count(g.excluded)}; đang chờ gửi "
        f"{count(g.waiting)}; đã gửi {count(g.sent)} tin, tương ứng {count(g.segments)} bản tin quy đổi. "
        f"{_received(found)}"
    )
    yield Table(found["Biểu 1"], _source(found["Biểu 1"], report.cutoff_ms))
    yield Heading(2, "2. Kết quả theo địa bàn")
    known = [place for place in report.places if place.code is not None]
    yield Paragraph(
        f"Số liệu của {len(known)} địa bàn: Biểu 2, Phụ lục 1.{carrier_tables.nobody_in(report.empty)}"
    )
    yield Heading(2, "3. Kết quả theo ngày")
    yield Table(found["Biểu 3"], _source(found["Biểu 3"], report.cutoff_ms))
    yield from _picture(found[carrier_tables.STEPS])
    yield Heading(2, "4. Tin không đến: nguyên nhân")
    yield Table(found["Biểu 4"], _source(found["Biểu 4"], report.cutoff_ms))


def _received(found: dict[str, ReportTable]) -> str:
    form = found["Biểu 1"]
    n, share = form.place("n"), form.place("ratio")
    rows = {row.key: row.cells for row in form.rows}
    parts = []
    for key, words in (("delivered", "Đã nhận (biên nhận của máy)"), ("relayed", "nhà mạng đã tiếp nhận")):
        said, ratio = value(rows[key][n]), value(rows[key][share])
        if said == NOTHING:
            continue
        if isinstance(said, str):
            parts.append(f"{words}: {said}")
        else:
            part = percent(ratio if isinstance(ratio, float) else None)
            parts.append(f"{words}: {count(int(said or 0))} tin ({part} số tin đã gửi)")
    words = "; ".join(parts)
    return f"{words[0].upper()}{words[1:]}."


def _source(form: ReportTable, cutoff_ms: int) -> str:
    return f"{form.source} Chốt lúc {moment(cutoff_ms)}."


def _picture(form: ReportTable) -> tuple[DocumentPicture, ...]:
    found = chart_images.draw(form)
    return (found,) if found else ()


def _rest(report: CarrierReport) -> Iterator[Block]:
    g, extra = report.general, report.extra
    yield Heading(1, "III. PHẢN ÁNH CỦA KHÁCH HÀNG, SỰ CỐ")
    yield Paragraph(
        f"Số lần nhà mạng hoãn nhận, sau đó gửi tiếp: {count(extra.deferred)}. Tin chưa rõ kết quả (có thể "
        f"đã gửi, không tự gửi lại): {count(g.unknown)}. Tin gửi lại theo quyết định của người vận hành: "
        f"{count(extra.resent) if extra.resent is not None else '–'}."
    )
    for title in ("", "IV. KHÓ KHĂN, VƯỚNG MẮC", "V. ĐỀ XUẤT, KIẾN NGHỊ"):
        if title:
            yield Heading(1, title)
        yield from (Paragraph("", Style.BLANK), Paragraph("", Style.BLANK))
