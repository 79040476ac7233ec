"""How official papers name one another: kind, number, day, agency and subject (Decree 30/2020/NĐ-CP)."""

from __future__ import annotations

import re
from datetime import date

from app.core.areas import fold
from app.reports.forms.letterhead import Letterhead

# The symbol of a named kind of paper begins with its abbreviation (annex III of the decree); an official
# letter (công văn) has only the agency's: 306/KH-UBND is a plan, 303/CAT-PA05 a letter.
_KINDS = {
    "CT": "Chỉ thị",
    "KH": "Kế hoạch",
    "CĐ": "Công điện",
    "QĐ": "Quyết định",
    "NQ": "Nghị quyết",
    "TB": "Thông báo",
    "HD": "Hướng dẫn",
    "CTr": "Chương trình",
    "PA": "Phương án",
    "ĐA": "Đề án",
    "BC": "Báo cáo",
    "TTr": "Tờ trình",
    "GM": "Giấy mời",
}
_LETTER = "Công văn"
_ABOUT = re.compile(r"^\s*(?:v/v|về việc|về)\s*:?\s+", re.IGNORECASE)


def kind_of(number: str) -> str:
    """306/KH-UBND -> Kế hoạch; without an abbreviation of a kind: Công văn."""
    return _KINDS.get(number.rpartition("/")[2].partition("-")[0].strip(), _LETTER)


def named(number: str, issued_on: date, issuer: str = "", subject: str = "") -> str:
    """Name a paper in a sentence: Kế hoạch số 306/KH-UBND ngày 27/10/2025 của UBND tỉnh về việc ..."""
    of = f" của {issuer}" if issuer else ""
    about = f" về việc {topic(subject)}" if subject else ""
    return f"{kind_of(number)} số {number} ngày {issued_on:%d/%m/%Y}{of}{about}"


def named_as_stored(directive: str) -> str:
    """Name a paper given as its number and ISO date in brackets."""
    number, _, issued = directive.partition(" (")
    return named(number, date.fromisoformat(issued.rstrip(")")))


def bases(legal_basis: str, head: Letterhead) -> list[str]:
    """Return the papers that a directive rests on, then those of the letterhead, none of them twice."""
    own = [
        part for line in legal_basis.split("\n") for each in line.split(";") if (part := each.strip(" .,"))
    ]
    return [*own, *(each for each in head.bases if each not in own)]


def topic(subject: str) -> str:
    """Return a subject as it stands in a sentence: without "V/v", its first word small unless an acronym."""
    words = _ABOUT.sub("", subject).strip().rstrip(".")
    return words if words[:2].isupper() else f"{words[:1].lower()}{words[1:]}"


def is_own(number: str, issuer: str, head: Letterhead) -> bool:
    """Return whether the organisation of this letterhead issued the paper itself."""
    symbol = head.symbol.removeprefix("BC-")
    return number.endswith(f"/{symbol}") or fold(issuer) in {fold(head.name), fold(head.agency)}
