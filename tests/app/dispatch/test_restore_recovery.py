"""After a backup was put back nothing is sent again by itself, whatever stood where."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, delete, insert, select, update

from app.campaigns import follow_ups
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.runs import Verb, order
from app.core import clock
from app.core.errors import Conflict, SetupError
from app.core.states import DeliveryState, LinkState, RunState
from app.database import schema
from app.database.connection import Database
from app.database.models import (
    audit,
    batches,
    chunks,
    link_health,
    links,
    run_batches,
    runs,
    subscribers,
    unknowns,
)
from app.database.models import database_identity as kept
from app.dispatch import link_store, restore_recovery, run_content
from app.ledger import restore_acknowledgement, unreached
from app.ledger.contract import Reservation, SubmitOutcome
from app.ledger.ledger import ledger_for
from app.ledger.transfer import back_up
from app.ledger.unreached import Outcome
from carriers.contract import Reason, Rejected
from tests.app.campaigns.rows import HOURS
from tests.app.world import World, accepted, build
from tests.operations import carry_out

WHO = "root@host"


@pytest.fixture
def world(db: Database) -> Iterator[World]:
    """Thirty subscribers in three chunks; ten are sent."""
    world = build(db, 30, chunk=10)
    world.fan_out()
    work = claimed(world)
    assert isinstance(work, run_content.ClaimedChunk)
    db.write(world.ledger.record, world.link, work.lease, accepted(list(work.lease.items)), None, 30.0)
    db.write(world.ledger.release, work.lease, 0.0)
    yield world
    world.check()


def claimed(world: World) -> run_content.ClaimedChunk | LinkState:
    return world.db.write(run_content.claim, world.ledger, world.link, "me", 30.0)


def put_back(world: World) -> None:
    """As a recovered database: what was agreed on was another life of it."""
    world.db.write(lambda c: c.execute(update(kept).values(home="another")))


@pytest.mark.longer
def test_a_ledger_that_has_never_sent_is_at_home_and_stays_there(world: World) -> None:
    assert world.db.read(link_store.moved, world.ledger) is False
    assert isinstance(claimed(world), run_content.ClaimedChunk)
    assert world.db.read(lambda c: c.execute(select(kept.c.by)).scalars().all()) == ["loa"]


@pytest.mark.longer
def test_a_link_of_a_ledger_that_was_put_back_is_halted_and_not_to_be_resumed_by_hand(world: World) -> None:
    put_back(world)
    assert claimed(world) is LinkState.HALTED
    row = world.db.read(lambda c: c.execute(select(links)).one())
    assert (row.state, row.code) == ("halted", "restored")
    with pytest.raises(Conflict, match="loa database restored"):
        carry_out(world.db, "resume_link", WHO, link_id=world.link.id)
    assert claimed(world) is LinkState.HALTED


@pytest.mark.longer
def test_a_link_in_mid_chunk_is_granted_nothing_more_before_a_person_has_spoken(world: World) -> None:
    """A replica took over while it was sending: its answers are written down, and nothing new goes out."""
    work = claimed(world)
    assert isinstance(work, run_content.ClaimedChunk)
    record, items = world.ledger.record, list(work.lease.items)
    first = world.db.write(record, world.link, work.lease, [], Reservation(items[4].seq, 5), 30.0)
    assert first.go
    put_back(world)
    rest = Reservation(items[9].seq, 5)
    grant = world.db.write(record, world.link, work.lease, accepted(items[:5]), rest, 30.0)
    assert (grant.held, grant.go) == (True, False)
    assert world.states() == {DeliveryState.SUBMITTED: 15, DeliveryState.QUEUED: 15}
    world.db.write(restore_recovery.trust, world.ledger, WHO)
    assert world.db.write(record, world.link, work.lease, [], rest, 30.0).go


@pytest.mark.longer
def test_of_two_who_were_given_one_attempt_only_the_present_owner_holds_the_chunk(world: World) -> None:
    """The failover lost the first one's claim, and a person trusted that nothing was lost."""
    claim, record = world.ledger.claim, world.ledger.record
    first = world.db.write(claim, world.link, [world.run], "first", 30.0)
    assert first
    lost = {"state": 0, "attempt": first.attempt - 1, "owner": None, "lease_until": None}
    world.db.write(lambda c: c.execute(update(chunks).where(chunks.c.owner == "first").values(lost)))
    second = world.db.write(claim, world.link, [world.run], "second", 30.0)
    assert second
    assert (second.first_seq, second.attempt) == (first.first_seq, first.attempt)
    assert not world.db.write(world.ledger.renew, first, 30.0)
    assert not world.db.write(record, world.link, first, [], Reservation(first.last_seq, 10), 30.0).held
    assert world.db.write(record, world.link, second, [], Reservation(second.last_seq, 10), 30.0).go
    world.db.write(record, world.link, second, accepted(list(second.items)), None, 30.0)


