"""Fill a draft's blanks: number, day, signer, and what only people can say; the mark goes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from itertools import pairwise
from typing import Protocol

from app.core import words
from app.core.errors import Conflict, Invalid
from app.reports.forms.letterhead import Letterhead
from app.reports.papers.annexes import BLANK_NUMBER
from app.reports.papers.model import Block, PaperDocument, PaperHead, Paragraph, Signature, Style, Title

NOTHING_TO_SAY = "Không có."
_END = "./."
# Keys of what only people can say, by the kind of report.
REMARKS = {"run": ("difficulties", "proposals"), "directive": ("strengths", "shortcomings", "proposals")}
REMARK_KEYS = tuple(dict.fromkeys(key for keys in REMARKS.values() for key in keys))
# Letters that an agency's document system takes for a name (Decree 30/2020/NĐ-CP, annex VI), and for remarks.
SIGNER_LENGTH, REMARK_LENGTH = 100, 5000
_NUMBER = re.compile(r"[0-9][0-9A-Za-zĐđ.-]{0,29}")
_BLANK_DAY = re.compile(r"ngày …… tháng …… năm (\d{4}|……)")
_DOTS = re.compile(r"……|\.{4}")
_DOTS_LEFT = "The document still has blanks to fill in: “{left}”. Complete the letterhead (LOA_LETTERHEADS)."
_REPLACES = "Báo cáo này thay thế"


@dataclass(frozen=True, slots=True)
class Issue:
    """What the office enters. number: before the slash, such as 125; remarks: by key of a blank paragraph.

    compare_with: a frozen report of an earlier directive, for an annex.
    """

    number: str
    dated_on: date
    signer: str
    remarks: Mapping[str, str] = field(default_factory=dict)
    compare_with: int | None = None


def require(issue: Issue) -> None:
    """Raise Invalid for what can't stand on a signed paper."""
    if not _NUMBER.fullmatch(issue.number):
        raise Invalid(
            "The number must be the digits and letters before the slash, for example 125.", field="number"
        )
    if not words.is_plain(issue.signer):
        raise Invalid("The signer must be a single line of text without control characters.", field="signer")
    if not words.has_letters(issue.signer):
        raise Invalid("Enter the rank and name of the signer.", field="signer")
    if len(issue.signer.strip()) > SIGNER_LENGTH:
        raise Invalid(
            "Rank and name must have at most {most} characters.", most=SIGNER_LENGTH, field="signer"
        )
    for key, said in issue.remarks.items():
        if not words.is_plain(said, "\n\r\t"):
            raise Invalid("Remarks must be plain text without control characters.", field=key)
        if len(said) > REMARK_LENGTH:
            raise Invalid("A remark must have at most {most} characters.", most=REMARK_LENGTH, field=key)


@dataclass(frozen=True, slots=True)
class ReplacedPaper:
    """The paper that another one replaces, as it was issued."""

    number: str
    dated_on: date
    symbol: str
    organ_name: str


class Numbered(Protocol):
    """Number and day of a paper."""

    @property
    def number(self) -> str: ...
    @property
    def dated_on(self) -> date: ...


def fill(paper: PaperDocument, issue: Issue, before: ReplacedPaper | None) -> PaperDocument:
    """Return the final paper; before: the one that it replaces, if it replaces any.

    Raises Invalid for a remark that the paper has no place for, Conflict where blanks are left.
    """
    blanks = (each for each in paper.blocks if isinstance(each, Paragraph) and each.style is Style.BLANK)
    keys = {each.text for each in blanks} - {""}
    if unknown := sorted(issue.remarks.keys() - keys):
        raise Invalid(
            "This report has no section {key}. Available sections: {keys}.",
            key=unknown[0],
            keys=", ".join(sorted(keys)),
            field=unknown[0],
        )
    sections = tuple(
        replace(
            each, blocks=_ended([made for block in each.blocks for made in _filled(block, issue, before)])
        )
        for each in paper.sections
    )
    final = replace(paper, mark="", sections=sections)
    for left in filter(None, (_left_blank(block) for block in final.blocks)):
        raise Conflict(_DOTS_LEFT, left=left)
    return final


def _ended(blocks: list[Block]) -> tuple[Block, ...]:
    """Put the sign that ends a text before its signature, by Decree 30/2020/NĐ-CP."""
    for nth, (block, following) in enumerate(pairwise(blocks)):
        if isinstance(following, Signature) and isinstance(block, Paragraph):
            blocks[nth] = replace(block, text=f"{block.text.rstrip('. ')}{_END}")
    return tuple(blocks)


def require_whole(head: Letterhead) -> None:
    """Raise Conflict for a letterhead with dots: its name and laws stand in sentences, beside other words."""
    for each in fields(head):
        said = getattr(head, each.name)
        for text in said if isinstance(said, tuple) else (said,):
            if isinstance(text, str) and _DOTS.search(text):
                raise Conflict(_DOTS_LEFT, left=text[:80])


def _filled(block: Block, issue: Issue, before: ReplacedPaper | None) -> Iterator[Block]:
    if isinstance(block, PaperHead):
        yield replace(block, number=_numbered(block.number, issue), dated=_dated(block.dated, issue))
    elif isinstance(block, Title):
        yield replace(block, notes=tuple(_dated(_numbered(each, issue), issue) for each in block.notes))
    elif isinstance(block, Signature):
        yield replace(block, signer=issue.signer.strip())
    elif isinstance(block, Paragraph) and block.style is Style.BLANK:
        said = issue.remarks.get(block.text, "").strip() or NOTHING_TO_SAY
        lines = [line.strip() for line in said.splitlines()] if block.text else []
        yield from (Paragraph(line) for line in lines if line)
    elif isinstance(block, Paragraph) and block.text.startswith(_REPLACES) and before is not None:
        yield replace(block, text=_replacing(block.text, before))
    else:
        yield block


def _replacing(text: str, before: ReplacedPaper) -> str:
    """Name the earlier paper, as annexes.replaces has it, by symbol and agency of then: either may change."""
    start, _, rest = text.partition(f"{BLANK_NUMBER}/")
    _, blank, rest = rest.partition(" ngày ……")
    day, of, rest = rest.partition(" của ")
    _, last, rest = rest.partition(" (")
    named = f"{start} {before.number}/{before.symbol}{blank}{day}{of}{before.organ_name}{last}{rest}"
    return _dated(named, before)


def _numbered(text: str, issue: Numbered) -> str:
    return text.replace(BLANK_NUMBER, f" {issue.number}", 1)


def _dated(text: str, issue: Numbered) -> str:
    on = issue.dated_on
    month = f"{on.month:02}" if on.month < 3 else str(on.month)  # Decree 30: two digits below 10 and for 1, 2
    return _BLANK_DAY.sub(f"ngày {on.day:02} tháng {month} năm {on.year}", text)


def _left_blank(block: Block) -> str | None:
    """Return the start of a line that was to be filled and still has dots or a blank number.

    Only those lines: the subject of a directive, a remark or a text may have dots of its own.
    """
    texts: tuple[str, ...] = ()
    match block:
        case PaperHead():
            texts = (block.number, block.dated)
        case Title():
            texts = block.notes
        case Paragraph(text=text, style=Style.BODY) if text.startswith(_REPLACES) and BLANK_NUMBER in text:
            texts = (text,)
    return next((text[:80] for text in texts if "……" in text or BLANK_NUMBER in text), None)
