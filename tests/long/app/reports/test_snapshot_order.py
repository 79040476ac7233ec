"""A snapshot keeps what it had seen, so a clock that was ahead when it was taken does no lasting harm."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select, update

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import DeliveryState
from app.database import models as m
from app.database.connection import Database
from app.dispatch import run_sweeps
from app.reports.counting import snapshots
from app.reports.counting.snapshot_taking import take
from app.reports.counting.snapshots import SnapshotCause
from app.reports.frozen import archive
from app.reports.frozen.archive import Frozen, ReportSubject, SubjectKind
from app.reports.release import verify_archive
from app.reports.release.freeze import Freezer
from app.reports.verification import tally_repair
from app.reports.verification.verify import verify
from tests.app import world
from tests.app.ledger.times import passes
from tests.app.world import World
from tests.engines import each_engine
from tests.long.app.reports.test_freeze import HEADS

database_url = each_engine
RUN = ReportSubject(SubjectKind.RUN, 1)
HOUR_MS = 3_600_000


@pytest.fixture
def begun(db: Database) -> World:
    """A third of the messages is sent, most of it received."""
    made = world.build(db, 30, chunk=10)
    db.write(lambda c: c.execute(update(m.runs).values(started_at=clock.now_ms() - HOUR_MS)))
    made.fan_out()
    send(made, "a")
    return made


def send(made: World, name: str) -> None:
    lease = made.claim()
    assert lease is not None
    made.db.write(made.ledger.record, made.link, lease, world.accepted(lease.items, name), None, 30.0)
    made.db.write(made.ledger.release, lease, 0.0)
    came = [world.receipt(made.link, f"{name}{item.seq}", phone=item.phone) for item in lease.items[:6]]
    made.db.write(made.ledger.apply, came)


def take_ahead(made: World, hours: float, cause: SnapshotCause = SnapshotCause.DEADLINE) -> int:
    """Take a snapshot by a clock that is ahead by so many hours; return its time."""
    taken = take(made.db, [RUN], cause)
    ahead = taken + round(hours * HOUR_MS)
    made.db.write(lambda c: c.execute(update(m.snapshots).values(cutoff_at=ahead)))
    return ahead


def finish(made: World) -> None:
    made.db.write(run_sweeps.advance, made.ledger, 5 * DAY_MS)


def freeze(made: World) -> Frozen:
    return Freezer(made.db, made.ledger, HEADS, "an").freeze(RUN)[0]


def differences(made: World) -> list[str]:
    return [each.sentence for each in verify(made.db, made.ledger)]


def forget_counts(db: Database, settled_ms: int) -> None:
    """Let the snapshots be as those of before there were counts: with the clock's time alone."""
    values: dict[str, Any] = {"changes_seen": None, "settled_at": settled_ms}
    db.write(lambda c: c.execute(update(m.snapshots).values(values)))


def test_a_snapshot_taken_while_the_clock_was_ahead_is_named_and_keeps_no_report_back(begun: World) -> None:
    ahead = take_ahead(begun, 7)
    send(begun, "b")
    send(begun, "c")
    finish(begun)
    (sentence,) = differences(begun)
    assert f"snapshot of {snapshots.said(ahead)}: the clock was ahead when it was taken" in sentence
    first = freeze(begun)
    assert verify_archive.prove(begun.db, first).sound
    assert freeze(begun).version == first.version


def test_what_was_recorded_while_the_clock_was_ahead_leaves_only_totals_to_compare(begun: World) -> None:
    """Rows and snapshot have times to come; what is recorded after the clock was put right, earlier ones."""
    take(begun.db, [RUN], SnapshotCause.DEADLINE)
    passes(begun.db, -7 / 24)
    ahead = {name: m.snapshots.c[name] + 7 * HOUR_MS for name in ("cutoff_at", "settled_at")}
    begun.db.write(lambda c: c.execute(update(m.snapshots).values(ahead)))
    begun.db.write(lambda c: c.execute(update(m.runs).values(started_at=m.runs.c.started_at - 7 * HOUR_MS)))
    send(begun, "b")
    send(begun, "c")
    finish(begun)
    assert any("changes recorded after it have earlier times" in sentence for sentence in differences(begun))
    passes(begun.db, 1)
    report = freeze(begun)
    assert '"contradicted_snapshots": 1' in begun.db.read(archive.figures, report)
    assert tally_repair.set_aside(begun.db, "an") == 1
    assert differences(begun) == []
    assert verify_archive.prove(begun.db, report).sound


def test_an_old_snapshot_taken_ahead_of_its_time_is_recognised_and_set_aside(begun: World) -> None:
    ahead = take_ahead(begun, 7)
    forget_counts(begun.db, ahead)
    send(begun, "b")
    send(begun, "c")
    finish(begun)
    passes(begun.db, 40)
    (sentence,) = differences(begun)
    assert "the clock was ahead when it was taken, and its figures are those of" in sentence
    said: list[str] = []
    assert tally_repair.set_aside(begun.db, "an", say=lambda each: said.append(each.sentence)) == 1
    assert said == [sentence]
    assert differences(begun) == []
    assert begun.db.read(snapshots.moments, RUN) == []
    assert tally_repair.set_aside(begun.db, "an") == 0
    acts = select(m.audit.c.subject).where(m.audit.c.action == tally_repair.SET_ASIDE)
    assert begun.db.read(lambda c: c.execute(acts).scalars().all()) == ["run/1"]


@pytest.mark.parametrize("counted", [True, False])
def test_a_row_altered_after_a_snapshot_is_no_fault_of_the_clock(begun: World, counted: bool) -> None:
    taken = take(begun.db, [RUN], SnapshotCause.MIDNIGHT)
    if not counted:
        forget_counts(begun.db, taken)
    send(begun, "b")
    d, handset = m.deliveries.c, DeliveryState.DELIVERED
    first = select(func.min(d.seq)).where(d.state == handset).scalar_subquery()
    altered = update(m.deliveries).where(d.seq == first).values(state=DeliveryState.EXPIRED)
    assert begun.db.write(lambda c: c.execute(altered).rowcount) == 1
    found = [sentence for sentence in differences(begun) if "snapshot of" in sentence]
    assert found
    assert not any("clock" in sentence for sentence in found)
    assert tally_repair.set_aside(begun.db, "an") == 0


def test_a_snapshot_by_a_right_clock_is_recounted_row_by_row(begun: World) -> None:
    taken = [take(begun.db, [RUN], SnapshotCause.MIDNIGHT)]
    send(begun, "b")
    taken.append(take(begun.db, [RUN], SnapshotCause.MIDNIGHT))
    send(begun, "c")
    finish(begun)
    assert differences(begun) == []
    assert [row.cutoff_at for row in begun.db.read(snapshots.moments, RUN)] == taken[::-1]
    assert "contradicted_snapshots" not in begun.db.read(archive.figures, freeze(begun))
