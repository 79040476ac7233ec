"""After any history that the ledger can live through, every report closes and the recount agrees."""

from __future__ import annotations

import os
import random

import pytest
from sqlalchemy import select, update

from app.core import clock
from app.core.states import NotSent
from app.database.connection import Database
from app.database.models import quarantine, runs, submissions, unknowns
from app.ledger.contract import Arrival, DeliveryKey, DeliveryToSend, Reservation, SubmitOutcome
from app.reports.counting.carrier_report import build as report
from app.reports.counting.carrier_report import build_batch, build_campaign
from app.reports.counting.snapshot_taking import take
from app.reports.counting.snapshots import SnapshotCause
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.verification import snapshot_recount
from app.reports.verification.verify import verify
from carriers.contract import (
    Accepted,
    Deferred,
    Partial,
    Reason,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
    SubmitResult,
    Unknown,
)
from tests.app import world
from tests.app.world import FIRST_PHONE

PHONES = 60
LIVES = int(os.environ.get("LOA_TEST_EXAMPLES", "4"))  # more, and others, where somebody looks for mistakes


class History:
    """A campaign of two batches that overlap, lived through at random."""

    def __init__(self, db: Database, seed: int) -> None:
        self.random = random.Random(seed)
        self.world = world.build(db, PHONES, chunk=10)
        second = [FIRST_PHONE + n for n in range(PHONES - 15, PHONES + 25)]
        self.second = db.write(world.add_batch, self.world.campaign, self.world.run, second)
        self.db, self.ledger = db, self.world.ledger

    def check(self) -> None:
        for batch in (self.world.batch, self.second):
            self.db.read(build_batch, self.world.campaign, batch, clock.now_ms())
        total = self.db.read(build_campaign, self.world.campaign, clock.now_ms()).total
        assert total == self.db.read(report, self.world.run, clock.now_ms()).general
        assert total.eligible == PHONES + 40
        assert [difference.sentence for difference in verify(self.db, self.ledger)] == []

    def queue(self) -> None:
        self.db.write(self.ledger.open_campaign, self.world.campaign)
        batch = self.random.choice((self.world.batch, self.second))
        self.db.write(self.ledger.fan_out, self.world.run, batch, 2, self.random.randint(5, 30))

    def send(self) -> None:
        """A link takes a chunk, declares some of it, and lives or dies."""
        w = self.world
        lease = w.claim()
        if lease is None:
            return
        some = list(lease.items)[: self.random.randint(1, 10)]
        if some:
            intention = Reservation(some[-1].seq, 2 * len(some))
            self.db.write(self.ledger.record, w.link, lease, [], intention, 30.0)
        outcomes = [SubmitOutcome(item, self._result(item, lease.pass_no)) for item in some]
        if self.random.random() < 0.2:
            self.db.write(self.ledger.reclaim)
            if self.random.random() < 0.5:  # it was only frozen, and says later what it knows
                w.claim("another link")
                self.db.write(self.ledger.record, w.link, lease, outcomes, None, 30.0)
            return
        self.db.write(self.ledger.record, w.link, lease, outcomes, None, 30.0)
        self.db.write(self.ledger.release, lease, 0.0)

    def _result(self, item: DeliveryToSend, attempt: int) -> SubmitResult:
        a, b = (f"{item.phone}.{attempt}.{part}" for part in range(2))
        return self.random.choice(
            (
                Accepted((a, b)),
                Accepted((a, b)),
                Accepted((a,)),
                Accepted((None, b)),
                Partial((a, None), (1,), "11", Reason.FILTERED),
                Rejected("11", Reason.NO_SUCH_NUMBER),
                Deferred("88"),
                Deferred("8", counts=True),
                Unknown("time-out", (a, None)),
                Unknown("time-out"),
            )
        )

    def receive(self) -> None:
        """Receipts for anything submitted so far, in any order, often twice, some of them unheard of."""
        query = select(submissions.c.reference).where(submissions.c.reference.is_not(None))
        known = list(self.db.read(lambda c: c.execute(query).scalars().all()))
        lost = list(self.db.read(lambda c: c.execute(select(unknowns.c.phone)).scalars().all()))
        arrivals = [
            self._receipt(reference, None) for reference in self.random.choices(known, k=15 if known else 0)
        ]
        arrivals += [self._receipt(f"lost{phone}{self.random.random()}", phone) for phone in lost[:2]]
        arrivals.append(self._receipt(f"alien{self.random.random()}", None))
        self.random.shuffle(arrivals)
        self.db.write(self.ledger.apply, arrivals)

    def _receipt(self, reference: str, phone: int | None) -> Arrival:
        status = self.random.choice(list(ReceiptStatus))
        level = self.random.choice((ReceiptLevel.OPERATOR, ReceiptLevel.HANDSET))
        bad = status in (ReceiptStatus.UNDELIVERED, ReceiptStatus.EXPIRED)
        reason = self.random.choice(list(Reason)) if bad else Reason.NONE
        return world.receipt(self.world.link, reference, status, phone=phone, level=level, reason=reason)

    def rematch(self) -> None:
        self.db.write(lambda c: c.execute(update(quarantine).values(try_at=0)))
        self.db.write(self.ledger.rematch, 100)

    def decide(self) -> None:
        """A person gives up some unknown messages."""
        u = unknowns.c
        query = select(u.campaign_id, u.batch_id, u.seq)
        keys = [DeliveryKey(*row) for row in self.db.read(lambda c: c.execute(query).all())]
        self.db.write(self.ledger.write_off, keys[2:3], "an")

    def fold(self) -> None:
        self.db.write(self.ledger.fold_tallies)

    def close(self) -> None:
        """The run is cancelled: all is queued first, so that all is counted."""
        for batch in (self.world.batch, self.second):
            while self.db.write(self.ledger.fan_out, self.world.run, batch, 2, 100).more:
                pass
        self.db.write(self.ledger.reclaim)
        closing = int(NotSent.CANCELLED)
        while self.db.write(self.ledger.close_unsent, self.world.run, closing, 100).left:
            pass
        own = update(runs).where(runs.c.id == self.world.run).values(state="cancelled", closing=closing)
        self.db.write(lambda c: c.execute(own))


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(LIVES))
def test_reports_close_and_the_recount_agrees_at_every_moment(db: Database, seed: int) -> None:
    history = History(db, seed)
    history.queue()
    steps = [
        history.queue,
        *[history.send] * 4,
        *[history.receive] * 3,
        history.rematch,
        history.decide,
        history.fold,
    ]
    for number in range(30):
        history.random.choice(steps)()
        if number % 6 == 0:
            history.check()
    history.check()
    history.close()
    history.receive()
    history.check()
    assert db.read(report, history.world.run, clock.now_ms()).general.waiting == 0


