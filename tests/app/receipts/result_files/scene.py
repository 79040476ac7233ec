"""A run that has been sent, result files that speak of it, and what an import of one leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
from sqlalchemy import Connection, Row, insert, select

from app.core import clock
from app.database.connection import Database
from app.database.models import campaigns, receipt_files, receipt_lines, receipts, runs
from app.file_import.upload import UploadedFile
from app.ledger.contract import SubmitOutcome
from app.receipts.result_files.register import FileClaim, RegisteredFile, register
from app.receipts.result_files.result_importer import import_file
from app.receipts.result_files.status_words import StatusWords
from app.receipts.result_files.verdicts import OF_LINES
from app.reports.verification.verify import verify
from carriers.contract import Accepted, Reason, Rejected, SubmitResult, Unknown
from tests.app.world import FIRST_PHONE, World, add_batch, build

HEADER = ("Số điện thoại", "Trạng thái", "Thời gian", "Mã lỗi")
TAKEN: SubmitResult = Accepted(())
REFUSED: SubmitResult = Rejected("23", Reason.NO_SUCH_NUMBER)
LOST: SubmitResult = Unknown("the answer was lost")


def at(minutes: float = 0) -> str:
    """A time of Vietnam so many minutes from now, as people write it."""
    return written(clock.local(clock.now()) + timedelta(minutes=minutes))


def written(when: datetime) -> str:
    return when.strftime("%d/%m/%Y %H:%M:%S")


def phone(n: int) -> str:
    return f"0{FIRST_PHONE + n - 84 * 10**9}"


def sent(db: Database, results: Sequence[SubmitResult | None], phones: list[int] | None = None) -> World:
    """A world whose deliveries got these results, one each in their order; None: not sent yet."""
    world = build(db, len(results), chunk=1000, phones=phones)
    world.fan_out()
    hand_over(world, results)
    return world


def another(world: World, results: Sequence[SubmitResult | None], carrier: str = "viettel") -> World:
    """A further campaign to the first numbers of the world: to another number of them each time."""
    found = world.db.write(_another, world, len(results), carrier)
    hand_over(found, results)
    return found


def _another(c: Connection, world: World, count: int, carrier: str) -> World:
    made = {"created_at": clock.now_ms(), "created_by": "test"}
    campaign = c.execute(select(campaigns).where(campaigns.c.id == world.campaign)).one()._asdict() | made
    del campaign["id"]
    campaign_id = c.execute(insert(campaigns).values(campaign)).inserted_primary_key[0]
    run = {"campaign_id": campaign_id, "carrier": carrier, "state": "running", "created_at": clock.now_ms()}
    run_id = c.execute(insert(runs).values(run)).inserted_primary_key[0]
    batch_id = add_batch(c, campaign_id, run_id, [FIRST_PHONE + n for n in range(count)])
    new = World(world.db, world.ledger, campaign_id, run_id, batch_id, world.link)
    world.ledger.open_campaign(c, campaign_id)
    world.ledger.fan_out(c, run_id, batch_id, 1, 1000)
    return new


def hand_over(world: World, results: Sequence[SubmitResult | None]) -> None:
    lease = world.claim()
    assert lease is not None
    pairs = zip(lease.items, results, strict=True)
    outcomes = [SubmitOutcome(item, result) for item, result in pairs if result is not None]
    if outcomes:
        world.db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)


def csv_file(path: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    lines = [";".join(row) for row in (header, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def xlsx_file(path: Path, rows: Iterable[Sequence[Any]], header: Sequence[str] = HEADER) -> Path:
    book = openpyxl.Workbook()
    for row in (header, *rows):
        book.active.append(row)
    book.save(path)
    return path


def as_file(path: Path) -> UploadedFile:
    content = path.read_bytes()
    return UploadedFile(path.name, hashlib.sha256(content).hexdigest(), len(content))


def registered(db: Database, path: Path, claim: FileClaim | None = None) -> RegisteredFile:
    return db.write(register, claim or FileClaim("viettel"), as_file(path), "tester")


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it stands after its import."""

    row: Row[Any]
    verdicts: list[str | None]  # of its lines, in their order

    @property
    def counts(self) -> dict[str, int]:
        """Lines by verdict, those that there are."""
        return {v.value: n for v in OF_LINES if (n := getattr(self.row, v.value))}


def journal(db: Database) -> list[tuple[int, int, bool]]:
    """Receipts that were written: the delivery's line, the part, whether it changed anything."""
    c = receipts.c
    query = select(c.seq, c.part, c.changed).order_by(c.seq, c.part)
    return [tuple(row) for row in db.read(lambda connection: connection.execute(query).all())]


def load(world: World, path: Path, claim: FileClaim | None = None, words: StatusWords | None = None) -> Found:
    """Import the file and return what came of it; whatever the file says, the counts add up."""
    file_id = registered(world.db, path, claim).id
    import_file(world.db, world.ledger, file_id, path, words or StatusWords())
    found = look(world.db, file_id)
    check(found)
    assert verify(world.db, world.ledger) == []
    return found


def look(db: Database, file_id: int) -> Found:
    return db.read(_look, file_id)


def _look(connection: Connection, file_id: int) -> Found:
    row = connection.execute(select(receipt_files).where(receipt_files.c.id == file_id)).one()
    c = receipt_lines.c
    verdicts = (
        connection.execute(select(c.verdict).where(c.file_id == file_id).order_by(c.line)).scalars().all()
    )
    return Found(row, list(verdicts))


def check(found: Found) -> None:
    """The identities: of the lines, of each run, and between the two."""
    row = found.row
    assert row.state == "ready"
    assert sum(found.counts.values()) == row.lines == len(found.verdicts)
    assert None not in found.verdicts
    assert found.counts == {v: found.verdicts.count(v) for v in set(found.verdicts)}
    named = 0
    for run in row.runs:
        assert run["sent"] == run["rejected"] + run["named"] + run["missing"] + run["later"]
        named += run["named"]
    speaking = ("agreed", "settled", "says_delivered", "says_undelivered", "open")
    assert named == sum(found.counts.get(name, 0) for name in speaking)
