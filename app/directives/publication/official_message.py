"""The kit's official letter to units that publish the text, as a draft to number and sign."""

from __future__ import annotations

from collections.abc import Iterator

from app.core import clock
from app.directives.publication import form_words as words
from app.directives.publication.kit_source import KitSource
from app.directives.publication.plain_texts import day
from app.reports.forms.citation import named_as_stored
from app.reports.papers.annexes import BLANK_NUMBER
from app.reports.papers.carrier_paper import DRAFT
from app.reports.papers.model import (
    Block,
    PaperDocument,
    PaperHead,
    Paragraph,
    Section,
    Signature,
    Style,
    Title,
)

_ABOUT = f"V/v {words.LETTER_SUBJECT}"


def compose(of: KitSource) -> PaperDocument:
    """Compose the document; number, day and signature are left blank."""
    at = clock.to_ms(of.approved_at)
    return PaperDocument(_ABOUT, of.head.name, DRAFT, at, (Section(tuple(_blocks(of))),))


def _blocks(of: KitSource) -> Iterator[Block]:
    head = of.head
    dated = f"{head.place}, ngày …… tháng …… năm {of.approved_at.year}"
    number = f"Số:{BLANK_NUMBER}/{head.symbol.removeprefix('BC-')}"
    yield PaperHead(head.superior, head.agency, number, dated, _ABOUT)
    yield Title("", "", (), f"Kính gửi: {words.LETTER_TO}")
    under = f"{words.LETTER_UNDER} {named_as_stored(of.directive)}, " if of.directive else ""
    yield Paragraph(f"{under}{head.name} {words.LETTER_ASK}")
    yield Paragraph(of.original, Style.QUOTED)
    for code, text in of.sent.items():
        if code:
            yield Paragraph(f"{words.LANGUAGE} {code}:")
            yield Paragraph(text, Style.QUOTED)
    if of.verify:
        yield Paragraph(f"{words.VERIFY} {of.verify}")
    yield Paragraph(words.LETTER_REPORT)
    yield Paragraph(f"{words.APPROVED} {day(of.approved_at)}. {words.DIGEST} {of.digest}", Style.NOTE)
    yield Signature(head.recipients, head.post, head.signer)
