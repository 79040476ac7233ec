"""Annexes by Decree 30/2020/NĐ-CP, numbered and naming their paper; texts word for word, and changes."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from app.core import clock
from app.reports.figures.figures import FIGURES, MAIN
from app.reports.figures.numbers import hour
from app.reports.figures.table_model import CellKind, ReportTable, TableColumn, TableRow
from app.reports.figures.version import ChangedRow, PrintedCode, RoundRow, Version
from app.reports.forms import layout
from app.reports.forms.letterhead import Letterhead
from app.reports.papers.model import (
    Block,
    CheckCode,
    PaperDocument,
    Paragraph,
    Section,
    Style,
    Table,
    Title,
)
from carriers import text as sms

BLANK_NUMBER = "\u00a0" * 10  # left blank for the office to number
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")
_ALPHABETS = {"gsm7": "GSM-7, không dấu", "ucs2": "UCS-2, có dấu"}
_OF_UNITS = {"pieces": "Số tin, bài, buổi", "reach": "Lượt tiếp cận"}


class Annex(NamedTuple):
    """key: for references in the body; note: in brackets under the title."""

    key: str
    title: str
    blocks: tuple[Block, ...]
    landscape: bool = False
    note: str = ""


def references(annexes: Sequence[Annex]) -> dict[str, str]:
    """Return how the body names each annex: one alone has no number, several have Roman ones."""
    if len(annexes) == 1:
        return {annexes[0].key: "Phụ lục"}
    return {each.key: f"Phụ lục {_ROMAN[nth]}" for nth, each in enumerate(annexes)}


def sections(annexes: Sequence[Annex], head: Letterhead, cutoff_ms: int) -> tuple[Section, ...]:
    """Return each annex on pages of its own, numbered from 1."""
    year = clock.moment(cutoff_ms).year
    kept_with = (
        f"(Kèm theo Báo cáo số{BLANK_NUMBER}/{head.symbol} ngày …… tháng …… năm {year} của {head.name})"
    )
    names = references(annexes)
    return tuple(
        Section(
            (Title(names[each.key], each.title, (*filter(None, [each.note]), kept_with)), *each.blocks),
            each.landscape,
        )
        for each in annexes
    )


def replaces(version: Version, head: Letterhead, names: Mapping[str, str]) -> Iterator[Paragraph]:
    """Say which issued report a later version replaces, and where its changes stand."""
    if version.since is not None and not version.issued_before:
        yield Paragraph(f"Số liệu thay đổi so với bản số {version.since[0]}: {names['changes']}.")
    elif version.since is not None:
        which = "" if version.issued else f"bản số {version.since[0]}, "
        yield Paragraph(
            f"Báo cáo này thay thế Báo cáo số{BLANK_NUMBER}/{head.symbol} ngày …… tháng …… năm …… của "
            f"{head.name} ({which}số liệu chốt đến {hour(version.since[1])}). "
            f"Số liệu thay đổi: {names['changes']}."
        )


def texts_annex(texts: Mapping[str, Sequence[str]]) -> Annex:
    """List each text as sent, once, under the names of all that sent it, with hash, characters, SMS parts."""
    named = sorted((sorted(filter(None, dict.fromkeys(names))), wording) for wording, names in texts.items())
    blocks = (block for names, wording in named for block in _wording("; ".join(names), wording))
    return Annex("texts", "NỘI DUNG TIN NHẮN", tuple(blocks))


def _wording(named: str, wording: str) -> Iterator[Block]:
    parts = sms.segments(wording)
    yield Paragraph(f"Nội dung{f' ({named})' if named else ''}:")
    yield Paragraph(wording, Style.QUOTED)
    columns = (
        TableColumn("name", "Mục", CellKind.TEXT, 34),
        TableColumn("value", "Nội dung", CellKind.TEXT, 66),
    )
    rows = (
        TableRow("characters", ("Số ký tự", str(len(wording)))),
        TableRow("alphabet", ("Bảng mã", _ALPHABETS.get(sms.encoding_of(wording).value, ""))),
        TableRow("segments", ("Số bản tin quy đổi của một tin", str(parts))),
        TableRow("sha256", ("Mã băm SHA-256 (UTF-8)", hashlib.sha256(wording.encode()).hexdigest())),
    )
    yield Table(ReportTable("Nội dung", "Thông số của nội dung", columns, rows), "")


def changes_annex(version: Version, reasons: Iterable[str] = ()) -> tuple[Annex, ...]:
    """Return the annex of changes since the version before; nothing for a first version.

    reasons: why figures that were stated or reported were corrected, one sentence each.
    """
    if version.since is None:
        return ()
    number, cutoff_ms = version.since
    before = "báo cáo trước" if version.issued else f"bản số {number}"
    blocks: list[Block] = [Paragraph(words) for words in reasons]
    units = [row for row in version.rows if _OF_UNITS.keys() & {*row.before, *row.after}]
    carriers = [row for row in version.rows if row not in units]
    if carriers:
        words = {key: each.label for key, each in FIGURES.items()}
        blocks += _changes("Số liệu nhắn tin thay đổi", carriers, words, before)
    if units:
        blocks += _changes("Số liệu của cơ quan, đơn vị thay đổi", units, _OF_UNITS, before)
    if not version.changes:
        blocks.append(Paragraph("Không có số liệu nào thay đổi."))
    else:
        blocks.append(
            Paragraph(
                f"Toàn bộ {len(version.changes)} số liệu thay đổi: trang “Thay đổi” của bảng tính.",
                Style.NOTE,
            )
        )
    title = f"THAY ĐỔI SO VỚI {before.upper()}"
    note = f"({before[0].upper()}{before[1:]}: số liệu chốt đến {hour(cutoff_ms)})"
    wide = not all(layout.fits_upright(each.form, each.size) for each in blocks if isinstance(each, Table))
    return (Annex("changes", title, tuple(blocks), landscape=wide, note=note),)


def _changes(
    title: str, rows: Sequence[ChangedRow], words: Mapping[str, str], before: str
) -> Iterator[Block]:
    """Yield a table: a row for each name, both values of each figure that has changed in any of them."""
    changed = [key for key in words if any(row.before.get(key) != row.after.get(key) for row in rows)]
    shown = [key for key in changed if key in MAIN] or changed  # the workbook tells the others
    columns = [TableColumn("name", "Tên", CellKind.TEXT, 30)]
    for key in shown:
        columns.append(TableColumn(f"{key}_before", f"{words[key]}: {before}", CellKind.COUNT, 14))
        columns.append(TableColumn(f"{key}_after", f"{words[key]}: bản này", CellKind.COUNT, 14))
    cells = (
        (row.name, *(n for key in shown for n in (row.before.get(key), row.after.get(key)))) for row in rows
    )
    made = tuple(TableRow(f"changed_{nth}", each) for nth, each in enumerate(cells))
    form = ReportTable("Thay đổi", title, tuple(columns), made)
    yield Table(form, "Nguồn số liệu: so sánh hai bản đã chốt.", size=8.5)


def earlier_round(version: Version) -> tuple[Annex, ...]:
    """Return the annex that sets carriers beside an earlier round; nothing where none was asked for."""
    if version.earlier is None:
        return ()
    columns = [
        TableColumn("name", "Doanh nghiệp", CellKind.TEXT, 24),
        TableColumn("source_before", "Nguồn số liệu đợt trước", CellKind.TEXT, 22),
        TableColumn("source_now", "Nguồn số liệu đợt này", CellKind.TEXT, 22),
    ]
    for key, title, kind in (
        ("sent", "Đã gửi", CellKind.COUNT),
        ("delivered", "Máy đã nhận", CellKind.COUNT),
        ("ratio", "Tỷ lệ nhận", CellKind.RATIO),
    ):
        columns += [
            TableColumn(f"{key}_before", f"{title}: đợt trước", kind, 14),
            TableColumn(f"{key}_now", f"{title}: đợt này", kind, 14),
        ]
    columns.append(TableColumn("points", "Chênh lệch tỷ lệ (điểm %)", CellKind.TEXT, 14))
    rows = tuple(_round_row(nth, row) for nth, row in enumerate(version.earlier.rows))
    form = ReportTable("Đợt trước", "Doanh nghiệp viễn thông qua hai đợt", tuple(columns), rows)
    source = (
        "Nguồn số liệu: hai báo cáo đã chốt. Tỷ lệ chỉ tính khi có biên nhận của máy thuê bao; chênh lệch "
        "chỉ tính khi cả hai đợt đều có."
    )
    blocks = (Paragraph(f"Đợt trước: {version.earlier.words}."), Table(form, source, size=8.5))
    return (Annex("earlier", "SO SÁNH VỚI ĐỢT TRƯỚC", blocks, landscape=True),)


def _round_row(nth: int, row: RoundRow) -> TableRow:
    before, now = row.ratios
    points = "" if before is None or now is None else signed(round(now * 1000) - round(before * 1000))
    cells = (row.carrier, *row.sources, *row.sent, *row.delivered, *row.ratios, points)
    return TableRow(f"round_{nth}", cells)


def signed(tenths: int) -> str:
    """Return tenths of a per cent with their sign: +1,5."""
    return f"{'+' if tenths > 0 else '−' if tenths < 0 else ''}{abs(tenths) // 10},{abs(tenths) % 10}"


def with_code(paper: PaperDocument, printed: PrintedCode | None) -> PaperDocument:
    """Return the paper with the code at the end of its last page; unchanged for a preview."""
    if printed is None:
        return paper
    where = (
        f"Quét mã QR, hoặc nhập mã này tại {printed.place}, để đối chiếu bản in với số liệu đã chốt."
        if printed.place
        else "Nhập mã này tại trang kiểm tra công khai để đối chiếu bản in với số liệu đã chốt."
    )
    address = f"{printed.place}?code={printed.code}" if printed.place else ""
    lines = (f"Mã đối chiếu: {_grouped(printed.code)}", where, f"SHA-256 của số liệu: {printed.sha256}")
    code = CheckCode(lines, address, _qr(address) if address else None)
    *others, last = paper.sections
    return replace(paper, sections=(*others, replace(last, blocks=(*last.blocks, code))))


def code_line(printed: PrintedCode | None) -> tuple[Paragraph, ...]:
    """Return the code in one line, for a page that has no room for more; nothing for a preview."""
    if printed is None:
        return ()
    where = f", nhập tại {printed.place}" if printed.place else ""
    return (Paragraph(f"Mã đối chiếu: {_grouped(printed.code)}{where}.", Style.NOTE),)


def _grouped(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, len(code), 4))


def _qr(address: str) -> bytes:
    import segno  # where a paper is written, not when a process starts

    file = io.BytesIO()
    segno.make_qr(address, error="m", boost_error=False).save(file, kind="png", scale=8, border=4)
    return file.getvalue()
