"""A list that is uploaded again while its erasure is under way."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, update

from app.batches.importer import import_batch
from app.core import clock
from app.core.errors import Conflict
from app.core.states import BatchState
from app.database.connection import Database
from app.database.models import batches, erasures, receipt_files, subscribers
from app.ledger import erasure
from app.privacy import eraser
from app.privacy.erasable import ErasureKind
from tests.app.batches.files import MESSY, put, registered
from tests.exact import exactly


def begun(connection: Connection, kind: ErasureKind, subject: int) -> int:
    """An erasure that retention has begun."""
    now = clock.now_ms()
    row = {"kind": kind.value, "subject_id": subject, "name": "a.csv", "rule": "after 30 days", "days": 30}
    row |= {"due_at": now, "counts": {}, "totals": [], "by": "retention", "started_at": now}
    return int(connection.execute(insert(erasures).values(row)).inserted_primary_key[0])


@pytest.mark.longer
def test_it_is_refused_until_the_erasure_is_over_which_would_take_it_as_well(
    db: Database, tmp_path: Path
) -> None:
    path, file = put(tmp_path / "new", MESSY)
    batch_id = registered(db, file).id
    import_batch(db, batch_id, path)
    erasure_id = db.write(begun, ErasureKind.BATCH, batch_id)
    row = db.read(lambda c: c.execute(select(erasures).where(erasures.c.id == erasure_id)).one())
    db.write(eraser._erase_batch, row)
    with pytest.raises(
        Conflict,
        match=exactly(
            "Data imported earlier from this file is still being erased. Upload it again in a few minutes."
        ),
    ):
        registered(db, file)
    while db.write(eraser._erase_batch, row):
        pass
    db.write(lambda c: c.execute(update(erasures).values(ended_at=clock.now_ms())))
    assert registered(db, file).waiting
    import_batch(db, batch_id, put(tmp_path / "again", MESSY)[0])
    assert db.read(lambda c: c.execute(select(batches.c.state)).scalar_one()) == BatchState.READY
    assert db.read(lambda c: c.execute(select(func.count()).select_from(subscribers)).scalar_one()) > 0


@pytest.mark.parametrize(("kind", "refused"), [(ErasureKind.RECEIPT_FILE, True), (ErasureKind.BATCH, False)])
def test_a_file_of_results_likewise_and_none_for_a_batch_of_that_number(
    db: Database, kind: ErasureKind, refused: bool
) -> None:
    row = {"carrier": "vnpt", "name": "r.csv", "sha256": "0" * 64, "bytes": 1, "state": BatchState.ERASED}
    row |= {"created_at": 0, "created_by": "an"}

    def work(c: Connection) -> bool:
        number = c.execute(insert(receipt_files).values(row)).inserted_primary_key[0]
        begun(c, kind, number)
        found = c.execute(select(receipt_files).where(receipt_files.c.id == number)).one()
        erasure.require_none_of_file(c, "receipt_file", found)
        return found.state == BatchState.ERASED

    if refused:
        with pytest.raises(Conflict):
            db.write(work)
    else:
        assert db.write(work)
