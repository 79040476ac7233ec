"""One page for the chairman: who was reached and what proves it, carriers, who was not, what next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import shorten

from app.core import clock
from app.reports.counting.consolidated import ConsolidatedReport
from app.reports.figures import by_area
from app.reports.figures.numbers import count, hour, percent
from app.reports.forms import citation, comparison_tables, directive_areas, subscriber_tables
from app.reports.papers.model import Block, Heading, Paragraph, Style, Table, Title

# Letters of the subject, of names in one sentence (the others are counted), and of what others did: all of
# them together, with a line for every carrier, stay one page.
_SUBJECT, _NAMES, _OTHERS, _PROPOSALS = 180, 110, 170, 240
_AREAS = 4
_SIZE = 9.0


def blocks(report: ConsolidatedReport, words: str, last: tuple[Paragraph, ...] = ()) -> Iterator[Block]:
    """Yield the page below its letterhead; words: the version and its cut-off; last: at its end."""
    yield Title("TÓM TẮT KẾT QUẢ", _topic(report.letter.subject), (f"({words})",))
    lead, *others = subscriber_tables.reached(report)
    yield Heading(2, f"{lead}.")
    yield from (Paragraph(f"{each}.") for each in others)
    table = subscriber_tables.table(report)
    if table.rows:
        yield Table(table, table.source, _SIZE)
    yield from (Paragraph(f"{each}.", Style.ITEM) for each in _sentences(report))
    due = report.letter.deadline_ms
    settled = comparison_tables.finality(report, lambda names: _listed(names, "doanh nghiệp", "Biểu 5"))
    yield Paragraph(f"{f'Hạn báo cáo: {hour(due)}. ' if due is not None else ''}{settled}.", Style.ITEM)
    yield Paragraph("Kiến nghị:", Style.ITEM)
    yield Paragraph("proposals", Style.BLANK)
    yield from last


def proposals(text: str) -> str:
    """Return the clerk's proposals as they have room on the page."""
    return shorten(text, _PROPOSALS, placeholder=" … (đủ ở mục IV của báo cáo)")


def _topic(subject: str) -> str:
    """Return the subject, shortened to some lines."""
    topic = " ".join(citation.topic(subject).split())
    topic = f"{topic[:1].upper()}{topic[1:]}"
    return topic if len(topic) <= _SUBJECT else shorten(topic, _SUBJECT, placeholder=" … (đủ ở mục I)")


def _listed(names: Sequence[str], what: str, where: str) -> str:
    """Name as many as some lines hold, and count the others."""
    shown: list[str] = []
    letters = 0
    for name in names:
        letters += len(name)
        if shown and letters > _NAMES:
            break
        shown.append(shorten(name, _NAMES, placeholder=" …"))
    left = len(names) - len(shown)
    return ", ".join(shown) + (f" và {count(left)} {what} khác ({where})" if left else "")


def _sentences(report: ConsolidatedReport) -> Iterator[str]:
    yield from subscriber_tables.unreached(report)
    if least := _least_reached(report):
        yield f"Địa bàn có tỷ lệ nhận thấp nhất: {', '.join(least)} (đủ ở Biểu 6)"
    if nobody := directive_areas.nobody(report):
        yield f"Địa bàn không có thuê bao trong danh sách nào: {_listed(nobody, 'địa bàn', 'Biểu 6')}"
    names = comparison_tables.missing(report)
    yield f"Chưa báo cáo: {_listed(names, 'đơn vị', 'đủ ở mục II.5') if names else 'không có'}"
    if report.others:
        said = comparison_tables.reported(report.others)
        yield f"Cơ quan, đơn vị khác: {shorten(said, _OTHERS, placeholder=' … (đủ ở mục II)')}"


def _least_reached(report: ConsolidatedReport) -> list[str]:
    """Name the areas with the lowest share of subscribers reached, by receipts of telephones."""
    on = clock.moment(report.cutoff_ms).date()
    rows = directive_areas.subscribers(report, report.subscribers or (), on).items()
    known = [(row["reached"], row["addressed"], code) for code, row in rows if code and row.get("addressed")]
    known.sort(key=lambda row: (row[0] / row[1], -row[1], row[2]))
    return [
        f"{by_area.named(code, on)} {count(n)}/{count(whole)} ({percent(n / whole)})"
        for n, whole, code in known[:_AREAS]
    ]
