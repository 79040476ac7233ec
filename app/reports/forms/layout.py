"""Layout of administrative documents by Decree 30/2020/NĐ-CP, shared by all renderers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.reports.figures.numbers import shown
from app.reports.figures.table_model import CellKind, ReportTable, value

# A4 and its margins in millimetres
PAGE = (210.0, 297.0)
TOP, BOTTOM, LEFT, RIGHT = 20.0, 20.0, 30.0, 18.0
NUMBER_FROM_TOP = 10.0  # page number within the top margin
INDENT = 10.0  # first line of a paragraph
TITLE_MM = 15.0  # space above a picture for its title
SIGN_MM = 26.0  # space for signature and seal
HEAD_LEFT = 0.42  # the agency's share of the width
# Sizes in points
BODY, PAGE_NUMBER, QUOTED = 14.0, 13.0, 13.0
AFTER, SPACING = 6.0, 1.15
MARK_GREY = 0.88  # watermark; 0 is black


@dataclass(frozen=True, slots=True)
class LineStyle:
    """Style of one line: sizes and distances in points; keep: with the next paragraph.

    name: of the style in Word.
    """

    size: float
    bold: bool = False
    italic: bool = False
    centred: bool = False
    before: float = 0.0
    after: float = 0.0
    keep: bool = False
    name: str = ""


SUPERIOR = LineStyle(12, centred=True, name="Cơ quan chủ quản")
AGENCY = LineStyle(12, bold=True, centred=True, name="Tên cơ quan")
NUMBER = LineStyle(13, centred=True, before=3, name="Số, ký hiệu")
NATION = LineStyle(12, bold=True, centred=True, name="Quốc hiệu")
MOTTO = LineStyle(13, bold=True, centred=True, name="Tiêu ngữ")
DATED = LineStyle(13, italic=True, centred=True, before=3, name="Địa danh, ngày")
KIND = LineStyle(14, bold=True, centred=True, before=14, keep=True, name="Tên loại văn bản")
SUBJECT = LineStyle(14, bold=True, centred=True, keep=True, name="Trích yếu")
UNDER_SUBJECT = LineStyle(13, italic=True, centred=True, keep=True, name="Dưới trích yếu")
TO = LineStyle(14, centred=True, before=8, after=8, keep=True, name="Kính gửi")
CAPTION = LineStyle(12, bold=True, centred=True, before=8, after=3, keep=True, name="Tên biểu")
SOURCE = LineStyle(11, italic=True, before=2, after=8, name="Nguồn số liệu")
RECIPIENTS_HEAD = LineStyle(12, bold=True, italic=True, name="Đề mục nơi nhận")
RECIPIENT = LineStyle(11, name="Nơi nhận")
POST = LineStyle(13.5, bold=True, centred=True, name="Chức vụ người ký")
SIGNER = LineStyle(14, bold=True, centred=True, name="Người ký")
ABOUT = LineStyle(12, centred=True, before=3, name="Trích yếu công văn")
CODE = LineStyle(12, bold=True, name="Mã đối chiếu")
ABOUT_CODE = LineStyle(9, name="Về mã đối chiếu")
QR_MM = 26.0  # with its quiet zone

LINES: tuple[LineStyle, ...] = (
    SUPERIOR,
    AGENCY,
    NUMBER,
    NATION,
    MOTTO,
    DATED,
    KIND,
    SUBJECT,
    UNDER_SUBJECT,
    TO,
    CAPTION,
    SOURCE,
)
LINES += (RECIPIENTS_HEAD, RECIPIENT, POST, SIGNER, ABOUT, CODE, ABOUT_CODE)

NATION_WORDS = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"
MOTTO_WORDS = "Độc lập - Tự do - Hạnh phúc"
MOTTO_RULE_MM, AGENCY_RULE_MM, TITLE_RULE_MM = 60.0, 26.0, 56.0
RECIPIENTS_WORDS = "Nơi nhận:"
WHOLE_ROWS, END_ROWS = 14, 4  # most rows kept on one page; fewest at each end of a longer table


def width(landscape: bool) -> float:
    """Return the width between the margins in millimetres."""
    return (PAGE[1] if landscape else PAGE[0]) - LEFT - RIGHT


def fitted(wide: float, high: float, room: float) -> tuple[float, float]:
    """Shrink a picture until it fits on a page with its title; millimetres."""
    page = PAGE[0] if room > width(landscape=False) else PAGE[1]
    scale = min(1.0, room / wide, (page - TOP - BOTTOM - TITLE_MM) / high)
    return wide * scale, high * scale


def columns(form: ReportTable, room: float, size: float) -> list[float]:
    """Scale the form's column widths to fill `room`, none narrower than its longest word at `size` points.

    Where not all words have room, the numbers have.
    """
    every = range(len(form.columns))
    least = _least(form, size)
    if sum(least) >= room:
        numbers = {
            nth: _longest(form, nth, head=False) * size * _POINT_MM + _PADDING_MM
            for nth in every
            if form.columns[nth].kind is not CellKind.TEXT
        }
        rest = sum(each for nth, each in enumerate(least) if nth not in numbers)
        share = (room - sum(numbers.values())) / rest if rest else 1.0
        return [numbers.get(nth, each * share) for nth, each in enumerate(least)]
    kept: dict[int, float] = {}
    while True:
        rest, free = room - sum(kept.values()), [n for n in range(len(least)) if n not in kept]
        whole = sum(form.columns[n].width for n in free)
        tight = {n: least[n] for n in free if rest * form.columns[n].width / whole < least[n]}
        if not tight:
            break
        kept |= tight
    return [kept.get(n, rest * column.width / whole) for n, column in enumerate(form.columns)]


def _least(form: ReportTable, size: float) -> list[float]:
    """Return the width of each column's longest word at `size` points, in millimetres."""
    every = range(len(form.columns))
    return [_longest(form, nth, head=True) * size * _POINT_MM + _PADDING_MM for nth in every]


