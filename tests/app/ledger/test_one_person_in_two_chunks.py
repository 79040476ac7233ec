"""One person in two chunks gets one SMS: every two ways into a chunk, at every stage of the first of them.

Each case is a family of campaigns of its own: two lists with the person, a follow-up of both, and more
follow-ups. Nobody was reached when it begins, so one SMS is right whatever is queued. A second copy is right
only where a later follow-up was made for people whose message is unknown or has no receipt.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from app.campaigns import queries
from app.campaigns import runs as orders
from app.campaigns.runs import Verb
from app.core.errors import Conflict
from app.core.states import DeliveryState, NotSent, RunState
from app.database.connection import Database
from app.database.models import (
    chunks,
    deliveries,
    do_not_send,
    run_batches,
    runs,
    subscribers,
)
from app.dispatch import unknown_decisions
from app.dispatch.unknown_decisions import UnknownOrder
from app.ledger import unreached
from app.ledger.contract import ChunkLease, Link, Reservation, SubmitOutcome
from app.ledger.ledger import ledger_for
from app.ledger.unreached import Outcome
from app.reports.verification.verify import verify
from carriers.contract import Deferred, Reason, Rejected
from tests.app.at_once import while_open
from tests.app.campaigns import past
from tests.app.campaigns.past import D, approved, audience, follow
from tests.app.campaigns.rows import DRAFT, HOURS, new_batch
from tests.app.world import accepted, approve

SECOND, THIRD = "second follow-up", "follow-up of the follow-up"
FOURTH, FIFTH = "follow-up of the other list", "follow-up of all"
LEASE_S = 30.0
REFUSED, WRITTEN_OFF, SILENT = "refused", "written off", "without a receipt"


@dataclass
class Family:
    """Campaigns with the nth person, by name; sent: the SMS that have gone to the person, by campaign."""

    db: Database
    n: int
    link: Link
    campaigns: dict[str, int] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def first(self, name: str) -> None:
        """A list with the person, queued."""
        db, ledger = self.db, ledger_for(self.db)

        def work(c: Any) -> tuple[int, int, int]:
            campaign = past.lifecycle.create(c, DRAFT, HOURS, "author")
            ledger.open_campaign(c, campaign)
            size = {"lines": 1, "accepted": 1, "created_by": "supplier"}
            batch = new_batch(c, "vnpt", sha256=f"{name} {self.n}", **size)
            run = past.lifecycle.insert_run(c, campaign, "vnpt", [batch], "author")
            c.execute(insert(subscribers).values(batch_id=batch, seq=2, phone=past.number(self.n)))
            c.execute(update(past.campaigns).where(past.campaigns.c.id == campaign).values(state="approved"))
            approve(c, campaign)
            c.execute(update(runs).where(runs.c.id == run).values(state="running", started_at=1))
            return campaign, run, batch

        self.campaigns[name], self.runs[name], batch = db.write(work)
        db.write(ledger.fan_out, self.runs[name], batch, 1, 10)

    def follow(self, name: str, *sources: str) -> None:
        """A follow-up of these, approved and started, with everybody whom a person may choose."""
        followed = [self.campaigns[source] for source in sources]
        copies = sum(
            count.subscribers
            for count in self.db.read(unreached.counts, followed)
            if count.cause.outcome in unreached.MAY_BE_COPIES
        )
        everybody = {"outcomes": tuple(Outcome), "second_copies": copies}
        made = follow(self.db, *followed, **everybody)
        assert audience(self.db, made) == [self.n]
        approved(self.db, made)
        [run] = self.db.read(queries.dossier, made).runs
        orders.order(self.db, Verb.START, run.id, "operator")
        self.campaigns[name], self.runs[name] = made, run.id

    def queue(self, name: str) -> None:
        ledger, b = ledger_for(self.db), run_batches.c
        batches = select(b.batch_id).where(b.run_id == self.runs[name])
        for batch in self.db.read(lambda c: c.execute(batches).scalars().all()):
            self.db.write(ledger.open_campaign, self.campaigns[name])
            self.db.write(ledger.fan_out, self.runs[name], batch, 1, 10)

    def claim(self, name: str, lease_s: float = LEASE_S) -> ChunkLease | None:
        """Claim what is due now in the campaign; a back-off is over."""
        own = chunks.c.run_id == self.runs[name]
        self.db.write(lambda c: c.execute(update(chunks).where(own).values(not_before=0)))
        return self.db.write(ledger_for(self.db).claim, self.link, [self.runs[name]], name, lease_s)

    def reserve(self, name: str, lease: ChunkLease, lease_s: float = LEASE_S) -> ChunkLease:
        """Reserve all of it and put it on the wire, if it may go."""
        if lease.items:
            half = Reservation(lease.items[-1].seq, len(lease.items))
            if self.db.write(ledger_for(self.db).record, self.link, lease, [], half, lease_s).go:
                self.sent += [name for _ in lease.items]
                return lease
        return replace(lease, items=())

    def answer(self, lease: ChunkLease, result: Any = None, *, release: bool = True) -> None:
        ledger, items = ledger_for(self.db), list(lease.items)
        name = f"{self.n}-{lease.campaign_id}-{lease.pass_no}-"
        results = [SubmitOutcome(each, result) for each in items] if result else accepted(items, name)
        self.db.write(ledger.record, self.link, lease, results, None, LEASE_S)
        if release:
            self.db.write(ledger.release, lease, 0.0)

    def lost(self, name: str) -> ChunkLease:
        """Reserved and put on the wire by a process that stops; the next claim makes it unknown."""
        lease = self.claim(name, 0.0)
        assert lease is not None
        lost = self.reserve(name, lease, -1.0)
        heir = self.claim(name)
        if heir is not None:
            self.db.write(ledger_for(self.db).release, heir, 0.0)
        return lost

    def fail(self, name: str, how: str) -> None:
        """The person is not reached by it: refused, or lost and written off; and the run is over."""
        if how == REFUSED:
            lease = self.claim(name)
            assert lease is not None
            assert lease.items
            self.answer(lease, Rejected("45", Reason.SYSTEM))
        else:
            self.lost(name)
            order = UnknownOrder(self.runs[name], "boss", reason="left so")
            assert unknown_decisions.write_off(self.db, ledger_for(self.db), order) == 1
        self.finish(name)
        self.sent.clear()

    def finish(self, name: str) -> None:
        over = {"state": RunState.FINISHED.value, "ended_at": 2}
        own = runs.c.id == self.runs[name]
        self.db.write(lambda c: c.execute(update(runs).where(own).values(over)))

    def state(self, name: str) -> DeliveryState | None:
        own = select(deliveries.c.state).where(deliveries.c.campaign_id == self.campaigns[name])
        found = self.db.read(lambda c: c.execute(own).scalar())
        return None if found is None else DeliveryState(found)

    def send_all(self) -> None:
        """Every link sends all that is due, until nothing is."""
        for name in self.runs:
            for _ in range(3):
                if (lease := self.claim(name)) is not None:
                    self.answer(self.reserve(name, lease))


def family(db: Database, n: int, how: str, *more: str) -> Family:
    """Nobody is reached: by neither list, nor by the follow-up of both; more follow-ups are started."""
    made = Family(db, n, past.link(db))
    for name in ("list", "other list"):
        made.first(name)
        made.fail(name, how)
    made.follow("follow-up", "list", "other list")
    made.queue("follow-up")
    made.fail("follow-up", how)
    for name, sources in MORE.items():
        if name in more:
            made.follow(name, *sources)
    return made


# Follow-ups that people who know nothing of each other make at the same time.
MORE = {
    SECOND: ("list",),
    THIRD: ("follow-up",),
    FOURTH: ("other list",),
    FIFTH: ("list", "other list", "follow-up"),
}


def to_stage(f: Family, name: str, stage: str) -> Callable[[], None]:
    """Bring the first of the two to this stage; return what its process does later."""
    if stage == "lost":
        f.lost(name)
    if stage in ("queued", "lost"):
        return lambda: None
    lease = f.claim(name)
    assert lease is not None, name
    if stage == "claimed ahead":
        return lambda: f.answer(f.reserve(name, lease))
    if stage == "claimed by one that stopped":
        own = chunks.c.run_id == f.runs[name]
        f.db.write(lambda c: c.execute(update(chunks).where(own).values(lease_until=1)))
        return lambda: f.answer(f.reserve(name, lease))
    if stage == "put off, held":
        f.answer(lease, Deferred("58"), release=False)

        def again() -> None:
            items = f.db.write(ledger_for(f.db).next_pass, lease, "vnpt")
            held = replace(lease, pass_no=lease.pass_no + 1, items=items)
            f.answer(f.reserve(name, held))

        return again
    if stage == "put off":
        f.answer(lease, Deferred("58"))
        return lambda: None
    reserved = f.reserve(name, lease)
    if stage == "reserved":
        return lambda: f.answer(reserved)
    f.answer(reserved)
    if stage == SILENT:
        f.finish(name)
    return lambda: None


STAGES = (
    *("queued", "claimed ahead", "claimed by one that stopped", "put off", "put off, held"),
    *("reserved", "lost", "sent", SILENT),
)


def pair(made: Family, stage: str, how: str, one: str, other: str) -> bool:
    """Let the person come into a chunk by one way and, when that is at this stage, by the other; one SMS?

    Of whom nobody knows whether a message came to them, none is right as well.
    """
    made.queue(one)
    later = to_stage(made, one, stage if made.state(one) is D.QUEUED else "queued")
    made.queue(other)
    held = made.claim(other)
    later()
    if held is not None:
        made.answer(made.reserve(other, held))
    made.send_all()
    made.send_all()
    most = 2 if chosen(made, stage, one, other) else 1
    return len(made.sent) == most or (how == WRITTEN_OFF and len(made.sent) < most)


def chosen(made: Family, stage: str, one: str, other: str) -> bool:
    """Return whether the second was made for those, too, of whom an earlier round's message is unclear."""
    return stage in (SILENT, "lost") and made.campaigns[other] > made.campaigns[one]


