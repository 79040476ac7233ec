"""The consolidated report (form B): carriers by form 5, other addressees, who has not reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date

from app.core import clock
from app.core.areas import fold
from app.core.phone import HOLDERS, network
from app.reports.counting.consolidated import ConsolidatedReport
from app.reports.figures.addressees import AddresseeKind
from app.reports.figures.carrier_statement import FigureSource
from app.reports.figures.numbers import count, hour, percent
from app.reports.figures.table_model import ReportTable
from app.reports.figures.version import Version
from app.reports.forms import citation, comparison_tables, directive_areas, layout, subscriber_tables
from app.reports.forms.letterhead import Letterhead
from app.reports.papers import annexes, chairman_page, chart_images
from app.reports.papers.annexes import Annex
from app.reports.papers.carrier_paper import DRAFT, blank, top
from app.reports.papers.model import (
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
from app.telephone_panel.judgement import Judgement, Verdict

_PRESS, _BANKS = (AddresseeKind.PRESS,), (AddresseeKind.BANK,)
_BODIES = (AddresseeKind.DEPARTMENT, AddresseeKind.LOCALITY, AddresseeKind.UNION, AddresseeKind.OTHER)


_SAID = {
    FigureSource.STATED: "Theo số liệu doanh nghiệp báo",
    FigureSource.MANUAL: "Theo số liệu nhập từ báo cáo giấy của doanh nghiệp",
}


def compose(report: ConsolidatedReport, head: Letterhead, version: Version) -> PaperDocument:
    form_5, channels, others = comparison_tables.of_directive(report)
    areas = directive_areas.of_directive(report)
    kept = (
        _carriers(report, form_5),
        _units(others),
        annexes.texts_annex(_texts(report)),
        *_areas(areas),
        *annexes.changes_annex(version, _reasons(report, version)),
        *annexes.earlier_round(version),
    )
    at = annexes.references(kept)
    body = (
        *_top(report, head, version),
        *annexes.replaces(version, head, at),
        *_directions(report, head),
        *_results(report, channels, at),
        *_judgement(),
        Signature(head.recipients, head.post, head.signer),
    )
    sections = (Section(body), *annexes.sections(kept, head, report.cutoff_ms))
    return PaperDocument(_subject(report), head.name, DRAFT, report.cutoff_ms, sections)


def summary(report: ConsolidatedReport, head: Letterhead, version: Version) -> PaperDocument:
    """Return the chairman's page, a paper of its own."""
    last = annexes.code_line(version.printed)
    page = chairman_page.blocks(report, version.words(report.cutoff_ms), last)
    section = Section((top(head, report.cutoff_ms), *page))
    return PaperDocument(f"Tóm tắt: {_subject(report)}", head.name, DRAFT, report.cutoff_ms, (section,))


def _subject(report: ConsolidatedReport) -> str:
    return f"Tổng hợp kết quả {citation.topic(report.letter.subject)}"


def _reasons(report: ConsolidatedReport, version: Version) -> Iterator[str]:
    """Yield why carriers and addressees corrected what they had reported before the version before."""
    since = version.since[1] if version.since else 0
    papers = [
        (comparison_tables.carrier_name(x.carrier), x.statement.paper) for x in report.lines if x.statement
    ]
    papers += [(each.addressee.name, each.report.paper) for each in report.others if each.report]
    for name, paper in papers:
        if paper.reason and paper.at_ms > since:
            yield f"Lý do đính chính của {name}: {paper.reason}"


def first_day(report: ConsolidatedReport) -> date:
    """Return the day for names and legal bases: the first start of a run, else the directive's."""
    started = [ms for line in report.lines if (ms := line.report.header.started_ms) is not None]
    return clock.moment(min(started)).date() if started else report.letter.issued_on


def _top(report: ConsolidatedReport, head: Letterhead, version: Version) -> Iterator[Block]:
    yield top(head, report.cutoff_ms)
    notes = (f"({version.words(report.cutoff_ms)})",)
    yield Title("BÁO CÁO", _subject(report), notes, f"Kính gửi: {head.to}")


def _directions(report: ConsolidatedReport, head: Letterhead) -> Iterator[Block]:
    yield Heading(1, "I. CÔNG TÁC CHỈ ĐẠO, TRIỂN KHAI")
    yield Paragraph(_basis(report, head))
    letter = report.letter
    due = f"Hạn báo cáo: {hour(letter.deadline_ms)}. " if letter.deadline_ms is not None else ""
    yield Paragraph(f"{due}Thời điểm chốt số liệu: {hour(report.cutoff_ms)}.")
    yield Paragraph(f"{comparison_tables.finality(report)}.")


