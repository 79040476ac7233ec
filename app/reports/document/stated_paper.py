"""The result report (form A) of a carrier that sends to its own subscribers, from its statement."""

from __future__ import annotations

from collections.abc import Iterator

from app.core import areas
from app.reports import labels
from app.reports.document import chart_images
from app.reports.document.annexes import changes_annex, texts_annex
from app.reports.document.carrier_paper import BLANK_NUMBER, DOTS, DRAFT, SUBJECT, directive_name, top
from app.reports.document.letterhead import Letterhead
from app.reports.document.model import (
    Block,
    Heading,
    PaperDocument,
    Paragraph,
    Section,
    Signature,
    Style,
    Table,
    Title,
)
from app.reports.document.version import Version
from app.reports.render import stated_forms
from app.reports.render.numbers import count, moment
from app.reports.render.table_model import ReportTable
from app.reports.stated_report import StatedReport

_TITLES = {
    "Biểu 1": "1. Kết quả chung",
    "Biểu 3": "3. Kết quả theo ngày",
    "Biểu 4": "4. Tin không đến: nguyên nhân",
}
_NOT_STATED = "Doanh nghiệp không báo số liệu này."
_BASES = {
    areas.Basis.REGISTERED: "địa chỉ đăng ký của thuê bao",
    areas.Basis.SERVING: "trạm phục vụ thuê bao",
    areas.Basis.UNDIVIDED: "không phân địa bàn",
}


def compose(report: StatedReport, head: Letterhead, version: Version) -> PaperDocument:
    found = {form.name: form for form in stated_forms.of_run(report)}
    kept_with = f"(Kèm theo Báo cáo số{BLANK_NUMBER}/{head.symbol})"
    body = (
        *_top(report, head, version),
        *_scope(report, head),
        *_results(report, found),
        *_rest(report),
        Signature(head.recipients, head.post),
    )
    sections = [Section(body)]
    if "Biểu 2" in found:
        sections.append(_areas(found["Biểu 2"], kept_with))
    sections.append(texts_annex(len(sections), report.header.texts, kept_with))
    sections += changes_annex(len(sections), version, kept_with)
    return PaperDocument(SUBJECT, head.name, DRAFT, report.cutoff_ms, tuple(sections))


def _top(report: StatedReport, head: Letterhead, version: Version) -> Iterator[Block]:
    yield top(head, report.cutoff_ms)
    directive = report.header.directive
    notes = [f"(theo {directive_name(directive)})"] if directive else []
    notes.append(f"({version.words(report.cutoff_ms)})")
    yield Title("BÁO CÁO", SUBJECT, tuple(notes), f"Kính gửi: {head.to}")


def _scope(report: StatedReport, head: Letterhead) -> Iterator[Block]:
    h, of = report.header, report.statement
    yield Heading(1, "I. CĂN CỨ VÀ PHẠM VI")
    bases = [*([directive_name(h.directive)] if h.directive else []), *head.bases]
    yield Paragraph(f"Thực hiện {'; '.join(bases)}." if bases else f"Căn cứ: {DOTS}")
    yield Paragraph(
        f"{head.name} tự gửi tin đến thuê bao của mình theo chiến dịch “{h.campaign}” (số {h.campaign_id}, "
        f"đợt {h.run_id}), tên định danh “{h.sender}”; không chuyển số thuê bao cho cơ quan nào. Địa bàn "
        f"được xác định theo: {_BASES[areas.Basis(report.area_basis)]}."
    )
    yield Paragraph(
        f"Bắt đầu gửi: {moment(of.began_ms)}; kết thúc gửi: {moment(of.ended_ms)}; doanh nghiệp chốt số "
        f"liệu: {moment(of.cutoff_ms)}. Thời điểm chốt của báo cáo này: {moment(h.cutoff_ms)} (giờ Việt Nam)."
    )
    yield Paragraph(f"{stated_forms.settled(report)}.")
    yield Paragraph(stated_forms.source(report))


def _results(report: StatedReport, found: dict[str, ReportTable]) -> Iterator[Block]:
    g = report.statement.figures.general
    received = labels.NO_RECEIPTS if g.received is None else f"{count(g.received)} tin"
    yield Heading(1, "II. KẾT QUẢ")
    yield Heading(2, _TITLES["Biểu 1"])
    yield Paragraph(
        f"Thuộc diện gửi {count(g.eligible)} thuê bao; loại trước khi gửi {count(g.excluded)}; đã gửi "
        f"{count(g.sent)} tin; {_lower(stated_forms.received_words(report.statement.level))}: {received}."
    )
    yield Table(found["Biểu 1"], found["Biểu 1"].source)
    yield Heading(2, "2. Kết quả theo địa bàn")
    yield Paragraph("Biểu 2, Phụ lục 1." if "Biểu 2" in found else _NOT_STATED)
    for name in ("Biểu 3", "Biểu 4"):
        yield Heading(2, _TITLES[name])
        yield Table(found[name], found[name].source) if name in found else Paragraph(_NOT_STATED)


def _lower(words: str) -> str:
    return f"{words[0].lower()}{words[1:]}"


def _areas(form: ReportTable, kept_with: str) -> Section:
    blocks: list[Block] = [Title("Phụ lục 1", "KẾT QUẢ THEO ĐỊA BÀN", (kept_with,))]
    blocks.append(Table(form, form.source, size=9.5))
    picture = chart_images.draw(form)
    return Section((*blocks, picture) if picture else tuple(blocks), landscape=True)


def _rest(report: StatedReport) -> Iterator[Block]:
    yield Heading(1, "III. PHẢN ÁNH CỦA KHÁCH HÀNG, SỰ CỐ, KHÓ KHĂN")
    note = report.statement.paper.note
    yield Paragraph(note) if note else Paragraph("", Style.BLANK)
    yield Heading(1, "IV. ĐỀ XUẤT, KIẾN NGHỊ")
    yield from (Paragraph("", Style.BLANK), Paragraph("", Style.BLANK))
