"""Rules with a neighbour at hand that a slightly wrong rule would take in or leave out.

Each was planted as a bug by somebody who had not seen the tests, and nothing found it.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.api import if_match
from app.campaigns import runs as run_rules
from app.cli import do_not_send_commands
from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import DeliveryState
from app.database import models as m
from app.database.connection import Database
from app.directives.status import status
from app.notifications import outbox
from app.notifications.outbox import Later, Notice, NotificationChannel
from app.privacy import do_not_send
from app.privacy.person_answers import find
from tests.app.campaigns import past
from tests.app.world import FIRST_PHONE, build
from tests.long.app.reports.intake.scene import held

HOUR = 3_600_000


def put(db: Database, table: Any, **values: Any) -> None:
    db.write(lambda c: c.execute(insert(table).values(values)))


def test_whoever_uploaded_a_list_again_stands_behind_its_follow_up(db: Database) -> None:
    campaign = past.sent(db, dict.fromkeys(range(3), DeliveryState.UNDELIVERED))
    db.write(lambda c: c.execute(update(m.batches).values(created_by="ann", again_by=["ben"])))
    follow_up = past.follow(db, campaign, who="lan")
    own = select(m.run_batches.c.batch_id).where(m.run_batches.c.campaign_id == follow_up)
    query = select(m.batches.c.again_by).where(m.batches.c.id.in_(own))
    assert db.read(lambda c: c.execute(query).scalars().all()) == [["ann", "ben"]]


def test_resuming_one_carrier_counts_no_other_carriers_day_anew(db: Database) -> None:
    world = build(db, 1)
    other = db.write(
        lambda c: c.execute(
            insert(m.runs).values(
                campaign_id=world.campaign, carrier="vnpt", state="running", created_at=clock.now_ms()
            )
        ).inserted_primary_key[0]
    )
    for run in (world.run, other):
        put(db, m.daily_counts, run_id=run, day=1, before=0, sent=500)
    db.write(run_rules._count_day_anew, "viettel")
    query = select(m.daily_counts.c.run_id, m.daily_counts.c.before)
    assert dict(db.read(lambda c: [(row.run_id, row.before) for row in c.execute(query)])) == {
        world.run: 500,
        other: 0,
    }


def test_messages_of_no_known_kind_are_a_persons_own_and_reports_of_scams_are_kept(db: Database) -> None:
    world = build(db, 1)
    for n, kind in enumerate((None, "other", "report"), 1):
        about = {"destination": "5656", "coding": 0, "text": "x", "digest": n, "arrival": str(n)}
        about |= {"phone": FIRST_PHONE, "link_id": world.link.id, "received_at": clock.now_ms()}
        put(db, m.inbound_messages, id=n, kind=kind, **about)
    assert db.read(find, FIRST_PHONE).inbound == [1, 2]


@pytest.mark.parametrize("column", ["name", "kind", "carrier", "email"])
def test_each_column_of_an_addressee_is_in_the_version_that_guards_its_edits(
    db: Database, column: str
) -> None:
    held(db)
    put(db, m.addressees, directive_id=1, name="Báo A", kind="press", email="a@example.vn")
    before = db.read(if_match.addressees_version, 1)
    changed = {"name": "Báo B", "kind": "bank", "carrier": "vnpt", "email": "b@example.vn"}[column]
    db.write(lambda c: c.execute(update(m.addressees).values({column: changed})))
    assert db.read(if_match.addressees_version, 1) != before


def test_an_endpoint_that_asks_for_a_second_gets_the_pauses_that_grow(db: Database) -> None:
    db.write(outbox.put, [Notice("k", "run.sent", NotificationChannel.WEBHOOK, "e", {})])
    waits = []
    for _ in range(4):
        due = db.write(outbox.next_due)
        assert due is not None
        db.write(outbox.record_outcome, due, Later("busy", 1.0))
        at = db.read(lambda c: c.execute(select(m.notices.c.due_at)).scalar_one())
        waits.append(at - clock.now_ms())
        db.write(lambda c: c.execute(update(m.notices).values(due_at=0)))
    assert waits == sorted(waits)
    assert waits[-1] > 10 * waits[0] > 1000


def test_lines_refused_in_a_later_part_of_a_list_keep_their_numbers(db: Database) -> None:
    numbers = ["bad", *(f"0981{n:06d}" for n in range(9_999)), "bad too"]
    add = lambda part: db.write(do_not_send.add, "viettel", part, "ann")  # noqa: E731
    done = do_not_send_commands._in_parts(add, iter(numbers))
    assert [each.place for each in done.refused] == [1, 10_001]


def test_a_correction_after_the_deadline_makes_nobody_late(db: Database) -> None:
    """The first version came in time, and what corrects it is no late report."""
    held(db)
    now = clock.now_ms()
    db.write(lambda c: c.execute(update(m.directives).values(report_deadline=now - HOUR)))
    general = {"eligible": 1000, "excluded": 0, "sent": 970, "received": 900, "failed": 50, "no_receipt": 20}
    figures = {"general": general, "segments": None, "resent": None}
    figures |= {name: [] for name in ("excluded", "areas", "days", "reasons")}
    common = {"run_id": 2, "kind": "stated", "level": 2, "source": "api", "by": "ann", "figures": figures}
    common |= {"cutoff_at": now - 3 * DAY_MS, "ended_at": now - 4 * DAY_MS}
    put(db, m.statements, version=1, received_at=now - 2 * DAY_MS, at=now - 2 * DAY_MS, **common)
    put(db, m.statements, version=2, received_at=now - 60_000, at=now - 60_000, reason="slip", **common)
    judged = {run.run_id: run.in_time for run in db.read(status, 1, clock.now()).runs}
    assert judged[2] is True
