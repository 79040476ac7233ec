"""A run pauses itself when too many of its messages fail, and goes on when a person says so."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event, func, insert, select, update

from app.campaigns import queries
from app.campaigns import runs as orders
from app.core import clock
from app.core.config import SuspendSettings
from app.core.states import DeliveryState, RunState
from app.database.connection import Database, shared_ms
from app.database.models import audiences, daily_counts, deliveries, late_failures, outcome_counts, runs
from app.dispatch import suspend_sweep
from app.ledger.contract import Arrival, DeliveryToSend, Reservation, SubmitOutcome
from app.security import audit
from carriers.contract import Accepted, Reason, ReceiptStatus, Rejected, SubmitResult, Unknown
from tests.app.world import World, build, receipt
from tests.engines import on_sqlite, other_by_hand

ON = SuspendSettings()
CHUNK = 50
Answer = Callable[[DeliveryToSend], SubmitResult]


def taken(item: DeliveryToSend) -> SubmitResult:
    return Accepted((f"m{item.seq}",))


def some(share: float, otherwise: Callable[[DeliveryToSend], SubmitResult] = taken, seed: int = 1) -> Answer:
    """Refuse this share."""
    place = random.Random(seed)
    return lambda item: Rejected("8", Reason.FILTERED) if place.random() < share else otherwise(item)


def pass_time(c: Connection, ms: int = 1000) -> None:
    """Move all that is stored back, as if so long had passed."""
    for column in (outcome_counts.c.at, late_failures.c.sent_at, deliveries.c.submitted_at):
        c.execute(update(column.table).values({column.name: column - ms}))
    c.execute(update(runs).values(started_at=runs.c.started_at - ms, judged_from=runs.c.judged_from - ms))


class Running:
    """A run that sends a chunk a second, with a look after each."""

    def __init__(self, db: Database, count: int, settings: SuspendSettings = ON) -> None:
        self.world, self.settings, self.sent = build(db, count, chunk=CHUNK), settings, 0
        self.world.fan_out()
        db.write(lambda c: c.execute(update(runs).values(started_at=shared_ms(c))))

    @property
    def db(self) -> Database:
        return self.world.db

    def second(self, answer: Answer, told: Sequence[Arrival] = ()) -> list[DeliveryToSend]:
        """What was sent; receipts are told before the look."""
        lease = self.world.claim()
        items = list(lease.items) if lease else []
        if lease:
            outcomes = [SubmitOutcome(item, answer(item)) for item in items]
            self.db.write(self.world.ledger.record, self.world.link, lease, outcomes, None, 30.0)
            self.db.write(self.world.ledger.release, lease, 0.0)
        if told:
            self.db.write(self.world.ledger.apply, told)
        self.db.write(suspend_sweep.look, self.settings, self.db)
        self.db.write(pass_time)
        self.sent += len(items)
        return items

    def until_paused(self, answer: Answer, most: int) -> int | None:
        """How many messages it took; None if it goes on after so many."""
        begun = self.sent
        while self.sent - begun < most:
            self.second(answer)
            if self.state == RunState.PAUSED:
                return self.sent - begun
        return None

    @property
    def state(self) -> str:
        return str(self.db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()))

    def acts(self) -> list[audit.Act]:
        return [each for each in self.db.read(audit.listed, 0, 100).items if each.action == "run.suspended"]


def failing(
    items: Sequence[DeliveryToSend], world: World, share: float, place: random.Random
) -> list[Arrival]:
    """Receipts of these: this share undelivered, in any order."""
    bad, good = ReceiptStatus.UNDELIVERED, ReceiptStatus.DELIVERED
    found = [
        receipt(world.link, f"m{item.seq}", bad if place.random() < share else good, reason=Reason.BARRED)
        for item in items
    ]
    place.shuffle(found)
    return found


def failures(told: Sequence[Arrival]) -> list[Arrival]:
    return [each for each in told if each.receipt.status is not ReceiptStatus.DELIVERED]


@other_by_hand
@pytest.mark.longer
@pytest.mark.parametrize("before", [0, 500])
def test_a_fifth_that_the_carrier_refuses_pauses_the_run_within_500_messages(
    db: Database, before: int
) -> None:
    run = Running(db, before + 600)
    if before:
        assert run.until_paused(some(0.05), before) is None
    took = run.until_paused(some(0.2, seed=2), 500)
    assert took
    assert took <= 500
    found = run.db.read(queries.run, run.world.run).suspended
    assert found
    assert found.cause in ("refused", "failed")
    assert found.bad / found.of > 0.1
    assert found.reasons["filtered"] >= found.bad
    assert found.sentence.startswith("The run has paused itself: the carrier rejected ")
    (act,) = run.acts()
    assert (act.who, act.subject, act.detail["bad"]) == ("loa", f"run/{run.world.run}", found.bad)
    run.world.check()


@other_by_hand
@pytest.mark.longer
def test_a_fifth_that_receipts_tell_late_and_out_of_order_pauses_the_run(db: Database) -> None:
    run, place, late = Running(db, 1200), random.Random(3), deque[list[DeliveryToSend]]()
    for second in range(24):
        told = late.popleft() if len(late) > 4 else []
        share = 0.05 if second < 8 else 0.2  # of what was sent five seconds before
        late.append(run.second(taken, failing(told, run.world, share, place)))
        if run.state == RunState.PAUSED:
            break
    assert run.state == RunState.PAUSED
    assert (second - 7) * CHUNK <= 500
    assert run.acts()[0].detail["cause"] == "failed"


@pytest.mark.longer
@on_sqlite
def test_failures_that_come_before_slow_deliveries_are_no_rise(db: Database) -> None:
    """One in twenty fails, and is told at once; what is delivered is told half a minute later, or never."""
    run, place = Running(db, 800), random.Random(4)
    sent: list[DeliveryToSend] = []
    for _ in range(14):
        sent = run.second(taken, failures(failing(sent, run.world, 0.05, place)))
    run.second(taken)
    assert run.state == RunState.RUNNING


@pytest.mark.longer
@on_sqlite
def test_failures_that_come_when_nothing_is_sent_any_more_are_no_rise(db: Database) -> None:
    run, place = Running(db, 1000), random.Random(5)
    sent = [item for _ in range(20) for item in run.second(taken)]
    run.second(taken, failures(failing(sent, run.world, 0.06, place)))
    run.second(taken)
    assert run.state == RunState.RUNNING


@other_by_hand
@pytest.mark.longer
def test_an_honest_run_with_one_in_twenty_failing_goes_on(db: Database) -> None:
    run, place = Running(db, 1000), random.Random(6)
    sent: list[DeliveryToSend] = []
    for _ in range(18):
        sent = run.second(some(0.02, seed=len(sent)), failing(sent, run.world, 0.03, place))
    assert run.state == RunState.RUNNING
    assert run.acts() == []


@other_by_hand
@pytest.mark.longer
def test_a_person_lets_it_go_on_and_what_was_before_is_not_judged_again(db: Database) -> None:
    run = Running(db, 1500)
    assert run.until_paused(some(0.3), 500)
    assert orders.order(db, orders.Verb.RESUME, run.world.run, "Lan") == RunState.RUNNING
    assert run.until_paused(some(0.05, seed=8), 400) is None
    assert db.read(queries.run, run.world.run).suspended is None
    assert run.until_paused(some(0.3, seed=9), 500)
    assert len(run.acts()) == 2


@pytest.mark.longer
@on_sqlite
def test_many_looks_at_once_pause_it_once(db: Database) -> None:
    run = Running(db, 500)
    assert run.until_paused(some(0.5), 500)
    assert db.write(suspend_sweep.look, ON, db) == []
    assert not db.read(suspend_sweep.is_due)
    assert len(run.acts()) == 1


@pytest.mark.longer
@on_sqlite
def test_what_a_dead_process_leaves_unknown_is_no_rise_and_answers_that_stay_away_are(db: Database) -> None:
    run = Running(db, 2000)
    lost = lambda item: Unknown("no answer")  # noqa: E731
    for second in range(24):
        run.second(lost if second in (4, 5, 15) else taken)
    assert run.state == RunState.RUNNING
    assert run.until_paused(lost, 500)
    assert run.acts()[0].detail["cause"] == "unknown"


@pytest.mark.longer
@pytest.mark.parametrize("deaths", [(4, 6, 8), (4, 5, 6, 7), range(3, 20, 2)])
def test_processes_that_die_again_and_again_pause_nothing(db: Database, deaths: Sequence[int]) -> None:
    """Three within five seconds, four running, and every other one for as long as the run lasts."""
    run = Running(db, 2000)
    for second in range(24):
        if second in deaths and (lease := run.world.claim()):
            all_of_it = Reservation(lease.items[-1].seq, len(lease.items))
            db.write(run.world.ledger.record, run.world.link, lease, [], all_of_it, -1.0)
        run.second(taken)
    assert run.world.states()[DeliveryState.UNKNOWN] == CHUNK * len(deaths)
    assert (run.state, run.acts()) == (RunState.RUNNING, [])
    assert run.until_paused(lambda _: Unknown("no answer"), 500)
    assert run.acts()[0].detail["cause"] == "unknown"


@pytest.mark.longer
@on_sqlite
def test_checks_are_off_where_the_settings_say_so(db: Database) -> None:
    off = SuspendSettings(failed_percent=0, refused_percent=0, unknown_percent=0, daily_messages=0)
    run = Running(db, 600, off)
    assert run.until_paused(some(0.9), 600) is None


@other_by_hand
@pytest.mark.longer
def test_a_carrier_is_handed_no_more_messages_a_day_than_the_ceiling(db: Database) -> None:
    run = Running(db, 1000, SuspendSettings(daily_messages=200))
    assert run.until_paused(taken, 1000) == 200
    found = db.read(queries.run, run.world.run).suspended
    assert found
    assert (found.cause, found.bad, found.of) == ("daily", 200, 200)
    orders.order(db, orders.Verb.RESUME, run.world.run, "Lan")
    assert run.until_paused(taken, 1000) == 200  # as many again
    orders.order(db, orders.Verb.RESUME, run.world.run, "Lan")
    run.second(taken)
    db.write(lambda c: c.execute(update(daily_counts).values(day=daily_counts.c.day - 1)))
    assert run.until_paused(taken, 1000) == 200  # of the next day


@pytest.mark.longer
@on_sqlite
@pytest.mark.parametrize(("hour", "more"), [(0, 200), (7, 50)])
def test_a_day_begins_at_midnight_in_viet_nam(
    db: Database, monkeypatch: pytest.MonkeyPatch, hour: int, more: int
) -> None:
    run = Running(db, 400, SuspendSettings(daily_messages=200))
    turn = clock.to_ms(clock.midnight(clock.local(clock.now()).date() + timedelta(days=1))) + hour * 3_600_000
    started = {"started_at": turn - 120_000}
    db.write(lambda c: c.execute(update(runs).values(started)))
    now = {"ms": turn - 60_000}
    monkeypatch.setattr(suspend_sweep, "shared_ms", lambda _: now["ms"])
    for _ in range(3):
        run.second(taken)
    now["ms"] = turn + 60_000
    assert run.until_paused(taken, 250) == more


def test_two_workers_that_look_at_a_new_run_at_once_both_go_on(db: Database) -> None:
    """The other one's row comes after this one has seen none and before it writes its own."""
    if db.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    run, others = Running(db, 100), Database(db.engine.url.render_as_string(hide_password=False))
    looked: list[object] = []

    def first(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO daily_counts") and not looked:
            looked.append(statement)
            others.write(suspend_sweep.look, ON, others)

    event.listen(Engine, "before_cursor_execute", first)
    try:
        run.second(taken)
    finally:
        event.remove(Engine, "before_cursor_execute", first)
        others.close()
    assert looked
    assert db.read(lambda c: c.execute(select(daily_counts.c.sent)).scalars().all()) == [CHUNK]


@pytest.mark.longer
@on_sqlite
@pytest.mark.parametrize(("state", "more"), [(RunState.PAUSED, 200), (RunState.FINISHED, 250)])
def test_what_was_sent_yesterday_evening_is_not_of_today(db: Database, state: RunState, more: int) -> None:
    """A finished run may be opened again by an order; then the first second is not counted."""
    run = Running(db, 400, SuspendSettings(daily_messages=200))
    run.second(taken)
    db.write(lambda c: c.execute(update(runs).values(state=state)))
    hour = clock.local(clock.from_ms(db.read(shared_ms))).hour
    db.write(pass_time, (hour + 1) * 3_600_000)
    db.write(lambda c: c.execute(update(daily_counts).values(day=daily_counts.c.day - 1)))
    db.write(suspend_sweep.forget, db.read(shared_ms))
    db.write(lambda c: c.execute(update(runs).values(state=RunState.RUNNING)))
    assert run.until_paused(taken, 400) == more


@on_sqlite
def test_a_run_whose_carrier_sends_itself_is_left_alone(db: Database) -> None:
    run = Running(db, 100)
    held = {"run_id": run.world.run, "areas": [], "area_basis": "dia_chi_dang_ky", "estimated": 9}
    db.write(lambda c: c.execute(insert(audiences).values(held)))
    assert run.until_paused(some(1.0), 100) is None


@pytest.mark.longer
@on_sqlite
def test_what_is_noted_does_not_grow_with_the_years(db: Database) -> None:
    run, place = Running(db, 500), random.Random(7)
    sent: list[DeliveryToSend] = []
    for _ in range(8):
        sent = run.second(taken, failing(sent, run.world, 0.05, place))
    db.write(pass_time, 2 * suspend_sweep.KEPT_MS)
    db.write(lambda c: c.execute(update(daily_counts).values(day=daily_counts.c.day - 1)))
    db.write(suspend_sweep.forget, db.read(shared_ms))
    assert list(counts(db)) == [0, 0, 1]  # it may go on: what it sent before today is not today's
    db.write(lambda c: c.execute(update(runs).values(state=RunState.FINISHED)))
    db.write(suspend_sweep.forget, db.read(shared_ms))
    assert list(counts(db)) == [0, 0, 0]


def counts(db: Database) -> Iterator[int]:
    for table in (outcome_counts, late_failures, daily_counts):
        yield db.read(lambda c, of=table: int(c.execute(select(func.count()).select_from(of)).scalar_one()))  # type: ignore[misc]


@pytest.mark.longer
def test_a_failure_that_turns_out_to_be_none_is_taken_back(db: Database) -> None:
    run = Running(db, 100)
    sent = run.second(taken)
    for status in (ReceiptStatus.UNDELIVERED, ReceiptStatus.DELIVERED):
        db.write(run.world.ledger.apply, [receipt(run.world.link, f"m{sent[0].seq}", status)])
    assert db.read(lambda c: c.execute(select(func.sum(late_failures.c.n))).scalar()) == 0
    assert run.world.states()[DeliveryState.DELIVERED] == 1