def others(one: str) -> list[str]:
    return [other for other in MORE if other != one]


def families(db: Database, how: str, one: str) -> list[Family]:
    """Return a family for each way beside this one."""
    return [family(db, n, how, one, other) for n, other in enumerate(others(one))]


def wrong_pairs(made: list[Family], stage: str, how: str, one: str) -> list[tuple[str, list[str]]]:
    pairs = zip(others(one), made, strict=True)
    return [(other, each.sent) for other, each in pairs if not pair(each, stage, how, one, other)]


SOME_STAGES = ("queued", "claimed ahead", "lost", SILENT)


@pytest.mark.longer
@pytest.mark.timeout(120)
@pytest.mark.parametrize("one", MORE)
@pytest.mark.parametrize(("how", "stages"), [(REFUSED, STAGES), (WRITTEN_OFF, SOME_STAGES)])
def test_two_ways_are_one_sms(
    how: str, stages: tuple[str, ...], one: str, sqlite_url: str, tmp_path: Path
) -> None:
    with closing(Database(sqlite_url)) as db:
        begun = families(db, how, one)
    for nth, stage in enumerate(stages):
        file = shutil.copy(tmp_path / "loa.sqlite3", tmp_path / f"{nth}.sqlite3")
        with closing(Database(f"sqlite:///{file}")) as db:
            made = [replace(each, db=db, campaigns={**each.campaigns}, sent=[]) for each in begun]
            assert wrong_pairs(made, stage, how, one) == [], stage
            assert verify(db, ledger_for(db)) == [], stage


