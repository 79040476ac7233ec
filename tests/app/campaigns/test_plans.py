"""A Tet plan: rounds in their windows, each approved alone, later ones to whom none has reached."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, event, func, insert, select, update

from app.campaigns import lifecycle, plans
from app.campaigns.plans import Phase, PlanFields, RoundWindow
from app.core.errors import Conflict, Invalid, NotFound
from app.database.connection import Database
from app.database.models import batches, campaigns, directives, runs
from app.directives import plan_status
from app.directives.plan_status import Plan
from app.security import create_key
from tests.app.campaigns import past
from tests.app.campaigns.past import D, change, sent
from tests.app.campaigns.rows import DRAFT, HOURS
from tests.app.client import Client
from tests.engines import each_engine, on_sqlite

database_url = each_engine

TET = datetime.fromisoformat("2031-01-23T07:00:00+07:00")
DAY = timedelta(days=1)
ROUNDS = (
    RoundWindow(Phase.BEFORE, TET - 10 * DAY, TET - 7 * DAY),
    RoundWindow(Phase.BEFORE, TET - 5 * DAY, TET - 2 * DAY),
    RoundWindow(Phase.DURING, TET, TET + 3 * DAY),
    RoundWindow(Phase.AFTER, TET + 7 * DAY, TET + 10 * DAY),
)


@pytest.fixture
def letter(db: Database) -> int:
    row = {"number": "303/CAT-PA05", "issued_on": "2030-12-29", "issuer": "Công an tỉnh", "subject": "Tết"}
    row |= {"addressees": [], "created_at": 1, "created_by": "lan"}
    made = insert(directives).values(row).returning(directives.c.id)
    return int(db.write(lambda c: c.execute(made).scalar_one()))


def made(db: Database, letter: int, rounds: tuple[RoundWindow, ...] = ROUNDS) -> int:
    return db.write(plans.create, PlanFields("Tết Tân Hợi", letter, rounds), "lan")


def sent_in(db: Database, letter: int, window: RoundWindow, outcome: past.Sent) -> int:
    own = replace(DRAFT, directive_id=letter, window_start=window.start, window_end=window.end)
    return sent(db, outcome, draft=own)


def seen(db: Database, plan: int) -> Plan:
    return db.read(plan_status.plan, plan)


@pytest.mark.longer
def test_a_plan_of_four_rounds_from_the_first_sending_to_those_never_reached(
    db: Database, letter: int
) -> None:
    plan = made(db, letter)
    assert [(each.nth, each.phase, each.campaign_id) for each in seen(db, plan).rounds] == [
        (1, "before", None),
        (2, "before", None),
        (3, "during", None),
        (4, "after", None),
    ]
    first = sent_in(db, letter, ROUNDS[0], {n: D.DELIVERED if n < 6 else D.UNDELIVERED for n in range(10)})
    db.write(plans.set_round, plan, 1, first, "lan")
    wanted = plans.FollowUpRequest(())
    second = db.write(plans.follow_up, db, (plan, 2), wanted, (HOURS, "lan"))
    past.fill(db)
    found = seen(db, plan)
    assert [each.campaign_id for each in found.rounds] == [first, second, None, None]
    assert (found.rounds[1].window_start, found.rounds[1].outside) == (ROUNDS[1].start, False)
    assert (found.rounds[1].subscribers, found.rounds[1].follows_up) == (4, [first])
    assert (found.rounds[1].state, found.rounds[1].runs) == ("draft", {"vnpt": "planned"})
    past.begin(db, second)
    for n, state in ((6, D.DELIVERED), (7, D.DELIVERED), (8, D.EXPIRED), (9, D.UNDELIVERED)):
        change(db, second, n, state)
    db.write(lambda c: c.execute(update(runs).values(state="finished")))
    third = db.write(plans.follow_up, db, (plan, 3), wanted, (HOURS, "lan"))
    past.fill(db)
    assert past.audience(db, third) == [8, 9]
    found = seen(db, plan)
    assert (found.persons, [each.first for each in found.rounds]) == (8, [6, 2, 0, 0])
    assert found.rounds[2].follows_up == [first, second]


@pytest.mark.longer
def test_persons_are_counted_again_only_when_more_were_reached(db: Database, letter: int) -> None:
    plan = made(db, letter)
    first = sent_in(db, letter, ROUNDS[0], {n: D.DELIVERED if n < 6 else D.SUBMITTED for n in range(10)})
    db.write(plans.set_round, plan, 1, first, "lan")
    asked: list[str] = []

    def heard(_c: object, _cursor: object, sql: str, *_: object) -> None:
        asked.extend(each for each in ("deliveries",) if f"FROM {each}" in sql)

    def look(c: Connection) -> tuple[int, list[str]]:
        asked.clear()
        event.listen(c.engine, "before_cursor_execute", heard)
        try:
            return plan_status.plan(c, plan).persons, list(asked)
        finally:
            event.remove(c.engine, "before_cursor_execute", heard)

    persons, counted = db.read(look)
    assert (persons, bool(counted)) == (6, True)
    assert db.read(look) == (6, [])
    change(db, first, 7, D.DELIVERED)
    persons, counted = db.read(look)
    assert (persons, bool(counted)) == (7, True)
    change(db, first, 8, D.UNDELIVERED)
    assert db.read(look) == (7, [])


@on_sqlite
def test_rounds_are_in_order_of_time_and_tet(db: Database, letter: int) -> None:
    for wrong, said in (
        ((), "between 1 and 30 rounds"),
        ((replace(ROUNDS[0], end=ROUNDS[0].start),), "Round 1 ends before it starts"),
        ((ROUNDS[1], ROUNDS[0]), "Round 2 is not after round 1"),
        ((ROUNDS[0], replace(ROUNDS[1], start=ROUNDS[0].end - DAY)), "Round 2 is not after round 1"),
        ((ROUNDS[2], replace(ROUNDS[3], phase=Phase.BEFORE)), "Round 2 is not after round 1"),
    ):
        with pytest.raises(Invalid, match=said):
            made(db, letter, wrong)
    for nothing in ("", " … ", "\u3164"):
        with pytest.raises(Invalid, match="The plan needs a name"):
            db.write(plans.create, PlanFields(nothing, letter, ROUNDS), "lan")
    with pytest.raises(Invalid, match="There is no directive 77"):
        made(db, 77)
    with pytest.raises(NotFound):
        seen(db, 9)


@pytest.mark.longer
@on_sqlite
def test_a_round_takes_a_campaign_of_its_directive_and_window_once(db: Database, letter: int) -> None:
    plan = made(db, letter)
    fits = sent_in(db, letter, ROUNDS[0], {1: D.DELIVERED})
    other = sent_in(db, letter, ROUNDS[0], {2: D.DELIVERED})
    elsewhere = sent(db, {3: D.DELIVERED}, "viettel")
    with pytest.raises(Invalid, match="is not under the plan's directive"):
        db.write(plans.set_round, plan, 1, elsewhere, "lan")
    with pytest.raises(Invalid, match="does not keep to the window of round 2"):
        db.write(plans.set_round, plan, 2, fits, "lan")
    for _ in range(2):  # asked again it is so already
        db.write(plans.set_round, plan, 1, fits, "lan")
    with pytest.raises(Conflict, match="Round 1 is campaign 1; withdraw it, or take it out"):
        db.write(plans.set_round, plan, 1, other, "lan")
    with pytest.raises(Conflict, match="is round 1 of plan 1 already"):
        db.write(plans.set_round, made(db, letter), 1, fits, "lan")
    db.write(plans.set_round, plan, 1, None, "lan")
    db.write(plans.set_round, plan, 1, other, "lan")
    with pytest.raises(Invalid, match="Plan 1 has no round 5"):
        db.write(plans.set_round, plan, 5, fits, "lan")


@pytest.mark.longer
@on_sqlite
def test_a_round_whose_campaign_was_edited_out_of_its_window_is_marked(db: Database, letter: int) -> None:
    plan = made(db, letter)
    own = replace(DRAFT, directive_id=letter, window_start=ROUNDS[0].start, window_end=ROUNDS[0].end)
    campaign = db.write(lifecycle.create, own, HOURS, "lan")
    db.write(plans.set_round, plan, 1, campaign, "lan")
    assert not seen(db, plan).rounds[0].outside
    db.write(lifecycle.amend, campaign, {"window_end": ROUNDS[1].end}, HOURS, "lan")
    assert seen(db, plan).rounds[0].outside


@pytest.mark.longer
@on_sqlite
def test_a_round_before_which_nothing_was_sent_has_nobody_to_follow_up(db: Database, letter: int) -> None:
    plan = made(db, letter)
    with pytest.raises(Conflict, match="No round before round 3 has a campaign"):
        db.write(plans.follow_up, db, (plan, 3), plans.FollowUpRequest(()), (HOURS, "lan"))
    first = sent_in(db, letter, ROUNDS[0], {1: D.UNDELIVERED})
    db.write(plans.set_round, plan, 1, first, "lan")
    db.write(plans.follow_up, db, (plan, 2), plans.FollowUpRequest(()), (HOURS, "lan"))
    with pytest.raises(Conflict, match="withdraw it, or take it out"):
        db.write(plans.follow_up, db, (plan, 2), plans.FollowUpRequest(()), (HOURS, "lan"))


def body(letter: int) -> dict[str, Any]:
    rounds = [
        {"phase": each.phase, "window_start": each.start.isoformat(), "window_end": each.end.isoformat()}
        for each in ROUNDS
    ]
    return {"name": "Tết Tân Hợi", "directive_id": letter, "rounds": rounds}


@pytest.mark.longer
@on_sqlite
def test_over_http_a_plan_is_made_once_per_key_and_by_authors(
    application: FastAPI, client: Client, db: Database, letter: int
) -> None:
    key = {"Idempotency-Key": "plan-1"}
    first, again = (client.post("/v1/plans", json=body(letter), headers=key) for _ in range(2))
    assert (first.status_code, first.headers["Location"]) == (201, "/v1/plans/1")
    assert again.json() == first.json()
    one = sent_in(db, letter, ROUNDS[0], dict.fromkeys(range(9), D.UNDELIVERED))
    put = client.put("/v1/plans/1/rounds/1", json={"campaign_id": one})
    assert (put.status_code, put.json()["rounds"][0]["campaign_id"]) == (200, one)
    key = {"Idempotency-Key": "round-2"}
    answers = [client.post("/v1/plans/1/rounds/2/follow-up", json={}, headers=key) for _ in range(2)]
    assert [each.status_code for each in answers] == [201, 201]
    assert db.read(lambda c: c.execute(select(func.count()).select_from(campaigns)).scalar()) == 2
    past.fill(db)
    assert db.read(lambda c: c.execute(select(func.count()).select_from(batches)).scalar()) == 2
    text = client.get("/v1/plans/1").text + client.get("/v1/plans").text
    assert [n for n in range(9) if str(past.number(n))[-9:] in text] == []
    for name, role, carrier, reads in (("op", "operator", "vnpt", 403), ("aud", "auditor", None, 200)):
        with Client(application, db.write(create_key, name, role, carrier)) as other:
            assert other.post("/v1/plans", json=body(letter)).status_code == 403
            assert other.get("/v1/plans/1").status_code == reads