@pytest.mark.longer
def test_what_was_queued_is_unknown_then_and_the_link_goes_on_with_nothing(world: World) -> None:
    put_back(world)
    claimed(world)
    assert restore_recovery.mark_live_runs_unknown(world.db, world.ledger, WHO) == [
        restore_recovery.RunMarkedUnknown(world.run, "viettel", 20)
    ]
    assert world.states() == {DeliveryState.SUBMITTED: 10, DeliveryState.UNKNOWN: 20}
    assert claimed(world) is LinkState.RUNNING
    listed = world.db.read(lambda c: c.execute(select(unknowns.c.why, unknowns.c.link_id)).all())
    assert set(listed) == {
        ("the database was put back to a time before it may have been sent", world.link.id)
    }
    query = select(audit.c.who, audit.c.detail).where(audit.c.action == "database.restored")
    [(who, detail)] = world.db.read(lambda c: c.execute(query).all())
    assert (who, detail["unknown"]) == (WHO, {str(world.run): 20})


@pytest.mark.longer
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nothing_becomes_unknown_while_a_worker_lives_nor_for_ever_after_one_has_died(world: World) -> None:
    """On SQLite the lock of the folder shows that nobody else is there."""

    def seen(ms_ago: int) -> None:
        health = {"link_id": world.link.id, "holder": "host-7:12:ab", "seen_at": clock.now_ms() - ms_ago}
        world.db.write(lambda c: c.execute(delete(link_health)))
        world.db.write(lambda c: c.execute(insert(link_health).values(health)))

    put_back(world)
    claimed(world)
    seen(1_000)
    with pytest.raises(Conflict, match=r"A worker on host-7 .* wait until \d\d:\d\d:\d\d on "):
        restore_recovery.mark_live_runs_unknown(world.db, world.ledger, WHO)
    assert world.states() == {DeliveryState.SUBMITTED: 10, DeliveryState.QUEUED: 20}
    seen(31_000)
    restore_recovery.mark_live_runs_unknown(world.db, world.ledger, WHO)
    assert world.states() == {DeliveryState.SUBMITTED: 10, DeliveryState.UNKNOWN: 20}


@pytest.mark.longer
def test_a_worker_may_live_through_the_word_that_nothing_was_lost(world: World) -> None:
    put_back(world)
    assert claimed(world) is LinkState.HALTED
    world.db.write(restore_recovery.trust, world.ledger, WHO)
    assert isinstance(claimed(world), run_content.ClaimedChunk)


@pytest.mark.longer
@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.PAUSED])
def test_what_was_not_even_queued_may_have_been_sent_as_well(world: World, state: RunState) -> None:
    def half_queued(c) -> None:  # type: ignore[no-untyped-def]
        rows = [{"batch_id": world.batch, "seq": 100 + n, "phone": 84_970_000_000 + n} for n in range(5)]
        c.execute(insert(subscribers), rows)
        c.execute(update(batches).values(accepted=35, lines=35))
        c.execute(update(run_batches).values(fanned_all=False))
        c.execute(update(runs).values(state=state.value))

    world.db.write(half_queued)
    put_back(world)
    assert restore_recovery.mark_live_runs_unknown(world.db, world.ledger, WHO)[0].unknown == 25
    assert world.states() == {DeliveryState.SUBMITTED: 10, DeliveryState.UNKNOWN: 25}
    assert world.db.read(lambda c: c.execute(select(run_batches.c.fanned_all)).scalar_one()) is True


