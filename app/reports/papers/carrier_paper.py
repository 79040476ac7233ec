"""The carrier's result report (form A), section by section, with forms 1 to 4 and annexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.core import clock
from app.reports.figures import labels
from app.reports.figures.figures import RARE, CarrierReport, Header
from app.reports.figures.numbers import NOTHING, count, hour, percent
from app.reports.figures.table_model import ReportTable, value
from app.reports.figures.version import Version
from app.reports.forms import carrier_tables, citation, layout
from app.reports.forms.citation import named_as_stored
from app.reports.forms.letterhead import Letterhead
from app.reports.papers import annexes, chart_images
from app.reports.papers.annexes import BLANK_NUMBER, Annex
from app.reports.papers.model import (
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

DRAFT = "DỰ THẢO"
DOTS = "…" * 20
_NAMED = 10  # areas without subscribers that a sentence names
SUBJECT = "Kết quả nhắn tin tuyên truyền"


def compose(report: CarrierReport, head: Letterhead, version: Version) -> PaperDocument:
    found = {form.name: form for form in carrier_tables.of_run(report)}
    areas = found["Biểu 2"]
    kept = (
        areas_annex(areas, _source(areas, report.cutoff_ms)),
        annexes.texts_annex(report.header.texts),
        *annexes.changes_annex(version),
    )
    at = annexes.references(kept)
    body = (
        *title(head, report.header.directive, version, report.cutoff_ms),
        *annexes.replaces(version, head, at),
        *_scope(report, head, at),
        *_results(report, found, at),
        *rest(),
        Signature(head.recipients, head.post, head.signer),
    )
    sections = (Section(body), *annexes.sections(kept, head, report.cutoff_ms))
    return PaperDocument(subject(report.header.directive), head.name, DRAFT, report.cutoff_ms, sections)


def areas_annex(form: ReportTable, source: str) -> Annex:
    """Return form 2 with its picture, without columns that have no number; across where it has many."""
    picture = chart_images.draw(form)
    shown, none = form.without_empty(RARE)
    words = f" Cột không có số liệu: {', '.join(none)}." if none else ""
    table = Table(shown, f"{source}{words}", size=8.5)
    blocks = (table, picture) if picture else (table,)
    wide = not layout.fits_upright(shown, table.size)
    return Annex("areas", "KẾT QUẢ THEO ĐỊA BÀN", blocks, landscape=wide)


def top(head: Letterhead, cutoff_ms: int) -> PaperHead:
    """Return the letterhead, with number and day left to the office."""
    year = clock.local(clock.from_ms(cutoff_ms)).year
    dated = f"{head.place}, ngày …… tháng …… năm {year}"
    return PaperHead(head.superior, head.agency, f"Số:{BLANK_NUMBER}/{head.symbol}", dated)


def subject(directive: str | None, what: str = SUBJECT) -> str:
    return f"{what} theo {named_as_stored(directive)}" if directive else what


def title(
    head: Letterhead, directive: str | None, version: Version, cutoff_ms: int, what: str = SUBJECT
) -> Iterator[Block]:
    """Yield the top of a carrier's report: letterhead, subject, version, addressee."""
    yield top(head, cutoff_ms)
    yield Title(
        "BÁO CÁO", subject(directive, what), (f"({version.words(cutoff_ms)})",), f"Kính gửi: {head.to}"
    )


def basis(header: Header, head: Letterhead) -> Paragraph:
    bases = [*([named_as_stored(header.directive)] if header.directive else [])]
    bases += citation.bases(header.legal_basis, head)
    return Paragraph(f"Thực hiện {'; '.join(bases)}." if bases else f"Căn cứ: {DOTS}")


def _scope(report: CarrierReport, head: Letterhead, at: Mapping[str, str]) -> Iterator[Block]:
    h = report.header
    yield Heading(1, "I. CĂN CỨ VÀ PHẠM VI")
    yield Heading(2, "1. Căn cứ")
    yield basis(h, head)
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
    yield Paragraph(_settled(report))


def _settled(report: CarrierReport) -> str:
    level = labels.RECEIPT_LEVELS[report.header.receipt_level]
    return f"{carrier_tables.finality(report)}. {level}."


def _results(report: CarrierReport, found: dict[str, ReportTable], at: Mapping[str, str]) -> Iterator[Block]:
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
    nobody = carrier_tables.nobody_in(report.empty)
    if len(report.empty) > _NAMED:  # the annex names them
        nobody = f" {len(report.empty)} địa bàn không có thuê bao nào trong danh sách gửi."
    yield Paragraph(f"Số liệu của {len(known)} địa bàn: Biểu 2, {at['areas']}.{nobody}")
    yield Heading(2, "3. Kết quả theo ngày")
    yield Table(found["Biểu 3"], _source(found["Biểu 3"], report.cutoff_ms))
    yield from _picture(found[carrier_tables.STEPS])
    yield Heading(2, "4. Tin không đến: nguyên nhân")
    yield Table(found["Biểu 4"], _source(found["Biểu 4"], report.cutoff_ms))
    yield Heading(2, "5. Vấn đề kỹ thuật khi gửi")
    yield Paragraph(_technical(report))


def _technical(report: CarrierReport) -> str:
    g, extra = report.general, report.extra
    resent = NOTHING if extra.resent is None else count(extra.resent)
    return (
        f"Số lần hoãn gửi (nhà mạng hoãn nhận hoặc tin chưa chuyển đi): {count(extra.deferred)}. "
        f"Tin chưa rõ kết quả (có thể "
        f"đã gửi, không tự gửi lại): {count(g.unknown)}. Tin gửi lại theo quyết định của người vận hành: "
        f"{resent}."
    )


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
    return f"{form.source} Số liệu chốt đến {hour(cutoff_ms)}."


def _picture(form: ReportTable) -> tuple[DocumentPicture, ...]:
    found = chart_images.draw(form)
    return (found,) if found else ()


def rest(note: str | None = None) -> Iterator[Block]:
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
