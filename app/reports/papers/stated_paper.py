"""The result report (form A) of a carrier that sends to its own subscribers, from its statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.core import areas
from app.reports.counting.stated_report import StatedReport
from app.reports.figures import labels
from app.reports.figures.numbers import count, hour
from app.reports.figures.table_model import ReportTable
from app.reports.figures.version import Version
from app.reports.forms import carrier_tables, stated_forms
from app.reports.forms.letterhead import Letterhead
from app.reports.papers import annexes
from app.reports.papers.carrier_paper import DRAFT, areas_annex, basis, rest, subject, title
from app.reports.papers.model import (
    Block,
    Heading,
    PaperDocument,
    Paragraph,
    Section,
    Signature,
    Table,
)

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
    directive, paper = report.header.directive, report.statement.paper
    form_2 = found.get("Biểu 2")
    kept = (
        *([areas_annex(form_2, form_2.source)] if form_2 else []),
        annexes.texts_annex(report.header.texts),
        *annexes.changes_annex(version, [f"Lý do đính chính: {paper.reason}"] if paper.reason else ()),
    )
    at = annexes.references(kept)
    what = carrier_tables.TITLE
    body = (
        *title(head, directive, version, report.cutoff_ms, what),
        *annexes.replaces(version, head, at),
        *_scope(report, head, at),
        *_results(report, found, at),
        *rest(paper.note),
        Signature(head.recipients, head.post, head.signer),
    )
    sections = (Section(body), *annexes.sections(kept, head, report.cutoff_ms))
    return PaperDocument(subject(directive, what), head.name, DRAFT, report.cutoff_ms, sections)


def _scope(report: StatedReport, head: Letterhead, at: Mapping[str, str]) -> Iterator[Block]:
    h, of = report.header, report.statement
    yield Heading(1, "I. CĂN CỨ VÀ PHẠM VI")
    yield basis(h, head)
    yield Paragraph(
        f"{head.name} tự gửi tin đến thuê bao của mình theo chiến dịch “{h.campaign}”, tên định danh "
        f"“{h.sender}”; không chuyển "
        f"số thuê bao cho cơ quan nào. Địa bàn được xác định theo: {_BASES[areas.Basis(report.area_basis)]}. "
        f"Toàn văn tin nhắn: {at['texts']}."
    )
    yield Paragraph(
        f"Bắt đầu gửi: {hour(of.began_ms)}; kết thúc gửi: {hour(of.ended_ms)}; doanh nghiệp chốt số "
        f"liệu: {hour(of.cutoff_ms)}. Thời điểm chốt của báo cáo này: {hour(h.cutoff_ms)}."
    )
    yield Paragraph(f"{stated_forms.finality(report)}.")
    yield Paragraph(stated_forms.source(report))


def _results(report: StatedReport, found: dict[str, ReportTable], at: Mapping[str, str]) -> Iterator[Block]:
    g = report.statement.figures.general
    received = labels.NO_RECEIPTS if g.received is None else f"{count(g.received)} tin"
    level = _lower(stated_forms.received_words(report.statement.level))
    yield Heading(1, "II. KẾT QUẢ")
    yield Heading(2, _TITLES["Biểu 1"])
    yield Paragraph(
        f"Thuộc diện gửi {count(g.eligible)} thuê bao; loại trước khi gửi {count(g.excluded)}; "
        f"đã gửi {count(g.sent)} tin; {level}: {received}."
    )
    yield Table(found["Biểu 1"], found["Biểu 1"].source)
    yield Heading(2, "2. Kết quả theo địa bàn")
    yield Paragraph(f"Biểu 2, {at['areas']}." if "areas" in at else _NOT_STATED)
    for name in ("Biểu 3", "Biểu 4"):
        yield Heading(2, _TITLES[name])
        yield Table(found[name], found[name].source) if name in found else Paragraph(_NOT_STATED)


def _lower(words: str) -> str:
    return f"{words[0].lower()}{words[1:]}"
