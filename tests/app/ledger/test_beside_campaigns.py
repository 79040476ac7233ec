"""Receipts find their message whatever other campaigns there are, and look into few of these."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Connection, String, cast, event, func, select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import batches, deliveries, last_submissions, quarantine, runs, submissions
from app.ledger.contract import Arrival, Reservation, SubmitOutcome
from carriers.contract import Accepted
from tests.app.ledger.test_receipt_matching import again, sent, state
from tests.app.ledger.times import BAD, DELIVERED, SUBMITTED, UNDELIVERED, apply, look_again, notice, said
from tests.app.world import FIRST_PHONE, World, build

RECENT, OLD = 8, 6


def end(world: World, days: float, sent_days: float | None = None) -> None:
    """Its run ended so many days ago, and its messages went out so many; by default when it ended."""
    ended = clock.now_ms() - round(days * DAY_MS)
    at = clock.now_ms() - round((days if sent_days is None else sent_days) * DAY_MS)
    over = {"state": RunState.FINISHED.value, "started_at": at, "ended_at": ended}
    s, d = submissions.c, deliveries.c

    def work(c: Connection) -> None:
        c.execute(update(runs).where(runs.c.id == world.run).values(over))
        c.execute(update(submissions).where(s.campaign_id == world.campaign).values(at=at))
        c.execute(update(deliveries).where(d.campaign_id == world.campaign).values(submitted_at=at))

    world.db.write(work)


def one_more(world: World, reference: str) -> World:
    """One more campaign to the same numbers; a list is taken once, so the lists before get other names."""
    world.db.write(lambda c: c.execute(update(batches).values(sha256=cast(batches.c.id, String))))
    return again(world, Accepted((reference,)))


def note(world: World) -> None:
    """What a worker does when campaigns have ended."""
    while world.db.read(world.ledger.to_note):
        world.db.write(world.ledger.note_last)


def test_an_id_given_again_means_the_message_that_was_sent_before_the_time_of_its_receipt(
    db: Database,
) -> None:
    over = sent(db, Accepted(("id",)))
    end(over, days=2)
    note(over)
    second = again(over, Accepted(("id",)))
    assert apply(over, said(over, "id", BAD, days=-0.5)) == (1, 1, 0)
    assert (state(over, 2), state(second, 2)) == (UNDELIVERED, SUBMITTED)
    assert apply(over, said(over, "id")) == (1, 1, 0)
    assert (state(over, 2), state(second, 2)) == (UNDELIVERED, DELIVERED)


@pytest.mark.parametrize("days", [2, 20])
def test_an_answer_that_comes_after_its_run_has_ended_is_found_by_its_receipt(
    db: Database, days: float
) -> None:
    world = build(db, 1)
    world.fan_out()
    dead = world.claim(lease_s=0.0)
    assert dead
    db.write(world.ledger.record, world.link, dead, [], Reservation(2, 2), -1.0)
    notice(world)
    end(world, days)
    note(world)
    second = again(world, Accepted(("new",)))
    late = [SubmitOutcome(item, Accepted(("late",))) for item in dead.items]
    db.write(world.ledger.record, world.link, dead, late, None, 30.0)
    assert state(world, 2) == SUBMITTED
    assert apply(world, said(world, "late"), said(world, "new")) == (2, 2, 0)
    assert (state(world, 2), state(second, 2)) == (DELIVERED, DELIVERED)


@pytest.mark.parametrize("days", [2, 20])
def test_what_a_run_that_goes_on_again_has_sent_is_found(db: Database, days: float) -> None:
    world = sent(db, Accepted(("first",)))
    end(world, days=30)
    note(world)
    end(world, days, sent_days=0.01)  # it went on, and ended again by a clock that was set back
    again(world, Accepted(("new",)))
    assert apply(world, said(world, "first")) == (1, 1, 0)
    note(world)
    assert apply(world, said(world, "first", phone=FIRST_PHONE + 1)) == (1, 1, 0)


def test_a_receipt_that_comes_a_year_late_is_found_after_many_tries(db: Database) -> None:
    world = sent(db, Accepted(("old",)))
    end(world, days=350)
    note(world)
    again(world, Accepted(("new",)))
    assert apply(world, said(world, "old")) == (0, 0, 1)
    db.write(lambda c: c.execute(update(quarantine).values(tries=12)))
    look_again(world, times=1)
    assert state(world, 2) == DELIVERED


def test_a_receipt_without_an_id_finds_the_only_message_to_its_number(db: Database) -> None:
    """In the one campaign of several whose messages to it are still without a receipt."""
    first = sent(db, Accepted(("m",)))
    end(first, days=1)
    others = [one_more(first, f"r{n}") for n in range(5)]
    for n, other in enumerate(others):
        end(other, days=1.5)
        assert apply(other, said(other, f"r{n}", days=-1)) == (1, 1, 0)
    note(first)
    assert apply(first, said(first, None)) == (1, 1, 0)
    assert state(first, 2) == DELIVERED


@pytest.mark.parametrize("was_lost", [False, True])
def test_a_receipt_with_an_id_finds_the_only_message_without_one(db: Database, was_lost: bool) -> None:
    """Beside ended campaigns whose messages all bear ids, and that are not asked for its number."""
    if was_lost:  # and settled since, by a receipt without an id
        first = build(db, 1)
        first.fan_out()
        dead = first.claim(lease_s=0.0)
        assert dead
        db.write(first.ledger.record, first.link, dead, [], Reservation(2, 2), -1.0)
        notice(first)
        assert apply(first, said(first, None, BAD)) == (1, 1, 0)
    else:
        first = sent(db, Accepted(()))
    others = [one_more(first, f"r{n}") for n in range(RECENT)]
    for world in (first, *others):
        end(world, days=1.5)
    note(first)
    assert apply(first, said(first, "hers"))[0] == 1
    assert (state(first, 2), state(others[0], 2)) == (DELIVERED, SUBMITTED)


@pytest.mark.longer
def test_numbers_are_looked_up_only_where_a_message_bears_no_id(new_postgresql_url: str) -> None:
    db = Database(new_postgresql_url)
    try:
        first = sent(db, Accepted(()))
        named = [one_more(first, f"r{n}") for n in range(RECENT)]
        for world in (first, *named):
            end(world, days=2)
        note(first)
        stranger = [said(first, "nobody's", phone=FIRST_PHONE + 1_000_000)]
        assert touched(first, stranger, "deliveries")[0] == {first.campaign}
        db.write(lambda c: c.execute(update(last_submissions).values(ended=0)))
        assert len(touched(first, stranger, "deliveries")[0]) == RECENT + 1
    finally:
        db.close()


def test_when_the_last_message_went_out_is_noted_once_a_campaign_has_ended(new_postgresql_url: str) -> None:
    db = Database(new_postgresql_url)
    try:
        world = sent(db, Accepted(("m",)))
        assert not db.read(world.ledger.to_note)
        end(world, days=0.01)
        assert not db.read(world.ledger.to_note), "a lease may run on"
        end(world, days=1)
        note(world)
        last = select(func.max(submissions.c.at)).scalar_subquery()
        query = select(last_submissions.c.campaign_id, last_submissions.c.at == last)
        assert [tuple(row) for row in db.read(lambda c: c.execute(query).all())] == [(world.campaign, True)]
    finally:
        db.close()


@pytest.mark.longer
def test_receipts_touch_no_more_where_there_are_many_campaigns(new_postgresql_url: str) -> None:
    """Of an ended campaign: nothing for our own receipts; a look at its indexes for what nobody knows."""
    db = Database(new_postgresql_url)
    try:
        over = [sent(db, Accepted(("o0",)))]
        over += [one_more(over[0], f"o{n}") for n in range(1, OLD)]
        recent = [one_more(over[0], f"r{n}") for n in range(RECENT)]
        for world in over:
            end(world, days=40)
        own = one_more(over[0], "own")
        other = [said(own, "nobody's", phone=FIRST_PHONE)]
        for world in recent:  # one is there alone at first
            end(world, days=40)
        note(own)
        alone = touched(own, other)
        for world in recent:
            end(world, days=2)
        note(own)
        assert touched(own, [said(own, "own", phone=FIRST_PHONE)])[0] == {own.campaign}
        opened, statements = touched(own, other)
        assert opened == {own.campaign} | {world.campaign for world in recent}
        assert (alone[0], alone[1]) == ({own.campaign}, statements)
    finally:
        db.close()


def touched(
    world: World, arrivals: list[Arrival], tables: str = "submissions|deliveries|receipts"
) -> tuple[set[int], int]:
    """The campaigns whose tables a group of receipts opens, and the statements it builds."""
    asked: list[str] = []

    def work(c: Connection) -> set[int]:
        event.listen(c, "before_cursor_execute", lambda *call: asked.append(call[2]))
        world.ledger.apply(c, arrivals)
        held = "SELECT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid()"
        names = [str(name) for (name,) in c.exec_driver_sql(held)]
        found = (re.fullmatch(rf"(?:{tables})_c(\d+)", name) for name in names)
        return {int(each[1]) for each in found if each}

    return world.db.write(work), len(asked)
