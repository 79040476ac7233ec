"""Asking: what is asked, how often and how fast, what the answers change, and by whom they are fetched."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select, update

from app.core import clock
from app.core.states import DeliveryState, LinkState
from app.database.connection import Database
from app.database.models import deliveries, jobs, receipts, status_queries, unknowns
from app.database.models import links as links_table
from app.ledger.contract import DeliveryKey
from app.receipts.poll import Poll
from app.receipts.status_queries import LONGEST_MS, QueryPlan
from carriers.contract import Halted, ReadError, ReceiptLevel, ReceiptStatus
from tests.app.dispatch.paper import until
from tests.app.receipts.oracle import Oracle, lost, poll, sent, taken
from tests.app.world import FIRST_PHONE, World, receipt

S, U = int(DeliveryState.SUBMITTED), int(DeliveryState.UNKNOWN)
D, R, F = int(DeliveryState.DELIVERED), int(DeliveryState.RELAYED), int(DeliveryState.UNDELIVERED)


@asynccontextmanager
async def at_work(*polls: Poll) -> AsyncIterator[None]:
    """Asking; stopped in order at the end."""
    tasks = [asyncio.create_task(each.run()) for each in polls]
    try:
        yield
    finally:
        for each in polls:
            each.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)


def count(world: World, table: object) -> int:
    return int(world.db.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))  # type: ignore[arg-type]


async def test_unknown_deliveries_of_one_request_are_settled_each_by_its_own_phone(db: Database) -> None:
    world, oracle = sent(db, [lost()] * 5 + [taken()]), Oracle()
    fates = [
        ReceiptStatus.DELIVERED,
        ReceiptStatus.UNDELIVERED,
        ReceiptStatus.EXPIRED,
        ReceiptStatus.DELIVERED,
    ]
    oracle.says = lambda question: fates[(int(question.phone) - FIRST_PHONE) % 4]
    async with at_work(poll(world, oracle)):
        await until(lambda: count(world, unknowns) == 0 and count(world, status_queries) == 0)
    assert world.states() == {D: 3, F: 1, int(DeliveryState.EXPIRED): 1, S: 1}
    assert set(oracle.phones().values()) == {1}
    assert {question.reference for _, question in oracle.asked} == {"req-1"}
    assert {question.sender for _, question in oracle.asked} == {"CA SONLA"}
    world.check()


async def test_an_answer_of_operator_level_is_never_called_delivered(db: Database) -> None:
    world, oracle = sent(db, [lost()]), Oracle()
    oracle.level = ReceiptLevel.OPERATOR
    async with at_work(poll(world, oracle)):
        await until(lambda: world.states() == {R: 1})
    world.check()


async def test_what_the_carrier_says_it_has_is_submitted_and_asked_about_until_it_is_final(
    db: Database,
) -> None:
    world, oracle = sent(db, [lost()]), Oracle()
    answers = [
        ReceiptStatus.IN_TRANSIT,
        ReceiptStatus.UNKNOWN,
        ReceiptStatus.IN_TRANSIT,
        ReceiptStatus.DELIVERED,
    ]
    seen: list[dict[int, int]] = []

    def says(_: object) -> ReceiptStatus:
        seen.append(world.states())
        return answers[len(seen) - 1]

    oracle.says = says
    async with at_work(poll(world, oracle)):
        await until(lambda: world.states() == {D: 1})
    assert seen == [{U: 1}, {S: 1}, {S: 1}, {S: 1}]
    # Only what changed something is kept as a receipt: a link that is asked for days fills no journal.
    assert count(world, receipts) == 2
    world.check()


@pytest.mark.parametrize("answer", [None, ReadError("the status service is away"), RuntimeError("a bug")])
async def test_no_answer_changes_nothing_and_is_asked_for_again_later(
    db: Database, answer: Exception | None
) -> None:
    world, oracle = sent(db, [lost()]), Oracle()
    oracle.says = lambda _: answer
    asking = poll(world, oracle)
    async with at_work(asking):
        await until(lambda: len(oracle.asked) >= 3)
        assert world.states() == {U: 1}
        oracle.says = lambda _: ReceiptStatus.DELIVERED
        await until(lambda: world.states() == {D: 1})
    kind = "none" if answer is None else "failed"
    line = f'loa_questions_total{{answer="{kind}",link="viettel-1"}} {len(oracle.asked) - 1}.0'
    assert line.encode() in asking.inbox.metrics.text()
    pauses = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(oracle.asked)]
    assert all(pause >= 0.05 * 2**nth for nth, pause in enumerate(pauses, start=1)), pauses


async def test_when_it_was_asked_is_kept_with_the_unknown(db: Database) -> None:
    world, oracle = sent(db, [lost(), lost(None)]), Oracle()
    oracle.says = lambda _: None
    async with at_work(poll(world, oracle)):
        asked = select(unknowns.c.asked_at).order_by(unknowns.c.seq)
        await until(lambda: db.read(lambda c: c.execute(asked).scalars().all())[0] is not None)
    assert db.read(lambda c: c.execute(asked).scalars().all())[1] is None
    assert set(oracle.phones()) == {str(FIRST_PHONE)}


async def test_without_a_reference_and_after_a_persons_decision_nothing_is_asked(db: Database) -> None:
    world, oracle = sent(db, [lost(None), lost(), taken()]), Oracle()
    db.write(world.ledger.write_off, [DeliveryKey(world.campaign, world.batch, 3)], "operator")
    async with at_work(poll(world, oracle)):
        await asyncio.sleep(0.5)
    assert oracle.asked == []


@pytest.mark.prove
async def test_sample_asks_evenly_over_the_run_and_all_asks_everybody(db: Database) -> None:
    world, oracle = sent(db, [taken()] * 400, chunk=50), Oracle()
    async with at_work(poll(world, oracle, "sample", sample=20)):
        await until(lambda: world.states().get(D) == 20)
        await asyncio.sleep(0.3)
    assert world.states() == {D: 20, S: 380}
    places = sorted(int(phone) - FIRST_PHONE for phone in oracle.phones())
    assert {later - earlier for earlier, later in itertools.pairwise(places)} <= {19, 20, 21}
    everybody = Oracle()
    db.write(lambda c: c.exec_driver_sql("DELETE FROM polled_chunks"))
    async with at_work(poll(world, everybody, "all")):
        await until(lambda: world.states() == {D: 400})
    assert set(everybody.phones().values()) == {1}
    world.check()


async def test_what_has_its_receipt_by_then_is_not_asked_about(db: Database) -> None:
    world, oracle = sent(db, [taken(f"m{n}") for n in range(600)]), Oracle()
    asking = poll(world, oracle, "all", after_s=60.0)
    async with at_work(asking):
        await until(lambda: count(world, status_queries) == 600)
        db.write(world.ledger.apply, [receipt(world.link, f"m{n}") for n in range(590)])
        assert oracle.asked == []
        db.write(lambda c: c.execute(update(status_queries).values(due_at=1)))  # the minute has passed
        await until(lambda: world.states() == {D: 600})
    assert len(oracle.asked) == 10


async def test_the_links_rate_of_questions_is_kept_and_a_quarter_of_its_room(db: Database) -> None:
    world, oracle = sent(db, [lost()] * 20), Oracle(queries_per_second=40.0, delay_s=0.2)
    oracle.limits = type(oracle.limits)(100.0, in_flight=12)
    async with at_work(poll(world, oracle)):
        await until(lambda: world.states() == {D: 20})
    times = [at for at, _ in oracle.asked]
    assert oracle.most_asked <= 3
    assert times[-1] - times[0] >= 19 / 40 - 0.01


async def test_the_unknown_are_asked_about_before_all_others(db: Database) -> None:
    world, oracle = (
        sent(db, [taken(f"m{n}") for n in range(100)] + [lost(f"x{n}") for n in range(3)]),
        Oracle(),
    )
    oracle.limits = type(oracle.limits)(100.0, in_flight=4)
    oracle.up.clear()
    async with at_work(poll(world, oracle, "all")):
        await asyncio.sleep(0.2)  # all are due by now
        oracle.up.set()
        await until(lambda: world.states() == {D: 103})
    first = [question.reference for _, question in oracle.asked[:10]]
    assert {"x0", "x1", "x2"} <= set(first)


async def test_a_halted_or_closed_link_and_a_halted_link_are_not_asked(db: Database) -> None:
    world, oracle = sent(db, [lost()]), Oracle()
    oracle.refusal = Halted("1", "the account is closed")
    async with at_work(poll(world, oracle)):
        await asyncio.sleep(0.2)
        oracle.refusal = None
        oracle.up.clear()
        await asyncio.sleep(0.2)
        db.write(lambda c: c.execute(update(links_table).values(state=LinkState.HALTED.value)))
        oracle.up.set()
        await asyncio.sleep(0.2)
        assert oracle.asked == []
        db.write(lambda c: c.execute(update(links_table).values(state=LinkState.RUNNING.value)))
        await until(lambda: world.states() == {D: 1})


async def test_after_three_days_nobody_is_asked_any_more(db: Database) -> None:
    world, oracle = sent(db, [lost(), taken()]), Oracle()
    oracle.says = lambda _: None
    async with at_work(poll(world, oracle, "all")):
        await until(lambda: len(oracle.phones()) == 2)
        old = clock.now_ms() - LONGEST_MS - 1000
        db.write(lambda c: c.execute(update(unknowns).values(since=old)))
        db.write(lambda c: c.execute(update(deliveries).values(submitted_at=old)))
        db.write(lambda c: c.execute(update(status_queries).values(since=old, due_at=0)))
        await until(lambda: count(world, status_queries) == 0)
        before = len(oracle.asked)
        await asyncio.sleep(0.3)
        assert len(oracle.asked) == before
    assert world.states() == {U: 1, S: 1}


def test_pauses_double_up_to_an_hour() -> None:
    plan = QueryPlan("unknown", 1, 60.0)
    assert [plan.pause_ms(tries) // 60_000 for tries in (0, 1, 2, 5, 6, 7, 5000)] == [1, 2, 4, 32, 60, 60, 60]


async def test_answers_that_a_database_away_does_not_take_are_asked_for_again(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    world, oracle = sent(db, [lost()] * 3), Oracle()
    db.write(lambda c: c.exec_driver_sql("PRAGMA busy_timeout=50"))
    other = sqlite3.connect(db.url.database or "", isolation_level=None)

    def lock(_: object) -> ReceiptStatus:
        if len(oracle.asked) == 1:
            other.execute("BEGIN IMMEDIATE")
        return ReceiptStatus.DELIVERED

    oracle.says = lock
    async with at_work(poll(world, oracle)):
        await until(lambda: other.in_transaction)
        await asyncio.sleep(0.3)
        other.execute("ROLLBACK")
        await until(lambda: world.states() == {D: 3})
    assert len(oracle.asked) > 3
    other.close()
    world.check()
    db.close()


# ---- one process at a time


async def test_two_processes_share_the_asking_without_a_question_twice(db: Database) -> None:
    world = sent(db, [lost()] * 60)
    oracles = [Oracle(queries_per_second=200.0) for _ in range(2)]
    polls = [poll(world, oracle, lease_s=1.0) for oracle in oracles]
    async with at_work(*polls):
        await until(lambda: world.states() == {D: 60})
    asked = oracles[0].phones() + oracles[1].phones()
    assert len(asked) == 60
    assert set(asked.values()) == {1}
    assert min(len(oracles[0].asked), len(oracles[1].asked)) == 0
    world.check()


async def test_what_a_dead_process_was_asking_another_asks_when_its_lease_is_over(db: Database) -> None:
    world, dying, heir = sent(db, [lost()] * 3), Oracle(delay_s=60.0), Oracle()
    first = asyncio.create_task(poll(world, dying, lease_s=1.0).run())
    await until(lambda: len(dying.asked) == 3)
    first.cancel()  # nothing is handed back: as after kill -9
    await asyncio.gather(first, return_exceptions=True)
    assert count(world, status_queries) == 3
    async with at_work(poll(world, heir, lease_s=1.0)):
        await asyncio.sleep(0.3)
        assert heir.asked == []
        await until(lambda: world.states() == {D: 3})
    world.check()


async def test_a_frozen_process_asks_nothing_once_its_lease_is_over(db: Database) -> None:
    world, oracle = sent(db, [lost()] * 3), Oracle()
    asking = poll(world, oracle, lease_s=1.0)
    oracle.says = lambda _: None
    async with at_work(asking):
        await until(lambda: len(oracle.asked) >= 3)
        stolen = {"owner": "elsewhere:1:a:b", "lease_until": clock.now_ms() + 60_000}
        db.write(lambda c: c.execute(update(jobs).values(stolen)))
        await asyncio.sleep(1.2)
        before = len(oracle.asked)
        await asyncio.sleep(0.5)
        assert len(oracle.asked) == before


async def test_stopping_hands_the_asking_back_at_once(db: Database) -> None:
    world, slow, heir = sent(db, [lost()] * 3), Oracle(delay_s=60.0), Oracle()
    async with at_work(poll(world, slow, lease_s=60.0)):
        await until(lambda: len(slow.asked) == 3)
    async with at_work(poll(world, heir, lease_s=60.0)):
        await until(lambda: world.states() == {D: 3})
    world.check()
