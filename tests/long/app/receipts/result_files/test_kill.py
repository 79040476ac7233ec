"""An import that is killed or meddled with: it goes on where it was, and nothing is applied twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, update

from app.core.errors import Conflict
from app.core.states import BatchState
from app.database import jobs
from app.database.connection import Database
from app.database.models import receipt_files, receipt_lines
from app.file_import.leased_import import IMPORT
from app.file_import.reader import Reader
from app.ledger.contract import Applied, Arrival
from app.ledger.ledger import Ledger
from app.receipts.result_files.line_parser import RESULTS, SLICE, LineParser
from app.receipts.result_files.result_import_job import Progress, ResultFileImport
from app.receipts.result_files.result_importer import import_file
from app.receipts.result_files.status_words import StatusWords
from carriers.contract import ReceiptStatus
from tests.app.held import expire
from tests.app.receipts.result_files.scene import (
    TAKEN,
    at,
    check,
    csv_file,
    journal,
    look,
    phone,
    registered,
    sent,
)
from tests.app.world import FIRST_PHONE, World, receipt

MANY = 2500  # several transactions of receipts


def prepared(db: Database, folder: Path, lines: int = MANY) -> tuple[World, Path, int]:
    """A world, a file that settles all of its messages, and the file's number."""
    world = sent(db, [TAKEN] * min(lines, 1000), None)
    rows = [(phone(n), "DELIVRD", at(), "") for n in range(lines)]
    path = csv_file(folder / "f.csv", rows)
    return world, path, registered(db, path).id


def finished(world: World, file_id: int, lines: int = MANY) -> None:
    """All is as if nothing had happened: each message has one receipt, each line its verdict."""
    found = look(world.db, file_id)
    check(found)
    assert found.counts == {"settled": 1000, "unknown": lines - 1000}
    assert [changed for _, _, changed in journal(world.db)] == [True] * 1000
    world.check()


def ran_out(db: Database) -> None:
    """The lease of whoever was at work has ended."""
    expire(db)


@pytest.mark.prove
def test_an_import_that_died_while_applying_goes_on_after_what_it_had_applied(
    db: Database, tmp_path: Path
) -> None:
    world, path, file_id = prepared(db, tmp_path)
    dead = ResultFileImport(db, file_id)
    dead.claim()
    reader, progress = Reader(path, RESULTS), Progress()
    for done in LineParser(file_id, StatusWords()).slices(reader):
        after = Progress(progress.lines + len(done.rows), reader.position)
        dead.store(done, progress, after)
        dead.store(done, progress, after)  # the answer of the commit was lost
        progress = after
    dead.end_reading()
    source = dead.source()
    assert dead.apply(world.ledger, source) == dead.progress().judged > 0
    with pytest.raises(Conflict, match="already being imported"):
        import_file(db, world.ledger, file_id, path, StatusWords())
    ran_out(db)
    import_file(db, world.ledger, file_id, path, StatusWords())
    finished(world, file_id)
    with pytest.raises(Conflict, match="taken over"):
        dead.clear()


@pytest.mark.prove
def test_an_import_that_died_while_reading_begins_again(db: Database, tmp_path: Path) -> None:
    world, path, file_id = prepared(db, tmp_path, SLICE + 100)
    dead = ResultFileImport(db, file_id)
    dead.claim()
    done = next(LineParser(file_id, StatusWords()).slices(Reader(path, RESULTS)))
    dead.store(done, Progress(), Progress(len(done.rows), 1))
    ran_out(db)
    import_file(db, world.ledger, file_id, path, StatusWords())
    finished(world, file_id, SLICE + 100)


def test_a_file_whose_lines_were_erased_is_read_anew_when_it_comes_again(
    db: Database, tmp_path: Path
) -> None:
    world, path, file_id = prepared(db, tmp_path, 1001)
    import_file(db, world.ledger, file_id, path, StatusWords())
    db.write(lambda c: c.execute(receipt_lines.delete()))
    db.write(lambda c: c.execute(update(receipt_files).values(state=BatchState.ERASED.value)))
    import_file(db, world.ledger, file_id, path, StatusWords())
    found = look(db, file_id)
    check(found)
    assert found.counts == {"agreed": 1000, "unknown": 1}


@pytest.mark.prove
@pytest.mark.parametrize("judged", [0, 1])
def test_an_interrupted_import_lets_the_file_go_at_once(db: Database, tmp_path: Path, judged: int) -> None:
    world, path, file_id = prepared(db, tmp_path)

    def interrupt(progress: Progress) -> None:
        if progress.judged >= judged:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_file(db, world.ledger, file_id, path, StatusWords(), interrupt)
    assert [each.subject for each in db.read(jobs.due, [IMPORT])] == [f"receipt file {file_id}"]
    import_file(db, world.ledger, file_id, path, StatusWords())
    finished(world, file_id)


@pytest.mark.prove
@pytest.mark.timeout(120)
def test_a_killed_process_leaves_nothing_that_the_next_does_not_mend(
    database_url: str, tmp_path: Path
) -> None:
    db = Database(database_url)
    world, path, file_id = prepared(db, tmp_path)
    engine, carrier = db.engine, world.link.carrier
    if db.sqlite:
        db.close()  # its folder belongs to one process
    command = [
        sys.executable,
        "-m",
        "app.cli",
        "receipts",
        "import",
        str(path),
        "--carrier",
        carrier,
        "--json",
    ]
    surroundings = {**os.environ, "LOA_DATA": str(tmp_path), "LOA_CONFIG": ""}
    if not db.sqlite:
        surroundings["LOA_DATABASE_URL"] = database_url
    child = subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    judged = select(func.count(receipt_lines.c.verdict))
    while child.poll() is None:
        with engine.connect() as connection:
            if connection.execute(judged).scalar_one():
                break
        time.sleep(0.002)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL, "it ended before it could be killed"
    subprocess.run(command, env=surroundings, check=True, capture_output=True)
    if db.sqlite:
        world.db = db = Database(database_url)
    finished(world, file_id)
    db.close()


class Meddled:
    """A ledger to which a webhook brings a receipt just before the first of ours is applied."""

    def __init__(self, world: World, statuses: list[ReceiptStatus]) -> None:
        self._world = world
        self._statuses = statuses
        self.looks = 0

    def apply(self, connection: Connection, arrivals: list[Arrival]) -> Applied:
        self.looks += 1
        for n, status in enumerate(self._statuses):
            early = receipt(self._world.link, None, status, phone=FIRST_PHONE + n)
            self._world.db.write(self._world.ledger.apply, [early])
        self._statuses = []
        return self._world.ledger.apply(connection, arrivals)


def test_a_receipt_that_comes_between_look_and_lock_is_not_taken_for_ours(
    new_postgresql_url: str, tmp_path: Path
) -> None:
    db = Database(new_postgresql_url)
    world = sent(db, [TAKEN] * 3)
    rows = [(phone(n), "DELIVRD", at(), "") for n in range(3)]
    path = csv_file(tmp_path / "f.csv", rows)
    file_id = registered(db, path).id
    meddled = Meddled(world, [ReceiptStatus.DELIVERED, ReceiptStatus.UNDELIVERED])
    ledger: Ledger = meddled  # type: ignore[assignment]
    import_file(db, ledger, file_id, path, StatusWords())
    found = look(db, file_id)
    assert (found.verdicts, meddled.looks) == (["agreed", "says_delivered", "settled"], 2)
    world.check()
    db.close()