@pytest.mark.longer
def test_a_run_that_was_planned_is_named_and_one_that_is_over_is_left_alone(world: World) -> None:
    world.db.write(lambda c: c.execute(update(runs).values(state=RunState.PLANNED.value)))
    assert world.db.read(restore_recovery.planned) == [world.run]
    world.db.write(lambda c: c.execute(update(runs).values(state=RunState.CANCELLING.value)))
    put_back(world)
    assert restore_recovery.mark_live_runs_unknown(world.db, world.ledger, WHO) == []
    assert world.states() == {DeliveryState.SUBMITTED: 10, DeliveryState.QUEUED: 20}


@pytest.mark.longer
@pytest.mark.parametrize("nothing_lost", [False, True])
def test_what_was_rejected_before_the_database_was_put_back_is_in_no_follow_up(
    db: Database, nothing_lost: bool
) -> None:
    """A follow-up after the backup may have written to them, and this database does not know it."""
    world = build(db, 20)
    world.fan_out()
    lease = world.claim()
    assert lease
    refused = [SubmitOutcome(item, Rejected("45", Reason.SYSTEM)) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, refused, None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    db.write(link_store.record_identity, world.ledger, "loa")
    put_back(world)
    if nothing_lost:
        db.write(restore_recovery.trust, world.ledger, WHO)
    else:
        restore_recovery.mark_live_runs_unknown(db, world.ledger, WHO)
        assert db.read(restore_recovery.refused, world.ledger) == [(world.run, "viettel", 20)]
    [count] = db.read(unreached.counts, [world.campaign])
    assert (count.messages, count.subscribers) == (20, 20 if nothing_lost else 0)


@pytest.mark.longer
def test_with_a_persons_word_that_nothing_is_lost_all_goes_on_where_it_stood(world: World) -> None:
    put_back(world)
    claimed(world)
    world.db.write(restore_recovery.trust, world.ledger, WHO)
    work = claimed(world)
    assert isinstance(work, run_content.ClaimedChunk)
    assert len(work.lease.items) == 10
    assert world.states() == {DeliveryState.SUBMITTED: 10, DeliveryState.QUEUED: 20}


def test_a_batch_that_was_altered_is_not_queued_for_it(db: Database) -> None:
    world = build(db, 5)
    changed = update(batches).values(rows_sha256="0" * 64)
    db.write(lambda c: c.execute(changed))
    with pytest.raises(Conflict, match="altered after its import"):
        restore_recovery.mark_live_runs_unknown(db, world.ledger, WHO)


@pytest.mark.longer
def test_a_copy_of_a_sqlite_ledger_knows_that_it_is_one(sqlite_url: str, tmp_path: Path) -> None:
    db, copy = Database(sqlite_url), tmp_path / "copy" / "loa.sqlite3"
    world = build(db, 3)
    world.fan_out()
    copy.parent.mkdir()
    assert back_up(Path(str(db.url.database)), copy, WHO) == copy.stat().st_size
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert isinstance(claimed(world), run_content.ClaimedChunk), "the original goes on"
    with pytest.raises(SetupError, match="already exists"):
        back_up(Path(str(db.url.database)), copy, WHO)
    db.close()
    with closing(sqlite3.connect(copy)) as raw:
        assert raw.execute("SELECT count(*) FROM deliveries").fetchone() == (3,)
    other = Database(f"sqlite:///{copy}")
    try:
        assert other.read(link_store.moved, world.ledger)
    finally:
        other.close()


@pytest.mark.prove
@pytest.mark.longer
@pytest.mark.parametrize("revision", ["0013", "0028"])
def test_a_copy_of_an_older_schema_is_marked_and_stays_so_when_migrated(
    tmp_path: Path, revision: str
) -> None:
    source, copy = tmp_path / "loa.sqlite3", tmp_path / "copy.sqlite3"
    of_revision(source, revision)
    back_up(source, copy, WHO)
    db = Database(f"sqlite:///{copy}")
    try:
        schema.upgrade(db)
        assert db.read(link_store.moved, ledger_for(db, 100))
    finally:
        db.close()


@pytest.mark.longer
def test_what_can_not_be_marked_is_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "loa.sqlite3"
    of_revision(source, "0012")
    with pytest.raises(SetupError, match="loa migrate"):
        back_up(source, tmp_path / "copy.sqlite3", WHO)
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("copy")] == []


