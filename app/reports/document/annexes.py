"""Annexes shared by several documents: the texts word for word, and changes since the version before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from app.reports.document.model import Block, Paragraph, Section, Style, Table, Title
from app.reports.document.version import Version
from app.reports.render import carrier_tables
from app.reports.render.numbers import moment
from app.reports.render.table_model import CellKind, ReportTable, TableColumn, TableRow
from carriers import text as sms

_ALPHABETS = {"gsm7": "GSM-7, không dấu", "ucs2": "UCS-2, có dấu"}


def texts_annex(nth: int, texts: Mapping[str, str], kept_with: str) -> Section:
    """List each text as sent, with its hash, characters and SMS parts."""
    blocks: list[Block] = [Title(f"Phụ lục {nth}", "NỘI DUNG TIN NHẮN", (kept_with,))]
    for lang, wording in sorted(texts.items()):
        blocks += _wording(lang, wording)
    return Section(tuple(blocks))


def _wording(lang: str, wording: str) -> Iterator[Block]:
    parts = sms.segments(wording)
    yield Paragraph(f"Nội dung{f' ({lang})' if lang else ''}:")
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
    title = f"Thông số của nội dung{f' ({lang})' if lang else ''}"
    yield Table(ReportTable(f"Nội dung {lang}".strip(), title, columns, rows), "")


def changes_annex(nth: int, version: Version, kept_with: str) -> tuple[Section, ...]:
    """Return the annex of changes since the version before; nothing for a first version."""
    if version.since is None:
        return ()
    number, cutoff_ms = version.since
    title = f"THAY ĐỔI SO VỚI BẢN SỐ {number}"
    head = Title(f"Phụ lục {nth}", title, (f"(Bản số {number} chốt lúc {moment(cutoff_ms)})", kept_with))
    if not version.changes:
        return (Section((head, Paragraph("Không có số liệu nào thay đổi."))),)
    return (
        Section((head, Table(carrier_tables.changes(version), "Nguồn số liệu: so sánh hai bản đã chốt."))),
    )
