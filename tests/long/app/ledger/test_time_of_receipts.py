"""A receipt moves only what it can be about: sent after it was made, by that sending, on that account."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, insert, select, update

from app.core import clock
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import erasures, quarantine, runs, submissions, unknowns
from app.ledger.contract import SubmitOutcome
from app.receipts import receipt_log
from app.reports.verification.verify import verify
from carriers.contract import Accepted, ReceiptStatus, Unknown
from tests.app.ledger.test_receipt_matching import again, answer, count, sent, state
from tests.app.ledger.times import (
    BAD,
    DELIVERED,
    GOOD,
    ON_ITS_WAY,
    SUBMITTED,
    UNDELIVERED,
    UNKNOWN,
    apply,
    killed,
    look_again,
    passes,
    said,
)
from tests.app.world import FIRST_PHONE, accepted, build
from tests.engines import by_default

database_url = by_default


# ---- one id for two messages -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [GOOD, BAD], ids=["delivered", "failed"])
@pytest.mark.parametrize("apart_days", [0.0, 0.2], ids=["at once", "within hours"])
def test_an_id_that_two_numbers_have_settles_neither_without_a_number(
    db: Database, status: ReceiptStatus, apart_days: float
) -> None:
    world = sent(db, Accepted(("K1",)), count=1)
    passes(db, apart_days)
    second = again(world, Accepted(("K1",)))  # of its two numbers the second is another
    nobody = said(world, "K1", status, phone=None)
    assert apply(world, nobody, nobody) == (0, 0, 2)
    look_again(world)
    assert (state(world), state(second), count(db, quarantine)) == (SUBMITTED, SUBMITTED, 2)
    (first, *_), _ = db.read(
        lambda c: receipt_log.waiting(c, receipt_log.links_of(c, None), receipt_log.LATEST, 10)
    )
    assert first.why is receipt_log.QuarantineReason.SEVERAL_HAVE_IT
    assert apply(world, said(world, "K1", phone=FIRST_PHONE + 1)) == (1, 1, 0)
    assert (state(world), second.delivery(3)["state"]) == (SUBMITTED, DELIVERED)


def test_an_id_that_is_given_again_on_another_day_is_the_newest_message_s(db: Database) -> None:
    world = sent(db, Accepted(("K1",)), count=1)
    passes(db, 2)
    second = again(world, Accepted(("K1",)))
    db.write(lambda c: c.execute(delete(submissions).where(submissions.c.seq == 3)))
    assert apply(world, said(world, "K1", phone=None)) == (1, 1, 0)
    assert (state(world), state(second)) == (SUBMITTED, DELIVERED)


# ---- a clock that was set back ---------------------------------------------------------------------------


@pytest.mark.parametrize("days", [0.0, None], ids=["with its time", "without"])
@pytest.mark.parametrize("by_days", [1 / 24, 1, 40], ids=["an hour", "a day", "weeks"])
@pytest.mark.parametrize("reference", ["K1", None], ids=["with its id", "without it"])
def test_after_the_clock_was_set_back_the_receipts_of_what_was_sent_before_are_matched(
    db: Database, days: float | None, by_days: float, reference: str | None
) -> None:
    world = sent(db, Accepted((reference,) if reference else ()), count=1)
    passes(db, -by_days)  # what is stored is of a time to come
    assert apply(world, said(world, reference, days=days)) == (1, 1, 0)
    assert state(world) == DELIVERED
    world.check()


def test_after_the_clock_was_set_back_receipts_of_an_id_for_all_are_matched(db: Database) -> None:
    world = sent(db, Accepted(("0",)), count=3)
    passes(db, -1)
    several = [said(world, "0", phone=FIRST_PHONE + n) for n in range(3)]
    assert apply(world, *several) == (3, 3, 0)


def test_a_receipt_that_waited_is_not_about_what_was_sent_since_though_the_clock_was_set_back(
    db: Database,
) -> None:
    """An id that is given again: the receipt is of the message before, which was erased meanwhile."""
    world = build(db, 1)
    db.write(world.ledger.open_campaign, world.campaign)
    assert apply(world, said(world, "K1", days=None)) == (0, 0, 1)
    db.write(
        lambda c: c.execute(update(quarantine).values(received_at=quarantine.c.received_at - 10 * 60_000))
    )
    answer(world, Accepted(("K1",)))
    waits = db.read(lambda c: c.execute(select(quarantine.c.received_at)).scalar_one())
    passes(db, -1)
    db.write(lambda c: c.execute(update(quarantine).values(received_at=waits)))
    look_again(world, 15)
    assert (state(world), count(db, quarantine)) == (SUBMITTED, 1)


def test_of_an_id_given_again_since_the_clock_was_set_back_the_newer_message_is_meant(db: Database) -> None:
    world = sent(db, Accepted(("K1",)), count=1)
    passes(db, -1)
    second = again(world, Accepted(("K1",)))
    assert apply(world, said(world, "K1")) == (1, 1, 0)
    assert (state(world), state(second)) == (SUBMITTED, DELIVERED)


def test_a_receipt_without_its_number_that_came_before_the_message_is_not_its_own(db: Database) -> None:
    world = sent(db, Accepted(("K1",)), count=1)
    passes(db, -1 / 24)
    assert apply(world, said(world, "K1", phone=None, days=None)) == (0, 0, 1)
    assert state(world) == SUBMITTED


# ---- unknown messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-40.0, -1.0, None], ids=["done-weeks-ago", "done-yesterday", "no-time"])
@pytest.mark.parametrize("reference", ["another", None], ids=["named", "nameless"])
def test_a_receipt_from_before_the_sending_settles_no_unknown(
    db: Database, reference: str | None, days: float | None
) -> None:
    world = build(db, 1)
    db.write(world.ledger.open_campaign, world.campaign)
    assert apply(world, said(world, reference, days=days)) == (0, 0, 1)
    passes(db, 40 if days is None else 0.5)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(
        world.ledger.record,
        world.link,
        lease,
        [SubmitOutcome(lease.items[0], Unknown("no answer"))],
        None,
        30.0,
    )
    look_again(world)
    assert (state(world), count(db, unknowns), count(db, quarantine)) == (UNKNOWN, 1, 1)
    world.check()


def test_a_receipt_that_comes_today_and_tells_of_weeks_ago_settles_no_unknown(db: Database) -> None:
    world = sent(db, Unknown("no answer"), count=1)
    assert apply(world, said(world, "old", days=-40), said(world, None, days=-40)) == (0, 0, 2)
    look_again(world)
    assert (state(world), count(db, unknowns)) == (UNKNOWN, 1)


def test_a_receipt_weeks_after_an_unknown_was_noticed_is_of_something_else(db: Database) -> None:
    world = sent(db, Unknown("no answer"), count=1)
    passes(db, 20)
    assert apply(world, said(world, "new"), said(world, None)) == (0, 0, 2)
    look_again(world)
    assert state(world) == UNKNOWN
    assert apply(world, said(world, "late", days=-19.9)) == (
        0,
        0,
        1,
    )  # but late ones of its own time settle it
    look_again(world)
    assert state(world) == DELIVERED


def test_an_unknown_whose_own_reference_is_known_learns_no_other(db: Database) -> None:
    world = sent(db, Unknown("no answer", ("K1",)), count=1)
    assert apply(world, said(world, "foreign")) == (0, 0, 1)
    look_again(world)
    assert (state(world), count(db, unknowns), count(db, quarantine)) == (UNKNOWN, 1, 1)
    assert apply(world, said(world, "K1")) == (1, 1, 0)


def test_of_two_unknown_ones_the_time_tells_which_is_meant(db: Database) -> None:
    first = sent(db, Unknown("no answer"), count=1)
    passes(db, 20)
    second = again(first, Unknown("no answer"))
    assert apply(first, said(first, "x1")) == (0, 0, 1)
    look_again(first)
    assert (state(first), state(second)) == (UNKNOWN, DELIVERED)


@pytest.mark.parametrize("order", [("r1", "r1", "r2"), ("r1", "r2", "r1"), ("r2", "r1", "r1", "r2")])
@pytest.mark.parametrize("first", [GOOD, ON_ITS_WAY])
def test_a_receipt_that_is_repeated_after_a_kill_is_one_part_and_not_two(
    db: Database, order: tuple[str, ...], first: ReceiptStatus
) -> None:
    world = killed(db, parts=2)
    apply(world, said(world, order[0], first), *[said(world, each) for each in order[1:]])
    if first is ON_ITS_WAY:
        apply(world, said(world, order[0]))
    assert world.claim("heir")
    look_again(world)
    row = world.delivery(2)
    assert (row["state"], row["delivered"]) == (DELIVERED, 0b11)
    assert (count(db, unknowns), count(db, quarantine)) == (0, 0)
    assert verify(db, world.ledger) == []


def test_a_receipt_for_an_unknown_message_of_a_campaign_under_erasure_waits(db: Database) -> None:
    world = sent(db, Unknown("no answer"), count=2)
    begun = {"kind": "campaign", "subject_id": world.campaign, "name": "x", "rule": "campaign", "days": 90}
    begun |= {"due_at": 0, "counts": {}, "totals": [], "by": "retention"}
    begun |= {"started_at": clock.now_ms()}
    db.write(lambda c: c.execute(insert(erasures).values(begun)))
    db.write(world.ledger.detach, world.campaign)
    assert apply(world, said(world, "x1"), said(world, None, phone=FIRST_PHONE + 1)) == (0, 0, 2)
    look_again(world)
    assert (count(db, unknowns), count(db, quarantine)) == (2, 2)
    assert world.tallied() == {int(UNKNOWN): 2}


# ---- references ------------------------------------------------------------------------------------------


def test_a_reference_that_is_used_again_belongs_to_the_message_of_its_time(db: Database) -> None:
    old = sent(db, Accepted(("1",)), count=1)
    passes(db, 30)
    # Before today's message is recorded its receipt finds nobody; that of 30 days ago is not touched.
    assert apply(old, said(old, "1")) == (0, 0, 1)
    new = again(old, Accepted(("1",)))
    look_again(new, times=1)
    assert (state(old), state(new)) == (SUBMITTED, DELIVERED)
    assert apply(old, said(old, "1", BAD, days=-29.9, phone=None)) == (1, 1, 0)
    assert apply(old, said(old, "1", BAD, days=-29.9)) == (1, 0, 0)
    assert (state(old), state(new)) == (UNDELIVERED, DELIVERED)


@pytest.mark.parametrize("days", [-30.0, -2.0])
def test_a_late_receipt_of_another_program_moves_no_message_of_today(db: Database, days: float) -> None:
    world = sent(db, Accepted(("5",)), count=1)
    bad = ReceiptStatus.EXPIRED
    assert apply(world, said(world, "5", bad, days=days, phone=None)) == (0, 0, 1)
    assert apply(world, said(world, "5", bad, days=-1.0, phone=None)) == (0, 0, 1)
    assert apply(world, said(world, "5", bad, days=days)) == (0, 0, 1)
    look_again(world, times=14)
    assert state(world) == SUBMITTED


def test_what_waited_for_days_is_not_of_a_message_of_today(db: Database) -> None:
    world = build(db, 1)
    db.write(world.ledger.open_campaign, world.campaign)
    assert apply(world, said(world, "m2", days=None)) == (0, 0, 1)
    passes(db, 3)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)
    look_again(world)
    assert (state(world), count(db, quarantine)) == (SUBMITTED, 1)


def test_a_newer_message_of_a_finished_run_is_preferred_to_an_older_one_under_way(db: Database) -> None:
    older = sent(db, Accepted(("7",)), count=1)
    passes(db, 3)
    newer = again(older, Accepted(("7",)))
    over = {"state": RunState.FINISHED.value, "ended_at": clock.now_ms()}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == newer.run).values(over)))
    assert apply(older, said(older, "7")) == (1, 1, 0)
    assert (state(older), state(newer)) == (SUBMITTED, DELIVERED)


@pytest.mark.parametrize("late", [20, 80])
def test_a_receipt_weeks_late_moves_its_own_message(db: Database, late: int) -> None:
    world = sent(db, Accepted(("9",)), count=1)
    passes(db, late)
    assert apply(world, said(world, "9", days=-late)) == (1, 1, 0)
    assert state(world) == DELIVERED


def test_a_receipt_weeks_late_that_states_its_own_time_waits_an_hour_first(db: Database) -> None:
    world = sent(db, Accepted(("9",)), count=1)
    passes(db, 20)
    assert apply(world, said(world, "9", days=0)) == (0, 0, 1)
    look_again(world, times=12)
    assert state(world) == SUBMITTED
    look_again(world, times=1)
    assert (state(world), count(db, quarantine)) == (DELIVERED, 0)


@pytest.mark.parametrize("hours", [-24, -7, 7, 24, 0.1])
def test_a_wrong_zone_or_a_fast_clock_keeps_no_receipt_from_its_message(db: Database, hours: float) -> None:
    world = sent(db, Accepted(("9",)), count=1)
    assert apply(world, said(world, "9", days=hours / 24)) == (1, 1, 0)


def test_one_reference_for_all_parts_speaks_of_all_of_them(db: Database) -> None:
    world = sent(db, Accepted(("one", "one", "one")), count=1)
    assert world.delivery(2)["parts"] == 3
    assert apply(world, said(world, "one", phone=None)) == (1, 1, 0)
    assert (state(world), world.delivery(2)["delivered"]) == (DELIVERED, 0b111)
    assert verify(db, world.ledger) == []
