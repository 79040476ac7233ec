"""One page for the chairman: carriers, best and worst, who is missing, the areas least reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from math import ceil
from textwrap import shorten

from app.core import clock
from app.reports.build.consolidated import ConsolidatedReport, RunLine
from app.reports.figures import by_area
from app.reports.figures.figures import AreaRow
from app.reports.figures.numbers import count, hour, percent, shown
from app.reports.figures.table_model import Cell, CellKind, ReportTable, TableColumn, TableRow, value
from app.reports.forms import citation, comparison_tables, layout
from app.reports.papers.model import (
    Block,
    DocumentPicture,
    Paragraph,
    Style,
    Table,
    Title,
)
from carriers.contract import ReceiptLevel

_AREAS, _FEWEST = 8, 3  # areas in the table of those least reached, where there is room, and at least
_SUBJECT, _NAMES = 180, 200  # letters of the subject, and of names in one sentence; the others are counted
_TIED = 2  # carriers named for one share
_SIZE = 9.0
_OF_FORM_5 = ("name", "source", "sent", "delivered", "relayed", "failed")
_OPEN = ("waiting", "no_receipt", "unknown")
_OPEN_COLUMN = TableColumn("open", "Đang chờ, chưa rõ", CellKind.COUNT, 12)
_BY_AREA = "Địa bàn có tỷ lệ nhận thấp nhất"


def blocks(
    report: ConsolidatedReport, form_5: ReportTable, words: str, last: tuple[Paragraph, ...] = ()
) -> Iterator[Block]:
    """Yield the page below its letterhead; words: the version and its cut-off; last: at its end.

    It stays one page: what has no room is counted, and the page says where it stands.
    """
    above: list[Block] = [Title("TÓM TẮT KẾT QUẢ", _topic(report.letter.subject), (f"({words})",))]
    due = report.letter.deadline_ms
    above.append(Paragraph(f"{f'Hạn báo cáo: {hour(due)}. ' if due is not None else ''}{_settled(report)}."))
    said: list[Block] = [Paragraph(f"{each}.", Style.ITEM) for each in _sentences(report)]
    areas = _least_reached(report)
    room = _ROOM - sum(map(_height, (*above, *said, *last)))
    table, left = _carriers(form_5, room - _least(areas))
    left += _least(areas)
    more, areas = _in_room(areas, left)
    yield from (*above, Table(table, table.source, _SIZE), *said)
    if more:
        yield Paragraph(f"{more}.", Style.ITEM)
    if areas.rows:
        yield Table(areas, areas.source, _SIZE)
    yield from last


def _topic(subject: str) -> str:
    """Return the subject, shortened to some lines."""
    topic = " ".join(citation.topic(subject).split())
    topic = f"{topic[:1].upper()}{topic[1:]}"
    return topic if len(topic) <= _SUBJECT else shorten(topic, _SUBJECT, placeholder=" … (đủ ở mục I)")


def _settled(report: ConsolidatedReport) -> str:
    """Say whether figures may still change, and whose."""
    words, sign, names = comparison_tables.finality(report).partition(comparison_tables.OF)
    return f"{words}{sign}{_listed(names.split(', '), 'doanh nghiệp', 'Biểu 5')}" if sign else words


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


def _carriers(form: ReportTable, room: float) -> tuple[ReportTable, float]:
    """Take form 5's rows and its sums by source, with fewer columns; no statement beside measured figures.

    Returns what has room, and the room that is left. Sums are kept; of the runs the largest.
    """
    places = [form.place(key) for key in _OF_FORM_5]
    last, waiting = form.place("sent_in_time"), [form.place(key) for key in _OPEN]
    rows = []
    for row in form.rows:
        if row.key.endswith("_stated"):
            continue
        left = [n for place in waiting if isinstance(n := value(row.cells[place]), int)]
        cells = (*(row.cells[place] for place in places), sum(left) if left else None, row.cells[last])
        rows.append(row._replace(cells=cells))
    name, source, *counts = (form.columns[place] for place in places)
    columns = (name._replace(width=24), source._replace(width=34), *counts, _OPEN_COLUMN, form.columns[last])
    title = "Kết quả của doanh nghiệp viễn thông"
    return _cut(ReportTable("Doanh nghiệp", title, columns, tuple(rows), form.source), room)


def _cut(form: ReportTable, room: float) -> tuple[ReportTable, float]:
    """Leave out the smallest runs that have no room, and say how many."""
    heights = {row.key: _row_height(form, row, _SIZE) for row in form.rows}
    left = room - _height_around(Table(form, form.source, _SIZE)) - sum(heights.values())
    if left >= 0:
        return form, left
    sent = form.place("sent")
    runs = sorted((row for row in form.rows if not row.strong), key=lambda row: _number(row.cells[sent]))
    gone: set[str] = set()
    title = form.title
    for row in runs[:-1]:
        if left >= 0:
            break
        gone.add(row.key)
        left += heights[row.key]
        shown = f"{count(len(runs) - len(gone))} trong {count(len(runs))} đợt gửi"
        title = f"{form.title} ({shown} có nhiều tin nhất; đủ ở Biểu 5)"
    kept = tuple(row for row in form.rows if row.key not in gone)
    return form._replace(title=title, rows=kept), max(left, 0.0)


def _number(cell: Cell) -> int:
    n = value(cell)
    return n if isinstance(n, int) else 0


def _sentences(report: ConsolidatedReport) -> Iterator[str]:
    found = [(share, line) for line in report.lines if (share := _share(line)) is not None]
    # Shares that are printed alike are told together: neither of them is the best.
    groups: dict[str, list[RunLine]] = {}
    for share, line in sorted(found, key=lambda each: each[0]):
        groups.setdefault(percent(share), []).append(line)
    runs = Counter(line.carrier for line in report.lines)
    sentences = [_sentence(share, lines, runs) for share, lines in groups.items()]
    if not sentences:
        yield "Chưa có tỷ lệ nhận: chưa doanh nghiệp nào có biên nhận của máy thuê bao"
    elif len(sentences) == 1:
        yield f"Tỷ lệ nhận{' bằng nhau' if len(found) > 1 else ''}: {sentences[0]}"
    else:
        yield f"Tỷ lệ nhận cao nhất: {sentences[-1]}"
        yield f"Tỷ lệ nhận thấp nhất: {sentences[0]}"
    names = comparison_tables.missing(report)
    yield f"Chưa báo cáo: {_listed(names, 'đơn vị', 'đủ ở mục II.5') if names else 'không có'}"


def _share(line: RunLine) -> float | None:
    """Return received of sent, where receipts of telephones prove it."""
    if line.kind is None or comparison_tables.level(line) != ReceiptLevel.HANDSET:
        return None
    found = comparison_tables.figures(line)
    sent, delivered = value(found.get("sent")), value(found.get("delivered"))
    return delivered / sent if isinstance(sent, int) and isinstance(delivered, int) and sent else None


def _sentence(share: str, lines: Sequence[RunLine], runs: Counter[str]) -> str:
    """Name the runs of one share; a carrier with several runs by the number of the run."""
    named = []
    for line in lines[:_TIED]:
        which = f", đợt {line.run_id}" if runs[line.carrier] > 1 else ""
        said = f"{share} số tin đã gửi, {comparison_tables.source_of(line)}{which}"
        named.append(f"{comparison_tables.carrier_name(line.carrier)} ({said})")
    left = len(lines) - len(named)
    return ", ".join(named) + (f" và {count(left)} đợt gửi khác cùng tỷ lệ (Biểu 5)" if left else "")


def _proved(report: ConsolidatedReport) -> tuple[list[RunLine], list[AreaRow]]:
    """Return measured runs with receipts of telephones, and their sums by the areas of the cut-off's day."""
    lines = [line for line in report.lines if line.kind and _share(line) is not None and line.report.areas]
    rows = by_area.measured([row for line in lines for row in line.report.areas], _day(report))
    return lines, [row for row in rows if row.code is not None and row.figures.sent]


