"""The result report of a carrier (form A), measured or as it states it, with forms 1 to 4 and annexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.core import areas, clock
from app.reports.counting.stated_report import StatedReport
from app.reports.figures import labels
from app.reports.figures.carrier_statement import received_as
from app.reports.figures.figures import FIGURES, RARE, CarrierReport, Header
from app.reports.figures.numbers import NOTHING, count, hour, percent
from app.reports.figures.table_model import ReportTable, value
from app.reports.figures.version import Version
from app.reports.forms import carrier_tables, citation, layout
from app.reports.forms.carrier_tables import OfRun
from app.reports.forms.citation import named_as_stored
from app.reports.forms.letterhead import Letterhead
from app.reports.papers import annexes, chart_images
from app.reports.papers.annexes import BLANK_NUMBER, Annex
from app.reports.papers.model import (
    Block,
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

DRAFT = "DỰ THẢO"
DOTS = "…" * 20
_NAMED = 10  # areas without subscribers that a sentence names
_NOT_STATED = "Doanh nghiệp không báo số liệu này."
_BASES = {
    areas.Basis.REGISTERED: "địa chỉ đăng ký của thuê bao",
    areas.Basis.SERVING: "trạm phục vụ thuê bao",
    areas.Basis.UNDIVIDED: "không phân địa bàn",
}


def compose(report: OfRun, head: Letterhead, version: Version) -> PaperDocument:
    found = {form.name: form for form in carrier_tables.of_run(report)}
    directive, cutoff_ms, note, reasons = report.header.directive, report.cutoff_ms, None, list[str]()
    if isinstance(report, StatedReport):
        paper = report.statement.paper
        note, reasons = paper.note, [f"Lý do đính chính: {paper.reason}"] if paper.reason else []
    else:
        counted = f" Số liệu chốt đến {hour(cutoff_ms)}."
        found = {name: form._replace(source=f"{form.source}{counted}") for name, form in found.items()}
    form_2 = found.get("Biểu 2")
    kept = (
        *([_areas_annex(form_2)] if form_2 else []),
        annexes.texts_annex(_texts(report.header.texts)),
        *annexes.changes_annex(version, reasons),
    )
    at = annexes.references(kept)
    body = (
        top(head, cutoff_ms),
        Title("BÁO CÁO", subject(directive), (f"({version.words(cutoff_ms)})",), f"Kính gửi: {head.to}"),
        *annexes.replaces(version, head, at),
        Heading(1, "I. CĂN CỨ VÀ PHẠM VI"),
        *_scope(report, head, at),
        *_results(report, found, at),
        *_rest(note),
        Signature(head.recipients, head.post, head.signer),
    )
    sections = (Section(body), *annexes.sections(kept, head, cutoff_ms))
    return PaperDocument(subject(directive), head.name, DRAFT, cutoff_ms, sections)


def _texts(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Return each wording with its languages."""
    found: dict[str, list[str]] = {}
    for lang, wording in texts.items():
        found.setdefault(wording, []).append(lang)
    return found


def _areas_annex(form: ReportTable) -> Annex:
    """Return form 2 with its picture, without columns that have no number; across where it has many."""
    picture = chart_images.draw(form)
    shown, none = form.without_empty(RARE)
    words = f" Cột không có số liệu: {', '.join(none)}." if none else ""
    table = Table(shown, f"{form.source}{words}", size=8.5, below_picture=picture is not None)
    blocks = (picture, table) if picture else (table,)
    wide = not layout.fits_upright(shown, table.size)
    return Annex("areas", "KẾT QUẢ THEO ĐỊA BÀN", blocks, landscape=wide)


def top(head: Letterhead, cutoff_ms: int) -> PaperHead:
    """Return the letterhead, with number and day left to the office."""
    year = clock.moment(cutoff_ms).year
    dated = f"{head.place}, ngày …… tháng …… năm {year}"
    return PaperHead(head.superior, head.agency, f"Số:{BLANK_NUMBER}/{head.symbol}", dated)


def subject(directive: str | None) -> str:
    return f"{carrier_tables.TITLE} theo {named_as_stored(directive)}" if directive else carrier_tables.TITLE


def _basis(header: Header, head: Letterhead) -> Paragraph:
    bases = [*([named_as_stored(header.directive)] if header.directive else [])]
    bases += citation.bases(header.legal_basis, head)
    return Paragraph(f"Thực hiện {'; '.join(bases)}." if bases else f"Căn cứ: {DOTS}")


def _scope(report: OfRun, head: Letterhead, at: Mapping[str, str]) -> Iterator[Block]:
    if isinstance(report, StatedReport):
        yield from _stated_scope(report, head, at)
    else:
        yield from _measured_scope(report, head, at)


def _stated_scope(report: StatedReport, head: Letterhead, at: Mapping[str, str]) -> Iterator[Block]:
    h, of = report.header, report.statement
    yield _basis(h, head)
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
    yield Paragraph(f"{carrier_tables.finality(report)}.")
    yield Paragraph(carrier_tables.source(report))


