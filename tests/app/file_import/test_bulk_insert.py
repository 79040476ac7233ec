"""Rows go into a table in bulk, as many as there are."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.database.connection import Database
from app.database.models import bad_lines, subscribers
from app.file_import.bulk_insert import by_column, store
from app.file_import.upload import UploadedFile
from tests.app.batches.files import registered


@pytest.mark.parametrize("count", [0, 1, 3, 4, 4095, 4097, 9_633])
def test_as_many_rows_as_there_are_come_back_as_they_were(db: Database, count: int) -> None:
    batch = registered(db, UploadedFile("a.csv", "0" * 64, 1)).id
    rows = [
        (batch, n, 84_912_000_000 + n, None if n % 3 == 0 else f"{n:05d}" if n % 5 else "vi\\")
        for n in range(count)
    ]
    db.write(store, subscribers, by_column(rows))
    found = db.read(lambda c: c.execute(select(subscribers).order_by(subscribers.c.seq)).all())
    assert [tuple(row) for row in found] == rows


def test_rows_of_some_columns_are_in_the_order_of_these(db: Database) -> None:
    batch = registered(db, UploadedFile("a.csv", "0" * 64, 1)).id
    columns = by_column([("x\ty\n", "quotes", 7, batch)])
    db.write(store, bad_lines, columns, ("value", "reason", "line", "batch_id"))
    found = db.read(lambda c: c.execute(select(bad_lines)).one())
    assert tuple(found) == (batch, 7, "quotes", "x\ty\n")