def test_a_history_reaches_every_outcome(db: Database) -> None:
    """Guards the test above: a history that visits little would prove little."""
    history = History(db, 1)
    history.queue()
    for _ in range(25):
        for step in (history.queue, history.send, history.send, history.receive):
            step()
    seen = db.read(report, history.world.run, clock.now_ms()).general
    assert min(seen.delivered, seen.relayed, seen.failed, seen.no_receipt, seen.unknown, seen.excluded) > 0


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(LIVES))
def test_every_snapshot_stays_and_is_recounted_when_much_has_happened_since(db: Database, seed: int) -> None:
    """Sending, lost answers, receipts early and late, decisions and a cancellation."""
    history = History(db, seed)
    history.queue()
    steps = [*[history.send] * 4, *[history.receive] * 3, history.rematch, history.decide, history.fold]
    run, moments = ReportSubject(SubjectKind.RUN, history.world.run), []
    for _ in range(8):
        for _ in range(4):
            history.random.choice([*steps, history.queue])()
        at = take(db, [run], SnapshotCause.MIDNIGHT)
        moments.append((at, db.read(report, history.world.run, at)))
        assert list(db.read(lambda c: list(snapshot_recount.of_campaign(c, history.world.campaign)))) == []
    history.close()
    history.receive()
    history.check()  # recounts the snapshots too
    for at, before in moments:
        assert db.read(report, history.world.run, at) == before
