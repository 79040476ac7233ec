"""Imports into real databases: counts that add up, one batch a file, crashes, imports side by side."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from app.batches import queries
from app.batches.import_job import BatchImport, ImportCounts, counts_of
from app.batches.importer import RegisteredBatch, discard, import_batch, lines_at_once, register
from app.batches.row_parser import LONG_SLICE, RowParser, open_rows
from app.core.errors import Conflict, Invalid, NotFound
from app.database.connection import Database
from app.database.models import audit, batches
from app.file_import.leased_import import IMPORT
from app.file_import.upload import UploadedFile
from tests.app.batches.files import MESSY, MESSY_BAD, MESSY_GOOD, batch_row, kept, many, put, registered
from tests.app.held import expire, held_by
from tests.engines import other_by_hand
from tests.exact import exactly


def test_every_line_is_accounted_for(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file)
    counts = import_batch(db, batch.id, path)
    stored = ImportCounts(lines=10, accepted=5, rejected=3, repeated=2, other_range=2, bytes_read=file.size)
    assert counts == replace(stored, unknown_areas=1, languages_ignored=3)
    assert db.read(kept, batch.id) == (MESSY_GOOD, MESSY_BAD)
    row = db.read(batch_row, batch.id)
    assert {name: row[name] for name in stored.stored()} == stored.stored()
    assert (row["state"], row["error"]) == ("ready", None)


def test_a_failed_batch_is_discarded_and_its_file_may_come_again(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "a.csv", "phone\n")
    batch = registered(db, file)
    with pytest.raises(Invalid):
        import_batch(db, batch.id, path)
    with pytest.raises(NotFound):
        db.write(discard, batch.id, "lan", "another carrier")
    db.write(discard, batch.id, "lan")
    assert db.read(queries.listed, 0, 10).items == []
    assert db.read(queries.get, batch.id).state == "erased"
    again = registered(db, file)
    assert (again.id, again.waiting) == (batch.id, True)
    with pytest.raises(Invalid):
        import_batch(db, batch.id, path)
    assert [each.state for each in db.read(queries.listed, 0, 10).items] == ["failed"]


@pytest.mark.parametrize("state", ["failed", "erased"])
def test_a_list_that_comes_again_is_importing_from_its_registration_on(
    db: Database, tmp_path: Path, state: str
) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file)
    db.write(lambda c: c.execute(update(batches).values(state=state, error="no room", lines=9)))
    held_by(db, IMPORT, "batch 1", "elsewhere:1:a:b", lease_ms=-1)
    assert registered(db, file) == RegisteredBatch(batch.id, created=False, waiting=True)
    row = db.read(batch_row, batch.id)
    assert (row["state"], row["error"], row["lines"]) == ("importing", None, 0)
    assert registered(db, file).waiting
    assert import_batch(db, batch.id, path).lines == 10


def test_a_list_that_comes_again_during_its_import_leaves_that_alone(db: Database, tmp_path: Path) -> None:
    """As where it was erased while it was read."""
    _, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file)
    BatchImport(db, batch.id).claim()
    db.write(lambda c: c.execute(update(batches).values(state="erased")))
    before = db.read(batch_row, batch.id)
    assert not registered(db, file).waiting
    assert db.read(batch_row, batch.id) == before


def test_a_batch_with_people_in_it_is_not_discarded(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "a.csv", "phone\n0912345678\n")
    batch = registered(db, file)
    import_batch(db, batch.id, path)
    with pytest.raises(
        Conflict,
        match=exactly(
            "Batch 1 is ready. Only failed batches can be discarded; others are deleted when "
            "their retention period ends."
        ),
    ):
        db.write(discard, batch.id, "lan")


def test_the_same_file_again_is_the_same_batch(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    first = registered(db, file)
    counts = import_batch(db, first.id, path)
    again = registered(db, replace(file, name="other.csv"))
    assert (again.id, again.created, again.waiting) == (first.id, False, False)
    assert import_batch(db, again.id, path).stored() == counts.stored()
    assert registered(db, file, carrier="viettel").id != first.id


@pytest.mark.longer
def test_the_same_file_from_many_at_once_is_one_batch_and_refused_to_none(db: Database) -> None:
    with ThreadPoolExecutor(8) as many_at_once:
        for n in range(5):
            file = UploadedFile("a.csv", f"{n:064}", 10)
            asked = [many_at_once.submit(db.write, register, "vnpt", file, "an") for _ in range(8)]
            found = [each.result() for each in asked]
            assert len({each.id for each in found}) == 1
            assert [each.created for each in found].count(True) == 1


@other_by_hand
@pytest.mark.longer
def test_progress_is_told_for_every_slice_and_always_adds_up(db: Database, tmp_path: Path) -> None:
    size = lines_at_once(db)
    path, file = put(tmp_path / "many.csv", many(2 * size + 500))
    told: list[ImportCounts] = []
    batch = registered(db, file)

    def show(counts: ImportCounts) -> None:
        told.append(counts)
        stored = db.read(batch_row, batch.id)
        assert stored["lines"] == counts.lines

    import_batch(db, batch.id, path, show)
    assert [each.lines for each in told] == [0, size, 2 * size, 2 * size + 500]
    assert all(c.accepted + c.rejected + c.repeated == c.lines for c in told)
    assert told[-1].bytes_read == file.size


@pytest.mark.longer
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Họ tên\nLò A\n", "The file has no column for phone numbers"),
        ("phone\n", "The file has a header but no subscribers"),
        (many(LONG_SLICE + 5) + "09\0\n" * 600, "NUL"),
    ],
)
def test_a_file_that_is_no_use_leaves_a_failed_empty_batch_that_says_why(
    db: Database, tmp_path: Path, text: str, words: str
) -> None:
    path, file = put(tmp_path / "file.csv", text)
    batch = registered(db, file)
    with pytest.raises(Invalid, match=words):
        import_batch(db, batch.id, path)
    row = db.read(batch_row, batch.id)
    assert (row["state"], row["lines"]) == ("failed", 0)
    assert words in str(row["error"])
    assert db.read(kept, batch.id) == ([], [])
    assert registered(db, file).waiting


def _crash_after(db: Database, batch_id: int, path: Path, slices: int) -> BatchImport:
    """An import that goes so far and then is heard of no more; its lease has run out."""
    job, counts = BatchImport(db, batch_id), ImportCounts()
    job.claim()
    for done, _ in zip(
        RowParser(batch_id, "vnpt").slices(open_rows(path).blocks(), lines_at_once(db)),
        range(slices),
        strict=False,
    ):
        after = counts.plus(done, 1)
        job.store(done, counts, after)
        counts = after
    expire(db)
    return job


@other_by_hand
@pytest.mark.longer
def test_an_import_that_died_is_begun_again_and_leaves_no_trace(db: Database, tmp_path: Path) -> None:
    size = lines_at_once(db)
    path, file = put(tmp_path / "many.csv", many(size + 1000))
    batch = registered(db, file)
    dead = _crash_after(db, batch.id, path, slices=1)
    assert registered(db, file).waiting
    counts = import_batch(db, batch.id, path)
    good, bad = db.read(kept, batch.id)
    assert (len(good), len(bad)) == (counts.accepted, counts.rejected + counts.repeated)
    assert counts.lines == size + 1000
    for late in (dead.clear, lambda: dead.fail("too late")):
        with pytest.raises(Conflict, match="taken over"):
            late()
    assert db.read(batch_row, batch.id)["state"] == "ready"


def test_a_batch_in_living_hands_is_not_taken(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file)
    BatchImport(db, batch.id).claim()
    assert not registered(db, file).waiting
    with pytest.raises(Conflict, match=exactly("Batch 1 is already being imported. See its progress.")):
        import_batch(db, batch.id, path)
    assert db.read(kept, batch.id) == ([], [])


def test_a_slice_that_is_written_twice_is_there_once(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    job = BatchImport(db, registered(db, file).id)
    job.claim()
    (done,) = RowParser(job.id, "vnpt").slices(open_rows(path).blocks())
    after = ImportCounts().plus(done, 10)
    job.store(done, ImportCounts(), after)
    job.store(done, ImportCounts(), after)
    assert db.read(kept, job.id) == (MESSY_GOOD, MESSY_BAD)
    assert db.read(lambda c: counts_of(_row(c, job.id))) == after


def _row(connection: Connection, batch_id: int) -> Any:
    return connection.execute(select(batches).where(batches.c.id == batch_id)).one()


def test_an_interrupted_import_lets_the_batch_go_at_once(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file)

    def interrupt(_: ImportCounts) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_batch(db, batch.id, path, interrupt)
    assert registered(db, file).waiting
    assert import_batch(db, batch.id, path).lines == 10


@pytest.mark.longer
def test_the_same_file_imported_twice_at_once_is_imported_once(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "many.csv", many(3000))
    batch, ends = registered(db, file), list[str]()

    def work() -> None:
        try:
            ends.append(str(import_batch(db, batch.id, path).lines))
        except Conflict:
            ends.append("conflict")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "3000" in ends
    assert set(ends) <= {"3000", "conflict"}
    good, bad = db.read(kept, batch.id)
    assert len(good) + len(bad) == 3000


def test_a_batch_that_is_not_there_is_not_found(db: Database, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        import_batch(db, 99, tmp_path / "none.csv")


def test_a_slice_of_a_batch_that_is_gone_is_not_written(db: Database) -> None:
    with pytest.raises(NotFound):
        BatchImport(db, 99).claim()


def test_the_audit_tells_who_brought_the_file_and_what_was_in_it(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    import_batch(db, registered(db, file).id, path)
    rows = db.read(lambda c: c.execute(select(audit).order_by(audit.c.id)).all())
    assert [(row.who, row.action) for row in rows] == [
        ("tester", "batch.register"),
        ("tester", "batch.import"),
    ]
    assert rows[1].detail["unknown_areas"] == 1
    assert rows[1].detail["accepted"] == 5


def test_long_names_are_cut_to_what_the_table_holds(db: Database) -> None:
    batch = registered(db, UploadedFile("x" * 500, "0" * 64, 1))
    assert db.read(batch_row, batch.id)["name"] == "x" * 200