# On a server: each stage and each way in `make test`, all of one with all of the other in `make prove`.
_SQUARE = [*zip(STAGES, cycle(MORE))]
_ON_SERVER = [
    pytest.param(
        how, stage, one, marks=() if how == REFUSED and (stage, one) in _SQUARE else pytest.mark.prove
    )
    for how, stages in ((REFUSED, STAGES), (WRITTEN_OFF, SOME_STAGES))
    for stage in stages
    for one in MORE
]


@pytest.mark.longer
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("how", "stage", "one"), _ON_SERVER)
def test_two_ways_are_one_sms_on_a_server(db: Database, how: str, stage: str, one: str) -> None:
    assert wrong_pairs(families(db, how, one), stage, how, one) == []
    assert verify(db, ledger_for(db)) == []


def started(db: Database) -> Family:
    """A refused list, whose follow-up is queued."""
    made = Family(db, 0, past.link(db))
    made.first("list")
    made.fail("list", REFUSED)
    made.follow("follow-up", "list")
    made.queue("follow-up")
    return made


@pytest.mark.longer
def test_a_late_answer_that_it_was_not_taken_queues_no_second_one(db: Database) -> None:
    """A follow-up to those of unknown outcome is made; then the first one's process says: not sent."""
    made = Family(db, 0, past.link(db))
    made.first("list")
    lease = made.lost("list")
    made.follow("follow-up", "list")
    made.queue("follow-up")
    made.sent.clear()  # its carrier says now that it has not taken it
    made.answer(lease, Deferred("58"), release=False)
    assert made.state("list") is D.QUEUED
    follow_up = made.claim("follow-up")
    assert follow_up is not None
    assert (list(follow_up.items), follow_up.waiting) == ([], 1)
    made.send_all()
    assert made.sent == ["list"]
    assert made.state("follow-up") is D.QUEUED  # until it is known what became of the first one


