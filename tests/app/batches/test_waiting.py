"""A batch waits when it is not ready and nobody lives who imports it; then the next import takes it over."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.batches.import_job import BatchImport
from app.batches.importer import import_batch
from app.core.errors import Conflict, Invalid
from app.core.states import BatchState
from app.database.connection import Database
from app.database.models import batches
from app.file_import.leased_import import IMPORT, is_waiting, leased
from tests.app.batches.files import MESSY, put, registered
from tests.app.held import expire, held_by
from tests.exact import exactly

HOUR_MS = 3_600_000


def waiting(db: Database, owner: str | None, lease_ms: int, state: str = "importing") -> bool:
    """Whether the batch waits, with that owner under a lease that ends in so many milliseconds."""
    db.write(lambda c: c.execute(update(batches).values(state=state)))
    held_by(db, IMPORT, "batch 1", owner, lease_ms)
    return is_waiting(db.read(lambda c: c.execute(leased(batches)).one()))


def test_only_what_is_not_ready_waits(db: Database, tmp_path: Path) -> None:
    registered(db, put(tmp_path / "messy.csv", MESSY)[1])
    assert waiting(db, None, HOUR_MS)
    assert waiting(db, None, HOUR_MS, BatchState.FAILED)
    assert not waiting(db, None, HOUR_MS, BatchState.READY)
    assert not waiting(db, "elsewhere:1:abcd:ef", HOUR_MS)


@pytest.mark.longer
def test_the_import_of_a_process_that_is_gone_is_taken_over_when_its_lease_ends(
    db: Database, tmp_path: Path
) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file).id
    assert not waiting(db, "elsewhere:99:abcd:ef", HOUR_MS)
    with pytest.raises(Conflict):
        import_batch(db, batch, path)
    gone = f"{socket.gethostname()[:40]}:{2**22 - 1}:abcd:ef"  # its name and number say nothing
    assert not waiting(db, gone, HOUR_MS)
    assert waiting(db, gone, -1)
    assert import_batch(db, batch, path).accepted == 5


def test_an_import_that_dies_each_time_is_given_up_with_a_sentence(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file).id
    for _ in range(3):
        BatchImport(db, batch).claim()  # by a process that then dies
        expire(db)
    with pytest.raises(
        Invalid,
        match=exactly(
            "The import was started 3 times but never finished, because the program crashed or "
            "was stopped. Check the file, save it as “CSV UTF-8” and upload it again."
        ),
    ):
        import_batch(db, batch, path)
    failed = db.read(lambda c: c.execute(select(batches)).one())
    assert (failed.state, failed.lines) == (BatchState.FAILED, 0)
    assert "The import was started 3 times but never finished, because the" in failed.error
    assert import_batch(db, batch, path).accepted == 5  # by whoever sends it again


@pytest.mark.longer
def test_an_import_that_is_put_off_by_itself_counts_as_no_try(db: Database, tmp_path: Path) -> None:
    path, file = put(tmp_path / "messy.csv", MESSY)
    batch = registered(db, file).id
    for _ in range(5):
        job = BatchImport(db, batch)
        job.claim()
        job.release()
    assert import_batch(db, batch, path).accepted == 5