@pytest.mark.longer
def test_a_backup_that_is_killed_before_its_mark_leaves_no_copy(sqlite_url: str, tmp_path: Path) -> None:
    """A trigger keeps the mark waiting for ever."""
    source, copy = sqlite_url.removeprefix("sqlite:///"), tmp_path / "copy.sqlite3"
    part = tmp_path / "copy.sqlite3.part"
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with closing(sqlite3.connect(source)) as raw:
        raw.execute(f"CREATE TRIGGER slow BEFORE INSERT ON database_identity BEGIN {endless}; END")
    work = f"from app.ledger.transfer import *; back_up(Path({source!r}), Path({str(copy)!r}), 'root')"
    with subprocess.Popen([sys.executable, "-c", work]) as process:
        try:
            while not (part.exists() and part.stat().st_size):
                assert process.poll() is None
                time.sleep(0.01)
        finally:
            process.kill()
    assert not copy.exists()
    with pytest.raises(SetupError, match="left over from an interrupted copy"):
        back_up(Path(source), copy, WHO)


def of_revision(file: Path, revision: str) -> None:
    db = Database(f"sqlite:///{file}")
    try:
        db.write(lambda c: command.upgrade(schema._config(c), revision))
    finally:
        db.close()


def test_there_is_no_copy_of_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="There is no ledger"):
        back_up(tmp_path / "none.sqlite3", tmp_path / "copy", WHO)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.longer
def test_after_a_restore_nothing_is_started_or_followed_up_until_lists_are_entered_again(
    world: World,
) -> None:
    put_back(world)
    restore_recovery.mark_live_runs_unknown(world.db, world.ledger, WHO)
    planned = world.db.write(_planned)
    for run_id, verb in ((planned, Verb.START), (world.run, Verb.RESUME)):
        with pytest.raises(Conflict, match="loa database entered-again"):
            order(world.db, verb, run_id, WHO)
        world.db.write(lambda c: c.execute(update(runs).where(runs.c.id == world.run).values(state="paused")))
    hours = {"day_starts": "07:00", "day_ends": "21:00"}
    request = FollowUpRequest((world.campaign,), (Outcome.UNKNOWN,), changes=hours, second_copies=20)
    with pytest.raises(Conflict, match="loa database entered-again"):
        world.db.write(follow_ups.create, request, HOURS, WHO)
    assert world.db.write(restore_acknowledgement.enter, WHO)
    assert not world.db.write(restore_acknowledgement.enter, WHO)
    world.db.write(lambda c: c.execute(delete(runs).where(runs.c.id == planned)))  # nobody has approved it
    assert order(world.db, Verb.RESUME, world.run, WHO) is RunState.RUNNING
    assert world.db.write(follow_ups.create, request, HOURS, WHO)


@pytest.mark.longer
def test_a_restore_by_an_older_loa_and_a_failover_without_loss_ask_for_nothing(world: World) -> None:
    restore_recovery.mark_live_runs_unknown(world.db, world.ledger, WHO)
    world.db.write(lambda c: c.execute(update(audit).values(detail={})))
    assert not world.db.read(restore_acknowledgement.is_awaited)
    world.db.write(restore_recovery.trust, world.ledger, WHO)
    assert not world.db.read(restore_acknowledgement.is_awaited)


def _planned(c: Connection) -> int:
    of = c.execute(select(runs)).first()
    assert of is not None
    row = {"campaign_id": of.campaign_id, "carrier": "vnpt", "state": "planned", "created_at": 1}
    return int(c.execute(insert(runs).values(row).returning(runs.c.id)).scalar_one())