def _measured_scope(report: CarrierReport, head: Letterhead, at: Mapping[str, str]) -> Iterator[Block]:
    h = report.header
    yield Heading(2, "1. Căn cứ")
    yield _basis(h, head)
    yield Heading(2, "2. Nội dung tin nhắn đã duyệt, tên định danh")
    yield Paragraph(
        f"Tin được gửi với tên định danh “{h.sender}”. Toàn văn, mã băm, số ký tự và số bản tin quy đổi của "
        f"mỗi tin: {at['texts']}."
    )
    yield Heading(2, "3. Đối tượng và cách xác định địa bàn")
    yield Paragraph(
        f"Thuê bao của {head.name} thuộc chiến dịch “{h.campaign}”. "
        f"Địa bàn được xác định theo: {head.area_basis or DOTS}."
    )
    yield Heading(2, "4. Thời gian gửi và thời điểm chốt số liệu")
    yield Paragraph(
        f"Bắt đầu gửi: {hour(report.began_ms)}; kết thúc gửi: {hour(h.ended_ms)}; tình trạng: "
        f"{labels.RUN_STATES[h.run_state]}. Thời điểm chốt số liệu: {hour(h.cutoff_ms)}."
    )
    proved = f"{labels.RECEIPT_LEVELS[h.receipt_level]}."
    if h.handset_by is not None:
        proved += f" {labels.HANDSET_BY}{' ' if h.handset_by else ': '}{labels.vouched(h.handset_by)}."
    yield Paragraph(f"{carrier_tables.finality(report)}. {proved}")


def _results(report: OfRun, tables: dict[str, ReportTable], at: Mapping[str, str]) -> Iterator[Block]:
    yield Heading(1, "II. KẾT QUẢ")
    yield Heading(2, "1. Kết quả chung")
    if isinstance(report, StatedReport):
        of, level = report.statement.figures.general, report.statement.level
        received = labels.NO_RECEIPTS if of.received is None else f"{count(of.received)} tin"
        n, excluded = of.eligible, of.excluded
        said = f"đã gửi {count(of.sent)} tin; {FIGURES[received_as(level)].words}: {received}."
    else:
        g = report.general
        n, excluded = g.eligible, g.excluded
        said = (
            f"đang chờ gửi {count(g.waiting)}; đã gửi {count(g.sent)} tin, tương ứng {count(g.segments)} "
            "bản tin "
            f"quy đổi. {_received(tables['Biểu 1'])}"
        )
    before = f"Thuộc diện gửi {count(n)} thuê bao; loại trước khi gửi {count(excluded)}"
    yield Paragraph(f"{before}; {said}")
    yield Table(tables["Biểu 1"], tables["Biểu 1"].source)
    yield Heading(2, "2. Kết quả theo địa bàn")
    yield Paragraph(_by_area(report, at))
    for name, title in (("Biểu 3", "3. Kết quả theo ngày"), ("Biểu 4", "4. Tin không đến: nguyên nhân")):
        yield Heading(2, title)
        yield Table(tables[name], tables[name].source) if name in tables else Paragraph(_NOT_STATED)
        if name == "Biểu 3" and carrier_tables.STEPS in tables:
            yield from chart_images.draw_all(tables[carrier_tables.STEPS])
    if isinstance(report, CarrierReport):
        again = NOTHING if report.extra.resent is None else count(report.extra.resent)
        yield Heading(2, "5. Vấn đề kỹ thuật khi gửi")
        yield Paragraph(
            "Số lần hoãn gửi (nhà mạng hoãn nhận hoặc tin chưa chuyển đi): "
            f"{count(report.extra.deferred)}. Tin "
            f"chưa rõ kết quả (có thể đã gửi, không tự gửi lại): {count(report.general.unknown)}. Tin "
            "gửi lại "
            f"theo quyết định của người vận hành: {again}."
        )


def _by_area(report: OfRun, at: Mapping[str, str]) -> str:
    if "areas" not in at:
        return _NOT_STATED
    if isinstance(report, StatedReport):
        return f"Biểu 2, {at['areas']}."
    known = [place for place in report.places if place.code is not None]
    nobody = carrier_tables.nobody_in(report.empty)
    if len(report.empty) > _NAMED:  # the annex names them
        nobody = f" {len(report.empty)} địa bàn không có thuê bao nào trong danh sách gửi."
    return f"Số liệu của {len(known)} địa bàn: Biểu 2, {at['areas']}.{nobody}"


def _received(form: ReportTable) -> str:
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


def _rest(note: str | None) -> Iterator[Block]:
    """Yield what only people can say, with the carrier's own note if it gave one."""
    yield Heading(1, "III. PHẢN ÁNH CỦA KHÁCH HÀNG, SỰ CỐ, KHÓ KHĂN")
    if note:
        yield Paragraph(note)
    else:
        yield from blank("difficulties")
    yield Heading(1, "IV. ĐỀ XUẤT, KIẾN NGHỊ")
    yield from blank("proposals")


def blank(key: str) -> tuple[Paragraph, Paragraph]:
    """Return dotted lines for what only people can say; `key` names it when the paper is issued."""
    return Paragraph(key, Style.BLANK), Paragraph("", Style.BLANK)