def fits_upright(form: ReportTable, size: float) -> bool:
    """Return whether the form has room on an upright page, with some for the words of its names."""
    names = sum(column.width for column in form.columns if column.kind is CellKind.TEXT)
    return sum(_least(form, size)) + names * _NAME_MM <= width(landscape=False)


_NAME_MM = 0.35  # beyond the longest word, for each letter that a column of text is wide
_POINT_MM, _PADDING_MM = 25.4 / 72, 1.6
_WIDE_LETTER = 0.6  # widths of the letter size
_LONG_WORD = 20  # longer ones, such as hashes, are broken


def _longest(form: ReportTable, nth: int, *, head: bool) -> float:
    """Return the width of the column's longest word, with its head or not, in widths of the letter size."""
    kind = form.columns[nth].kind
    cells = [shown(kind, value(row.cells[nth])) for row in form.rows]
    cells += [form.columns[nth].title] if head else []
    words = (word for cell in cells for word in cell.split(" ") if len(word) <= _LONG_WORD)
    return max((sum(map(_letter, word)) for word in words), default=0.0)


def broken(text: str, wide: float, size: float) -> str:
    """Put line breaks into long words, such as hashes, that do not fit into `wide` mm at `size` points."""
    most = max(1, int((wide - _PADDING_MM) / (_WIDE_LETTER * size * _POINT_MM)))
    return re.sub(rf"(\S{{{max(most, _LONG_WORD)}}})(?=\S)", r"\1\n", text)


def _letter(letter: str) -> float:
    """Return about the width of a letter of Times, bold as in heads, in widths of the letter size."""
    return 0.85 if letter == "%" else 0.7 if letter.isupper() else 0.3 if letter in ".,/-()\u00a0" else 0.5


def stays(nth: int, rows: int, below_picture: bool) -> bool:
    """Return whether a row (from 1) stays with the next one: short tables whole, long ones at their ends.

    What stands below a picture may be broken after its second row.
    """
    if below_picture:
        return nth < min(2, rows)
    return nth < rows and (rows <= WHOLE_ROWS or nth < END_ROWS or nth > rows - END_ROWS)


def post(words: str) -> list[str]:
    """Return the lines above a signature in capitals: KT. GIÁM ĐỐC, then PHÓ GIÁM ĐỐC."""
    return [each or "\u00a0" for each in words.upper().splitlines()] or [""]


def recipients(listed: Sequence[str]) -> list[str]:
    return [f"- {line}{'.' if nth == len(listed) else ';'}" for nth, line in enumerate(listed, 1)]