def _day(report: ConsolidatedReport) -> date:
    return clock.local(clock.from_ms(report.cutoff_ms)).date()


def _least_reached(report: ConsolidatedReport) -> ReportTable:
    """Return the areas with the lowest share first; see `_proved`."""
    proved, known = _proved(report)
    known.sort(key=lambda row: (row.figures.delivered_ratio or 0.0, -row.figures.sent))
    columns = (
        TableColumn("nth", "TT", CellKind.TEXT, 5),
        TableColumn("area", "Địa bàn", CellKind.TEXT, 40),
        TableColumn("sent", "Đã gửi", CellKind.COUNT, 14),
        TableColumn("delivered", "Máy đã nhận", CellKind.COUNT, 14),
        TableColumn("ratio", "Tỷ lệ nhận", CellKind.RATIO, 12),
    )
    names = dict.fromkeys(comparison_tables.carrier_name(line.carrier) for line in proved)
    whose = _listed(list(names), "doanh nghiệp", "Biểu 5")
    source = f"Nguồn số liệu: đo bằng biên nhận của máy thuê bao ({whose})."
    shown = tuple(_area(nth, row) for nth, row in enumerate(known, 1))
    return ReportTable("Địa bàn", _BY_AREA, columns, shown, source)


def _least(form: ReportTable) -> float:
    """Return the room that the fewest areas take, or the sentence that there are none."""
    few = form._replace(rows=form.rows[:_FEWEST])
    return _height(Table(few, few.source, _SIZE)) if few.rows else _height(Paragraph("x" * 100))


