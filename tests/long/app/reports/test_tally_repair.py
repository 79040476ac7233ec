"""Tallies that have drifted are put right from the rows, once, on the record, whatever moves meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from app.core.errors import Conflict, NotFound
from app.database import models as m
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.reports.figures.figures import Unbalanced
from app.reports.forms import letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release.freeze import Freezer
from app.reports.verification.tally_repair import ACTION, repair
from app.reports.verification.verify import verify
from tests.app.world import World, accepted, build, receipt
from tests.engines import other_by_hand
from tests.long.app.reports.scene import varied

STRAY = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "area": "99999", "state": 8, "reason": 20}


def drift(c: Connection) -> None:
    """Counted twice, lost, and of an area where nobody was; in keys with an area and without one."""
    t = m.tallies.c
    c.execute(update(m.tallies).where(t.state == 7).values(n=t.n + 1, segments=t.segments + 3))
    c.execute(delete(m.tallies).where(t.state == 2))
    c.execute(insert(m.tallies).values(STRAY | {"n": -1, "segments": -1}))
    c.execute(insert(m.tallies).values(STRAY | {"batch_id": 77, "n": 4, "segments": 4}))


def acts(db: Database) -> list[tuple[str, str]]:
    query = select(m.audit.c.who, m.audit.c.subject).where(m.audit.c.action == ACTION)
    return [tuple(row) for row in db.read(lambda c: c.execute(query).all())]


@pytest.mark.prove
@other_by_hand
def test_what_drifted_is_put_right_and_then_a_report_is_frozen_again(db: Database) -> None:
    varied(db)
    ledger = ledger_for(db)
    db.write(lambda c: c.execute(update(m.run_batches).values(fanned_all=True)))
    db.write(drift)
    assert verify(db, ledger, 1)
    freezer = Freezer(db, ledger, letterhead.load(None), "an")
    with pytest.raises(Unbalanced):
        freezer.freeze(ReportSubject(SubjectKind.RUN, 1))
    done = repair(db, ledger, "an", 1)
    assert {each.batch_id for each in done} >= {1, 77}
    assert verify(db, ledger) == []
    assert acts(db) == [("an", "campaign/1")] * len(done)
    assert freezer.freeze(ReportSubject(SubjectKind.RUN, 1))[1]
    assert repair(db, ledger, "an") == []
    assert len(acts(db)) == len(done)


def test_a_sound_ledger_is_left_alone(db: Database) -> None:
    varied(db)
    before = db.read(lambda c: c.execute(select(m.tallies)).all())
    assert repair(db, ledger_for(db), "an") == []
    assert db.read(lambda c: c.execute(select(m.tallies)).all()) == before
    assert acts(db) == []


def sent(db: Database, count: int) -> World:
    world = build(db, count, chunk=count)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(list(lease.items)), None, 30.0)
    return world


@pytest.mark.prove
@other_by_hand
def test_receipts_that_come_meanwhile_are_neither_lost_nor_counted_twice(db: Database) -> None:
    world, stop = sent(db, 300), threading.Event()
    db.write(drift)

    def receive() -> None:
        for seq in range(2, 302):
            db.write(world.ledger.apply, [receipt(world.link, f"m{seq}")])
            if seq % 50 == 0:
                db.write(world.ledger.fold_tallies)
        stop.set()

    receiver = threading.Thread(target=receive)
    receiver.start()
    while not stop.is_set():
        repair(db, world.ledger, "an")
        db.write(lambda c: c.execute(insert(m.tallies).values(STRAY | {"n": 1, "segments": 1})))
    receiver.join()
    repair(db, world.ledger, "an")
    assert world.states() == {7: 300} == world.tallied()
    world.check()


@other_by_hand
def test_two_people_at_once_add_it_once(db: Database) -> None:
    world = sent(db, 100)
    for _ in range(5):
        db.write(drift)
        with ThreadPoolExecutor(3) as people:
            list(people.map(lambda who: repair(db, world.ledger, who), ("an", "binh", "lan")))
        assert verify(db, world.ledger) == []


def test_an_erased_campaign_keeps_its_tallies_whoever_asks(db: Database) -> None:
    world = sent(db, 3)
    begun = {"kind": "campaign", "subject_id": world.campaign, "name": "Tet", "rule": "90 days", "days": 90}
    begun |= {"due_at": 1, "counts": {}, "totals": [], "by": "loa", "started_at": 1}
    db.write(lambda c: c.execute(insert(m.erasures).values(begun)))
    db.write(lambda c: c.execute(delete(m.deliveries)))
    before = world.tallied()
    with pytest.raises(Conflict, match="rows of campaign 1 have been or are being erased"):
        repair(db, world.ledger, "an", world.campaign)
    assert repair(db, world.ledger, "an") == []
    assert world.tallied() == before


def test_a_campaign_that_is_not_there_is_named(db: Database) -> None:
    with pytest.raises(NotFound, match="There is no campaign 9"):
        repair(db, ledger_for(db), "an", 9)
