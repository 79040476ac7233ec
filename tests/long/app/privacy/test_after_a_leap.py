"""A clock that leapt ahead erases nothing and plans no snapshot until it is confirmed; sending goes on."""

from __future__ import annotations

import asyncio

from sqlalchemy import select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.config import Settings
from app.database import clock_leaps
from app.database import models as m
from app.database.clock_leaps import LeapWatch
from app.database.connection import Database
from app.diagnostics.doctor import clocks
from app.reports.counting.snapshot_taking import SNAPSHOT, SnapshotPlan
from app.runtime.api_app import create_app
from app.security import create_key
from app.web.view_models import overview_page
from tests.app import world
from tests.app.client import Client
from tests.engines import each_engine
from tests.long.app.privacy.past import counted, erase, over

database_url = each_engine


def leap(db: Database) -> None:
    """A worker has recorded the time, and the clock is 120 days ahead now."""
    db.write(LeapWatch().note, 0.0)
    t = m.trusted_clock.c
    earlier = {"trusted_at": t.trusted_at - 120 * DAY_MS, "noted_at": t.noted_at - 120 * DAY_MS}
    db.write(lambda c: c.execute(update(m.trusted_clock).values(earlier)))


def test_nothing_is_erased_until_a_person_confirms_the_time(db: Database) -> None:
    over(db)
    leap(db)
    before = counted(db)
    assert erase(db) == 0
    assert counted(db) == before
    assert db.write(clock_leaps.confirm) is not None
    assert erase(db) > 0
    assert counted(db) == {}


def test_no_snapshot_is_planned_meanwhile_and_messages_are_sent(db: Database) -> None:
    made = world.build(db, 10)
    made.fan_out()
    leap(db)
    started = update(m.runs).values(started_at=clock.now_ms() - 2 * DAY_MS, state="running")
    db.write(lambda c: c.execute(started))
    planned = select(m.jobs.c.subject).where(m.jobs.c.kind == SNAPSHOT)
    asyncio.run(SnapshotPlan(db).plan())
    assert db.read(lambda c: c.execute(planned).all()) == []
    assert made.claim() is not None
    db.write(clock_leaps.confirm)
    asyncio.run(SnapshotPlan(db).plan())
    assert len(db.read(lambda c: c.execute(planned).all())) == 1


def test_doctor_overview_and_readyz_say_so_and_an_administrator_confirms_it(db: Database) -> None:
    key = db.write(create_key, "an", "admin")
    leap(db)
    assert "run `loa clock confirm`" in clocks(db).what
    assert db.read(overview_page.read_overview, None).leap is not None
    with Client(create_app(Settings(), db), key) as client:
        ready = client.get("/readyz")
        assert (ready.status_code, "The clock leapt" in ready.json()["clock"]) == (200, True)
        confirmed = client.post("/v1/clock/confirm")
        assert confirmed.status_code == 200, confirmed.text
        assert confirmed.json()["before"] < confirmed.json()["after"]
        assert client.post("/v1/clock/confirm").status_code == 409
    assert clocks(db).good
    assert db.read(overview_page.read_overview, None).leap is None
    acts = select(m.audit.c.who, m.audit.c.subject).where(m.audit.c.action == "clock.confirm")
    assert [tuple(act) for act in db.read(lambda c: c.execute(acts).all())] == [("an", "clock")]
