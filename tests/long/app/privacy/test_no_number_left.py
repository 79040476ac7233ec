"""After retention and after a person's erasure no column of any table has the number, but where it is said.

Every table is looked through, column by column, so that one which comes later is looked through as well.
"""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, insert, select, text, update

from app.batches.importer import register
from app.core import clock
from app.database import models as m
from app.database import schema
from app.database.connection import Database
from app.file_import.upload import UploadedFile
from app.ledger.ledger import ledger_for
from app.privacy.person_answers import PersonAnswer, PersonAnswers
from app.privacy.person_requests import NewPersonRequest, RequestKind, RequestOutcome, record
from app.receipts.result_files.register import FileClaim
from app.receipts.result_files.register import register as register_file
from app.receipts.result_files.result_importer import import_file
from app.receipts.result_files.status_words import StatusWords
from app.reports.intake import attachments
from app.security import Caller
from tests.app.inbound.test_inbound_writer import message, write
from tests.app.receipts.result_files.scene import TAKEN, csv_file, load, phone, sent
from tests.app.receipts.result_files.scene import at as said_at
from tests.app.world import FIRST_PHONE
from tests.engines import other_by_hand
from tests.long.app.privacy.past import erase, over, stray
from tests.long.app.reports.scene import T0

Place = tuple[str, str]


def digits(value: object) -> str:
    said = bytes(value).decode("latin-1") if isinstance(value, bytes | memoryview) else str(value)
    return "".join(str(unicodedata.decimal(each)) for each in said if each.isdecimal())


def held(db: Database, numbers: set[str]) -> set[Place]:
    """Return each (table, column) in which some row has one of the numbers, by their last nine digits."""

    def look(c: Connection) -> set[Place]:
        return {
            (table.name, column.name)
            for table in m.metadata.sorted_tables
            for column in table.columns
            for value in c.execute(select(column).where(column.is_not(None))).scalars()
            if any(number in digits(value) for number in numbers)
        }

    return db.read(look)


def tail(number: int | str) -> str:
    return str(number)[-9:]


@other_by_hand
def test_the_look_sees_a_number_in_any_spelling_and_column(db: Database) -> None:
    over(db)
    db.write(lambda c: c.execute(update(m.campaigns).values(name="gọi 0912 345.678")))
    assert held(db, {"912345678"}) == {("campaigns", "name")}


def _named(db: Database, tmp_path: Path, number: str) -> None:
    """A list, a result file that is applied to its end, and a scan, all with the number in their names."""
    if not db.sqlite:  # the rows that are there came with their ids
        db.write(
            lambda c: c.execute(text("SELECT setval(oid::regclass, 99) FROM pg_class WHERE relkind = 'S'"))
        )
    name = f"KH {number[:4]}.{number[4:7]}.{number[7:]} va so{number}nhe.csv"
    lines = [(number, "DELIVRD", "01/02/2024 08:00:00", "")]
    path = csv_file(tmp_path / "lines.csv", lines)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    db.write(register, "vnpt", UploadedFile(name, "9" * 64, 1), "an")
    db.write(
        lambda c: c.execute(update(m.batches).where(m.batches.c.sha256 == "9" * 64).values(state="ready"))
    )
    file = UploadedFile(name, sha256, path.stat().st_size)
    known = db.write(register_file, FileClaim("vnpt"), file, "an")
    import_file(db, ledger_for(db), known.id, path, StatusWords())
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(b"%PDF-1.7 scan")
    own = hashlib.sha256(scan.read_bytes()).hexdigest()
    db.write(attachments.keep, scan, UploadedFile(name, own, 13), "an")


@other_by_hand
def test_after_retention_no_column_has_a_number(db: Database, tmp_path: Path) -> None:
    over(db)
    stray(db, T0)
    _named(db, tmp_path, "0912345678")
    numbers: set[str] = {"912345678"}
    for table in (m.subscribers, m.deliveries, m.receipts, m.unknowns, m.receipt_lines, m.quarantine):
        numbers |= db.read(lambda c, t=table: {tail(n) for n in c.execute(select(t.c.phone)).scalars() if n})
    assert held(db, numbers) == {
        *((table, "phone") for table in ("subscribers", "deliveries", "receipts", "unknowns")),
        *((table, "phone") for table in ("receipt_lines", "quarantine")),
    }
    old: dict[str, Any] = {"created_at": T0}
    db.write(lambda c: c.execute(update(m.batches).values(old)))
    db.write(lambda c: c.execute(update(m.receipt_files).values(old | {"ended_at": T0})))
    assert erase(db) >= 4
    assert held(db, numbers) == set()


def _person(db: Database) -> PersonAnswers:
    return PersonAnswers(db, ledger_for(db), 90, Caller("mai", "admin"))


def _ask(db: Database, number: str, kind: RequestKind, reference: str) -> int:
    today = clock.local(clock.now()).date()
    return db.write(record, NewPersonRequest(number, kind, today, reference), "lan").id


@other_by_hand
@pytest.mark.parametrize("spelling", ["{}", "so{}nhe", "KH{}"])
def test_after_a_persons_erasure_only_what_the_answer_keeps_has_the_number(
    db: Database, tmp_path: Path, spelling: str
) -> None:
    number = phone(0)
    world = sent(db, [TAKEN])
    db.write(lambda c: c.execute(update(m.batches).values(sha256="e" * 64)))  # the scene's has its number
    path = csv_file(tmp_path / f"ket qua {number}.csv", [(number, "DELIVRD", said_at(), "")])
    load(world, path)
    name = f"{spelling.format(number)}.csv"
    db.write(register, "vnpt", UploadedFile(name, "9" * 64, 1), "an")
    read = update(m.batches).where(m.batches.c.sha256 == "9" * 64).values(state="ready")
    db.write(lambda c: c.execute(read))  # an erasure waits for lists that are being read
    write(world, message("xin chao", str(FIRST_PHONE)))
    asked = _ask(db, number, RequestKind.ERASE, f"Đơn của {spelling.format(number)}")
    done = PersonAnswer(RequestOutcome.DONE, f"Đã xóa {spelling.format(number)}.")
    _person(db).answer(asked, done)
    assert held(db, {tail(number)}) == {
        *((table, "phone") for table in ("subscribers", "deliveries", "receipts", "receipt_lines")),
        ("do_not_send", "phone"),
    }


def test_names_that_are_there_lose_their_numbers_and_certificates_keep_theirs(db: Database) -> None:
    over(db)
    name = "ds_0912345678.csv"
    row = {
        "kind": "batch",
        "subject_id": 1,
        "name": name,
        "rule": "x",
        "days": 90,
        "due_at": T0,
        "counts": {},
    }
    row |= {"totals": [], "by": "an", "started_at": T0}

    def old(c: Connection) -> None:
        command.downgrade(schema._config(c), "0047")
        c.execute(update(m.batches).values(name=name))
        c.execute(update(m.receipt_files).values(name=name, applied_upto=84_912_345_678))
        c.execute(insert(m.erasures), [row | {"ended_at": ended} for ended in (None, T0)])

    db.write(old)
    db.write(lambda c: command.upgrade(schema._config(c), "head"))
    assert held(db, {"912345678"}) == {("erasures", "name")}
    names = db.read(lambda c: c.execute(select(m.erasures.c.name).order_by(m.erasures.c.id)).scalars().all())
    assert names == ["ds_8491*****78.csv", name]