@pytest.mark.longer
def test_what_is_taken_back_while_a_follow_up_has_it_in_hand_waits(db: Database) -> None:
    made, ledger = Family(db, 0, past.link(db)), ledger_for(db)
    made.first("list")
    lost = made.lost("list")
    made.follow("follow-up", "list")
    made.queue("follow-up")
    made.sent.clear()
    leases = []

    def claims(c: Any) -> None:
        leases.append(ledger.claim(c, made.link, [made.runs["follow-up"]], "follow-up", LEASE_S))

    while_open(db, claims, lambda: made.answer(lost, Deferred("58"), release=False))
    again = made.claim("list")
    [lease] = leases
    assert [list(each.items) == [] for each in (again, lease)].count(True) == 1
    made.answer(made.reserve("follow-up", lease))
    made.send_all()
    assert len(made.sent) == 1


@pytest.mark.longer
def test_a_number_in_two_lists_of_one_campaign_is_one_sms(db: Database) -> None:
    made = Family(db, 0, past.link(db))
    made.first("list")

    def add(c: Any) -> None:
        batch = new_batch(c, "vnpt", sha256="again", lines=1, accepted=1)
        c.execute(insert(subscribers).values(batch_id=batch, seq=7, phone=past.number(0)))
        own = {"campaign_id": made.campaigns["list"], "run_id": made.runs["list"], "batch_id": batch}
        c.execute(insert(run_batches).values(own))

    db.write(add)
    made.queue("list")
    made.send_all()
    assert made.sent == ["list"]


@pytest.mark.longer
def test_a_cancelled_run_is_not_resumed_and_its_follow_up_is_one_sms(db: Database) -> None:
    made = Family(db, 0, past.link(db))
    made.first("list")
    run = made.runs["list"]
    db.write(ledger_for(db).close_unsent, run, int(NotSent.CANCELLED), 10)
    over = {"state": RunState.CANCELLED.value, "ended_at": 2}
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == run).values(over)))
    made.follow("follow-up", "list")
    made.queue("follow-up")
    with pytest.raises(Conflict):
        orders.order(db, Verb.RESUME, run, "operator")
    made.send_all()
    assert made.sent == ["follow-up"]


@pytest.mark.longer
def test_an_objection_that_is_taken_back_sends_nothing_that_it_has_stopped(db: Database) -> None:
    made = started(db)
    listed = {"carrier": "vnpt", "phone": past.number(0), "added_at": 1, "added_by": "x"}
    db.write(lambda c: c.execute(insert(do_not_send).values(listed)))
    lease = made.claim("follow-up")
    assert lease is not None
    assert list(lease.items) == []
    db.write(lambda c: c.execute(delete(do_not_send)))
    made.send_all()
    assert made.sent == []
    assert made.state("follow-up") is D.NOT_SENT


@pytest.mark.longer
def test_what_waits_is_sent_once_the_other_round_has_failed_and_ends_where_it_has_arrived(
    db: Database,
) -> None:
    made, ledger = family(db, 0, REFUSED, SECOND, THIRD), ledger_for(db)
    made.queue(SECOND)
    first = made.claim(SECOND)
    assert first is not None
    reserved = made.reserve(SECOND, first)
    made.queue(THIRD)
    for _ in range(3):
        waiting = made.claim(THIRD)
        assert waiting is not None
        assert (list(waiting.items), waiting.waiting, made.state(THIRD)) == ([], 1, D.QUEUED)
        db.write(ledger.release, waiting, 0.0)
    made.answer(reserved, Rejected("45", Reason.SYSTEM))
    made.send_all()
    assert made.sent == [SECOND, THIRD]  # the carrier has refused the first
    assert made.state(THIRD) is D.SUBMITTED


@pytest.mark.longer
def test_what_waits_for_another_round_is_looked_at_again_after_minutes_not_at_once(db: Database) -> None:
    made, ledger = family(db, 0, REFUSED, SECOND, THIRD), ledger_for(db)
    made.queue(SECOND)
    made.queue(THIRD)
    waiting = made.claim(THIRD)
    assert waiting is not None
    db.write(ledger.release, waiting, 0.0)
    assert db.write(ledger.claim, made.link, [made.runs[THIRD]], "x", LEASE_S) is None
    db.write(ledger.close_unsent, made.runs[THIRD], int(NotSent.WINDOW_CLOSED), 10)
    assert made.state(THIRD) is D.NOT_SENT