def _uncovered(report: ConsolidatedReport) -> Iterator[Block]:
    """Name the carriers whose subscribers nobody was asked to write to."""
    without = HOLDERS - {line.carrier for line in report.lines}
    names = sorted(map(network, without), key=fold)
    if names:
        yield Paragraph(f"Chưa bao gồm thuê bao của các mạng không có đợt gửi: {', '.join(names)}.")


def _basis(report: ConsolidatedReport, head: Letterhead) -> str:
    """An agency issues its own directive and carries out another's."""
    letter = report.letter
    bases = "; ".join(citation.bases(letter.legal_basis, head))
    if citation.is_own(letter.number, letter.issuer, head):
        own = citation.named(letter.number, letter.issued_on, subject=letter.subject)
        return f"{f'Thực hiện {bases}, ' if bases else ''}{head.name} đã ban hành {own}."
    named = citation.named(letter.number, letter.issued_on, letter.issuer, letter.subject)
    return f"Thực hiện {f'{bases}; ' if bases else ''}{named}, {head.name} báo cáo kết quả như sau."


def _results(report: ConsolidatedReport, channels: ReportTable, at: Mapping[str, str]) -> Iterator[Block]:
    yield Heading(1, "II. KẾT QUẢ")
    yield Heading(2, "1. Sở, ngành, địa phương, đoàn thể")
    yield _reported(report, _BODIES, f" Tình hình báo cáo của từng đơn vị: {at['units']}.")
    yield Heading(2, "2. Báo, đài")
    yield _reported(report, _PRESS)
    yield Heading(2, "3. Doanh nghiệp viễn thông")
    yield from (Paragraph(words) for words in _carriers_in_words(report, at))
    if report.lines:
        table = subscriber_tables.table(report)
        yield Table(table, table.source, size=10)
        yield from _uncovered(report)
    yield from _unexplained(report)
    yield from _panel(report)
    yield Heading(2, "4. Ngân hàng")
    yield _reported(report, _BANKS)
    yield Heading(2, "5. Đơn vị chưa báo cáo")
    yield from _missing(report)
    if channels.rows:
        yield Heading(2, "6. Tổng hợp các mục 1, 2 và 4 theo hình thức tuyên truyền")
        yield Table(channels, channels.source)


def _unexplained(report: ConsolidatedReport) -> Iterator[Block]:
    for line in report.lines:
        if n := line.report.extra.unexplained:
            name = comparison_tables.carrier_name(line.carrier)
            yield Paragraph(
                f"{name}, mã đợt {line.run_id} trong Loa: có ít nhất {count(n)} tin chưa giải thích được "
                "(các dòng trong sổ mâu thuẫn nhau); số liệu tính theo trạng thái đang ghi."
            )
        if n := line.report.extra.contradicted_snapshots:
            name = comparison_tables.carrier_name(line.carrier)
            yield Paragraph(
                f"{name}, mã đợt {line.run_id} trong Loa: {count(n)} mốc chốt số liệu trước đây "
                "không khớp sổ (chẳng hạn do đồng hồ máy chủ chạy sai); "
                "số liệu của báo cáo này tính theo sổ hiện tại."
            )


def _panel(report: ConsolidatedReport) -> Iterator[Block]:
    """Yield what test telephones say of each claim, as a note; it changes no figure."""
    for line in report.lines:
        if line.panel is not None:
            name = comparison_tables.carrier_name(line.carrier)
            words = _panel_words(line.panel)
            yield Paragraph(f"Kiểm chứng bằng máy thử, {name} (mã đợt {line.run_id} trong Loa): {words}")


def _panel_words(panel: Judgement) -> str:
    n = count(panel.answered)
    if panel.verdict == Verdict.REFUTED:
        return (
            f"bác bỏ số liệu đã nhận; {count(panel.not_received)} trên {n} máy không nhận được tin, "
            f"tỷ lệ tin đến được cao nhất là {percent(panel.limit)} (mức tin cậy 95%)."
        )
    if panel.verdict == Verdict.NO_CLAIM:
        return f"biên nhận không chứng minh tin đến máy, nên không có số liệu để bác bỏ ({n} máy)."
    return f"chưa bác bỏ ({n} máy)."


def _reported(report: ConsolidatedReport, kinds: tuple[AddresseeKind, ...], more: str = "") -> Paragraph:
    asked = [each for each in report.others if each.addressee.kind in kinds]
    if not asked:
        return Paragraph(f"Văn bản không nêu đơn vị nào thuộc nhóm này.{more}")
    return Paragraph(f"{comparison_tables.reported(asked)}.{more}")


