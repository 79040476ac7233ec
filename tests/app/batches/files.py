"""Files for import, with the counts they must give."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import Connection, select

from app.batches.importer import RegisteredBatch, register
from app.database.connection import Database
from app.database.models import bad_lines, batches, subscribers
from app.file_import.upload import UploadedFile

MESSY = """Số điện thoại;Mã xã;Ngôn ngữ
0912000001;03646;
84912000002;3646;Mông

+84 912 000 003;99999;Klingon
0912000001;03646;
02123852123;;
0162 200 0004;;
;03646;
"0912000005;;
;;
84322000004;;
0372000006;116;vi
"""
# Line, phone, area; a language is not kept.
MESSY_GOOD = [
    (2, 84_912_000_001, "03646"),
    (3, 84_912_000_002, "03646"),
    (5, 84_912_000_003, None),
    (8, 84_322_000_004, None),
    (13, 84_372_000_006, "116"),
]
MESSY_BAD = [
    (6, "repeated", "8491*****01"),
    (7, "fixed_line", "0212*****23"),
    (9, "empty", ""),
    (10, "quotes", '"0912****05;;'),
    (12, "repeated", "8432*****04"),
]


def many(lines: int, first: int = 84_912_000_000) -> str:
    """A file of good numbers, every tenth of them twice and every twentieth line bad."""
    numbers = [first + place - (place % 10 == 9) for place in range(lines)]
    return "phone\n" + "".join(f"{'x' if n % 20 == 0 else ''}{n}\n" for n in numbers)


def put(path: Path, text: str) -> tuple[Path, UploadedFile]:
    """The text as a file, and what register() needs to know of it."""
    path.write_text(text, encoding="utf-8")
    content = path.read_bytes()
    return path, UploadedFile(path.name, hashlib.sha256(content).hexdigest(), len(content))


def registered(db: Database, file: UploadedFile, carrier: str = "vnpt") -> RegisteredBatch:
    return db.write(register, carrier, file, "tester")


def batch_row(connection: Connection, batch_id: int) -> dict[str, object]:
    return dict(connection.execute(select(batches).where(batches.c.id == batch_id)).one()._mapping)


def kept(connection: Connection, batch_id: int) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """The subscribers and the bad lines of a batch, in order, without its id."""
    s, b = subscribers.c, bad_lines.c
    good = select(s.seq, s.phone, s.area).where(s.batch_id == batch_id).order_by(s.seq)
    bad = select(b.line, b.reason, b.value).where(b.batch_id == batch_id).order_by(b.line)
    return [tuple(row) for row in connection.execute(good)], [tuple(row) for row in connection.execute(bad)]