def _in_room(form: ReportTable, room: float) -> tuple[str, ReportTable]:
    """Return as many areas as have room; without any, a sentence on why or where they stand."""
    if not form.rows:
        return f"{_BY_AREA}: chưa có biên nhận của máy thuê bao theo địa bàn", form
    left = room - _height_around(Table(form, form.source, _SIZE))
    most = min(_AREAS, int(left / _row_height(form, form.rows[0], _SIZE)))
    if most < 1:
        return f"{_BY_AREA}: Biểu 2 trong báo cáo của từng doanh nghiệp", form._replace(rows=())
    shown = form.rows[:most]
    return "", form._replace(title=f"{_BY_AREA} ({len(shown)} trong {len(form.rows)} địa bàn)", rows=shown)


def _area(nth: int, row: AreaRow) -> TableRow:
    f = row.figures
    return TableRow(f"area_{row.code}", (str(nth), row.name, f.sent, f.delivered, f.delivered_ratio))


# ---- Heights of blocks on an upright page, about and in points: what is to fit on one page must know before

_MM = 72 / 25.4
_THIN = frozenset(" .,;:()'-/ijltìíịỉĩ")
_PADDING_MM, _NARROW = 1.6, 170.0  # of a column; points
_BODY_LINE = layout.BODY * layout.SPACING**2
_CELL = 2.0  # above and below a cell's text, together
# Letterhead with its lines, and what word processors set otherwise than this estimate.
_HEAD, _SPARE = 54.0, 32.0
_ROOM = (layout.PAGE[1] - layout.TOP - layout.BOTTOM) * _MM - _HEAD - _SPARE


def _lines(text: str, size: float, wide_mm: float | None = None) -> int:
    """Return about how many lines a text takes; in narrow columns words leave more of a line empty."""
    room = (layout.width(landscape=False) if wide_mm is None else wide_mm - _PADDING_MM) * _MM
    loss = 1.0 if room > _NARROW else 1.05
    return sum(max(1, ceil(_width(line) * size * loss / room)) for line in text.split("\n"))


def _width(text: str) -> float:
    """Return about the width of a line of Times in letter sizes."""
    return sum(0.7 if each.isupper() else 0.28 if each in _THIN else 0.45 for each in text)


def _row_height(form: ReportTable, of: TableRow, size: float) -> float:
    """Return about the height of a table's row."""
    widths = layout.columns(form, layout.width(landscape=False), size)
    cells = zip(form.columns, of.cells, widths, strict=True)
    most = max(_lines(shown(column.kind, value(cell)), size, wide) for column, cell, wide in cells)
    return most * size * layout.SPACING + _CELL


def _height_around(table: Table) -> float:
    """Return about the height of a table's title, head and source, without its rows."""
    form = table.form
    widths = layout.columns(form, layout.width(landscape=False), table.size)
    heads = [
        _lines(column.title, table.size, wide) for column, wide in zip(form.columns, widths, strict=True)
    ]
    head = max(heads) * table.size * layout.SPACING + _CELL
    above, below = layout.CAPTION, layout.SOURCE
    title = _lines(form.title, above.size) * above.size * layout.SPACING + above.before + above.after
    source = _lines(table.source, below.size) * below.size * layout.SPACING + below.before + below.after
    return title + head + source


def _height(block: Block) -> float:
    """Return about the height of a title, a paragraph, a whole table or a picture."""
    match block:
        case Title():
            notes = len(block.notes) * layout.UNDER_SUBJECT.size * layout.SPACING
            subject = _lines(block.subject, layout.SUBJECT.size) * layout.SUBJECT.size * layout.SPACING
            return layout.KIND.before + layout.KIND.size * layout.SPACING + subject + notes + 8
        case Paragraph(style=style):
            indent = 0 if style is Style.NOTE else layout.INDENT
            return _lines("x" * int(indent / 2) + block.text, layout.BODY) * _BODY_LINE + layout.AFTER
        case Table():
            return _height_around(block) + sum(
                _row_height(block.form, each, block.size) for each in block.form.rows
            )
        case DocumentPicture(title=title, height_mm=height):
            above = layout.CAPTION
            caption = _lines(title, above.size) * above.size * layout.SPACING + above.before + above.after
            return caption + height * _MM
    raise TypeError(type(block).__name__)