def _carriers_in_words(report: ConsolidatedReport, at: Mapping[str, str]) -> Iterator[str]:
    """Yield one sentence per source of figures; sources are never added up."""
    measured = report.of(FigureSource.MEASURED)
    yield from (f"{each}." for each in subscriber_tables.reached(report) if report.lines)
    yield from (f"{each}." for each in subscriber_tables.unreached(report))
    if none := subscriber_tables.unproved(report):
        yield f"{none}."
    if measured:
        sent = sum(line.report.general.sent for line in measured)
        segments = sum(line.report.general.segments for line in measured)
        levels = map(comparison_tables.level, measured)
        said = "số đo bằng biên nhận" if all(levels) else "số đo, có đợt không có biên nhận"
        yield (
            f"Theo {said} ({count(len(measured))} đợt gửi): đã gửi {count(sent)} tin, "
            f"{count(segments)} bản tin quy đổi."
        )
    for kind in (FigureSource.STATED, FigureSource.MANUAL):
        lines = [line for line in report.of(kind) if line.statement]
        if lines:
            sent = sum(line.statement.figures.general.sent for line in lines if line.statement)
            yield f"{_SAID[kind]} ({count(len(lines))} đợt gửi): đã gửi {count(sent)} tin."
    if not report.lines:
        yield "Chưa có đợt gửi nào theo văn bản này."
    areas = f"; theo địa bàn: {directive_areas.NAME}, {at['areas']}" if "areas" in at else ""
    beside = f"; so sánh với đợt trước: {at['earlier']}" if "earlier" in at else ""
    yield f"Chi tiết: Biểu 5, {at['carriers']}{areas}; toàn văn tin nhắn: {at['texts']}{beside}."


def _missing(report: ConsolidatedReport) -> Iterator[Block]:
    names = comparison_tables.missing(report)
    if not names:
        yield Paragraph("Không có.")
    for name in names:
        yield Paragraph(f"{name};" if name is not names[-1] else f"{name}.", Style.ITEM)


def _judgement() -> Iterator[Block]:
    yield Heading(1, "III. ĐÁNH GIÁ")
    for title, key in (("1. Ưu điểm", "strengths"), ("2. Hạn chế, nguyên nhân", "shortcomings")):
        yield Heading(2, title)
        yield from blank(key)
    yield Heading(1, "IV. PHƯƠNG HƯỚNG, KIẾN NGHỊ")
    yield from blank("proposals")


def _carriers(report: ConsolidatedReport, form: ReportTable) -> Annex:
    source = f"{form.source} Số liệu chốt đến {hour(report.cutoff_ms)}."
    pictures = chart_images.draw_all(form)
    blocks: tuple[Block, ...] = (*pictures, Table(form, source, size=8.5, below_picture=bool(pictures)))
    blocks += tuple(Table(each, each.source, size=10) for each in comparison_tables.cost(report))
    return Annex("carriers", "KẾT QUẢ CỦA DOANH NGHIỆP VIỄN THÔNG", blocks, landscape=True)


def _units(form: ReportTable) -> Annex:
    none = Paragraph("Văn bản không nêu cơ quan, đơn vị nào khác.")
    blocks: tuple[Block, ...] = (Table(form, form.source, size=10) if form.rows else none,)
    title = "TÌNH HÌNH BÁO CÁO CỦA CÁC CƠ QUAN, ĐƠN VỊ"
    return Annex("units", title, blocks, landscape=bool(form.rows))


def _areas(form: ReportTable) -> tuple[Annex, ...]:
    """Return form 6, across where it has many columns; nothing without figures by area."""
    blocks = (Table(form, form.source, size=8.5),)
    wide = not layout.fits_upright(form, 8.5)
    found = Annex("areas", "KẾT QUẢ THEO ĐỊA BÀN CỦA CÁC DOANH NGHIỆP", blocks, landscape=wide)
    return (found,) if form.rows else ()


def _texts(report: ConsolidatedReport) -> dict[str, list[str]]:
    """Return each wording with the campaigns that sent it; those of one name have their numbers too."""
    campaigns = {line.campaign_id: line.campaign for line in report.lines}
    times = Counter(campaigns.values())
    found: dict[str, list[str]] = {}
    for line in report.lines:
        number = f" (số {line.campaign_id})" if times[line.campaign] > 1 else ""
        for lang, wording in line.report.header.texts.items():
            name = f"chiến dịch “{line.campaign}”{number}{f', {lang}' if lang else ''}"
            found.setdefault(wording, []).append(name)
    return found
