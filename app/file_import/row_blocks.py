"""Results of reading a table: rows column by column, and unreadable lines with reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any, NamedTuple

from app.core.phone import Sentence

_AT_ONCE = 1000

# Line number in the file, then the columns' cells in order, as written.
Row = tuple[Any, ...]

LINE_REASONS = {
    "long_line": Sentence("The line is too long for a single row.", "Dòng quá dài."),
    "nul": Sentence(
        "The line contains a NUL character, which is not valid in text. Type the line again.",
        "Dòng có ký tự NUL, văn bản không thể có: hãy gõ lại dòng này.",
    ),
    "quotes": Sentence(
        "The quotation marks on this line do not match.", "Dấu ngoặc kép trong dòng không khớp nhau."
    ),
    "continued": Sentence(
        "The line belongs to a quoted cell that starts above. No number was read from it.",
        "Dòng này thuộc ô trong ngoặc kép bắt đầu ở dòng trên; không lấy số nào từ đó.",
    ),
    "separator": Sentence(
        "The line has a different separator from the header. Use the same separator throughout the file.",
        "Dấu phân cách của dòng khác với dòng tiêu đề: dùng một loại dấu cho cả tệp.",
    ),
    "short_row": Sentence(
        "The line has fewer cells than the header, and no number. Add what is missing.",
        "Dòng có ít ô hơn dòng tiêu đề, thiếu ô số điện thoại: bổ sung phần còn thiếu.",
    ),
    "hidden": Sentence(
        "The row is hidden in the workbook by a filter or by hand. Show or delete it, and upload "
        "the file again.",
        "Dòng đang bị ẩn trong bảng tính (bộ lọc hoặc ẩn tay): hiện hoặc xóa dòng rồi tải lại.",
    ),
    "formula": Sentence(
        "The number is a formula whose result is not in the file. Save the file in Excel and "
        "upload it again.",
        "Số là công thức chưa có kết quả trong tệp: mở bằng Excel, lưu lại rồi tải lên.",
    ),
}


class Block(NamedTuple):
    """Rows stored by column, which is several times faster for many rows: `cells` of each column."""

    numbers: Sequence[int]
    cells: tuple[Sequence[str], ...]

    def part(self, start: int, last: int) -> Block:
        return Block(self.numbers[start:last], tuple(column[start:last] for column in self.cells))


class UnreadableLine(NamedTuple):
    """A line that gives no cells; `reason` is a key of LINE_REASONS."""

    line: int
    reason: str
    value: str


def gathered(rows: Iterable[Row | UnreadableLine]) -> Iterator[Block | UnreadableLine]:
    """Group rows into blocks, keeping their order and without reading far ahead."""
    for is_bad, some in groupby(rows, lambda row: isinstance(row, UnreadableLine)):
        if is_bad:
            yield from (row for row in some if isinstance(row, UnreadableLine))
        else:
            while few := list(islice(some, _AT_ONCE)):
                numbers, *cells = zip(*few, strict=True)
                yield Block(numbers, tuple(cells))
