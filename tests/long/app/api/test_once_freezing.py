"""Freezing under an Idempotency-Key: one version, though it is more than one transaction."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import func, select, update

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import frozen_reports, idempotency_keys, run_batches
from app.runtime.api_app import create_app
from app.security import create_key
from tests.app.client import Client
from tests.engines import by_default
from tests.long.app.api.test_once import KEY, at_once
from tests.long.app.reports.scene import varied

database_url = by_default


def frozen(db: Database) -> int:
    query = select(func.count()).select_from(frozen_reports)
    return int(db.read(lambda c: c.execute(query).scalar_one()))


@pytest.mark.prove
async def test_who_freezes_at_once_under_one_key_makes_one_version(db: Database, settings: Settings) -> None:
    varied(db)
    db.write(lambda c: c.execute(update(run_batches).values(fanned_all=True)))
    app, key = create_app(settings, db), db.write(create_key, "officer")
    found = await at_once(app, key, 8, "/v1/reports", json={"run_id": 1}, headers=KEY)
    assert {each.status_code for each in found} == {201}
    assert len({each.content for each in found}) == 1
    assert Counter("Idempotency-Replayed" in each.headers for each in found) == {True: 7, False: 1}
    assert frozen(db) == 1


@pytest.mark.prove
def test_a_freeze_whose_answer_was_lost_is_answered_as_it_was(db: Database, settings: Settings) -> None:
    """The answer is kept with the version, so it is there when nothing after the commit was."""
    varied(db)
    db.write(lambda c: c.execute(update(run_batches).values(fanned_all=True)))
    with Client(create_app(settings, db), db.write(create_key, "officer")) as client:
        first = client.post("/v1/reports", json={"run_id": 1}, headers=KEY)
        kept = db.read(lambda c: c.execute(select(idempotency_keys)).one())
        assert (kept.status, bytes(kept.body)) == (201, first.content)
        without = client.post("/v1/reports", json={"run_id": 1})
        again = client.post("/v1/reports", json={"run_id": 1}, headers=KEY)
    assert (without.status_code, again.status_code, again.content) == (200, 201, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    assert frozen(db) == 1


@pytest.mark.prove
def test_an_unchanged_report_is_answered_alike_under_its_key(db: Database, settings: Settings) -> None:
    varied(db)
    db.write(lambda c: c.execute(update(run_batches).values(fanned_all=True)))
    with Client(create_app(settings, db), db.write(create_key, "officer")) as client:
        client.post("/v1/reports", json={"run_id": 1})
        twice = [client.post("/v1/reports", json={"run_id": 1}, headers=KEY) for _ in range(2)]
    assert [each.status_code for each in twice] == [200, 200]
    assert twice[0].content == twice[1].content
    assert twice[1].headers["Idempotency-Replayed"] == "true"
