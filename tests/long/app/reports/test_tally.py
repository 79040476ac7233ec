"""Tallies are changes: what counts is their sum."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from app.database import models as m
from app.database.connection import Database
from app.ledger.contract import TallyCount
from app.reports.figures import tally


def test_changes_are_summed_by_key_and_keys_that_are_spent_are_left_out(db: Database) -> None:
    key = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "reason": 0}
    changes = [
        key | {"area": "03646", "state": 0, "n": 5, "segments": 10},
        key | {"area": "03646", "state": 0, "n": -5, "segments": -10},
        key | {"area": "03646", "state": 1, "n": 5, "segments": 10},
        key | {"area": None, "state": 7, "n": 2, "segments": 2},
        key | {"area": None, "state": 7, "n": 1, "segments": 1},
        key | {"area": None, "state": 7, "n": 9, "segments": 9, "run_id": 2},
    ]
    db.write(lambda c: c.execute(insert(m.tallies), changes))
    first = [TallyCount(1, 1, None, 7, 0, 3, 3), TallyCount(1, 1, "03646", 1, 0, 5, 10)]
    assert db.read(tally.of_run, 1) == first
    assert db.read(tally.of_campaign, 1) == [*first, TallyCount(2, 1, None, 7, 0, 9, 9)]
    assert db.read(tally.of_campaign, 2) == []


def test_all_statements_of_one_read_see_one_moment(db: Database) -> None:
    change = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "state": 0, "reason": 0, "n": 1, "segments": 1}

    def twice(connection: Connection) -> list[list[TallyCount]]:
        before = tally.of_run(connection, 1)
        db.write(lambda c: c.execute(insert(m.tallies).values(change)))
        return [before, tally.of_run(connection, 1)]

    assert db.read(twice) == [[], []]
    assert len(db.read(tally.of_run, 1)) == 1
