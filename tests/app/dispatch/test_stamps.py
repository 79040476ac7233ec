"""Whoever writes every row of the database, but has no key, gets nothing sent that nobody approved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from app.accounts.service import reseal
from app.campaigns import approval
from app.campaigns.runs import Verb, act
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import approvals, audit, campaigns, chunks, deliveries, runs, subscribers
from app.dispatch.run_content import claim, run_contents, still_going
from app.ledger import approval_digest
from app.security import audit as record
from app.security import row_stamps
from app.security.secret_encryption import signing_keys, vault_of
from tests.app.world import World, build
from tests.engines import other_by_hand
from tests.exact import exactly

ONE, TWO = ("A" * 43 + "=", "B" * 43 + "=")


def settings(present: str, previous: str | None = None) -> Settings:
    return Settings.model_validate({"secret_key": present, "previous_secret_key": previous})


@pytest.fixture
def keyed(db: Database, database_url: str) -> Iterator[Callable[..., Database]]:
    """The same database as a process with these keys has it."""
    made: list[Database] = []

    def work(present: str, previous: str | None = None) -> Database:
        for each in made:
            each.close()
        made[:] = [Database(database_url, keys=signing_keys(settings(present, previous)))]
        return made[0]

    db.close()  # SQLite takes one process at a time
    yield work
    for each in made:
        each.close()


def started(db: Database, count: int = 30) -> World:
    """A run that its operator has started; its act is sealed like any other."""
    world = build(db, count)
    db.write(record.note, "operator", "run.start", f"run/{world.run}")
    return world


def forged(c: Connection, text: str = "Gui tien ngay") -> None:
    """Another text, and an approval of it as good as anybody can make it who has only the database."""
    c.execute(update(campaigns).values(texts={"": text}))
    row = c.execute(select(campaigns)).one()
    c.execute(update(approvals).values(digest=approval_digest.digest(c, row)))


def with_audit(c: Connection) -> None:
    """The same, and the audit rewritten from the first row on to say so."""
    forged(c)
    digest = c.execute(select(approvals.c.digest)).scalar_one()
    rows = c.execute(select(audit).order_by(audit.c.id)).all()
    c.execute(delete(audit))
    for row in rows:
        detail = row.detail | ({"digest": digest} if "digest" in row.detail else {})
        record.note(c, row.who, row.action, row.subject, **detail)


def another_approval(c: Connection) -> None:
    """A second approval, by the stamp of the first one."""
    first = c.execute(select(approvals)).one()
    forged(c)
    row = first._asdict() | {"id": first.id + 1, "by": "chief"}
    c.execute(insert(approvals).values(row | {"digest": c.execute(select(approvals.c.digest)).scalar_one()}))


def without_stamp(c: Connection) -> None:
    with_audit(c)
    c.execute(update(approvals).values(stamp=None))


FORGED: dict[str, Callable[[Connection], Any]] = {
    "the digest is computed again": forged,
    "the audit as well": with_audit,
    "another approval": another_approval,
    "the stamp is taken away": without_stamp,
    "another approver": lambda c: c.execute(update(approvals).values(by="chief")),
    "another time": lambda c: c.execute(update(approvals).values(at=1)),
    "another reason": lambda c: c.execute(update(approvals).values(reason="x")),
    "of another campaign": lambda c: c.execute(update(approvals).values(stamp="0" * 64)),
}


@pytest.mark.longer
@other_by_hand
@pytest.mark.parametrize("how", FORGED)
def test_a_forged_approval_sends_nothing(keyed: Callable[..., Database], how: str) -> None:
    db = keyed(ONE)
    world = started(db)
    world.fan_out()
    assert [each.run_id for each in db.write(run_contents, "viettel", clock.now())] == [world.run]
    db.write(FORGED[how])
    assert not hasattr(db.write(claim, world.ledger, world.link, "link", 8.0), "lease")
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == RunState.PAUSED
    for verb, state in ((Verb.RESUME, "paused"), (Verb.START, "planned")):
        db.write(lambda c, state=state: c.execute(update(runs).values(state=state)))
        with pytest.raises(Conflict, match=r"differs from what was approved|before secret_key was set"):
            db.write(act, verb, world.run, "operator")


def test_without_a_key_the_audit_is_still_asked(db: Database) -> None:
    world = build(db, 30)
    db.write(forged)
    assert db.write(run_contents, "viettel", clock.now()) == []
    assert db.read(lambda c: c.execute(select(runs.c.state).where(runs.c.id == world.run)).scalar_one()) == (
        RunState.PAUSED
    )


@pytest.mark.longer
def test_an_approval_that_was_taken_back_is_none_though_its_row_be_removed(
    keyed: Callable[..., Database],
) -> None:
    db = keyed(ONE)
    world = started(db)
    assert len(db.write(run_contents, "viettel", clock.now())) == 1
    row = db.read(lambda c: c.execute(select(campaigns)).one())
    db.write(approval.void, row, "author")
    db.write(lambda c: c.execute(delete(approvals).where(approvals.c.decision == "voided")))
    assert db.write(run_contents, "viettel", clock.now()) == []
    assert world.campaign == row.id


@pytest.mark.longer
def test_the_key_is_changed_without_a_gap(keyed: Callable[..., Database]) -> None:
    world = started(keyed(ONE))

    def sends(db: Database) -> bool:
        db.write(lambda c: c.execute(update(runs).values(state="running")))
        return [each.run_id for each in db.write(run_contents, "viettel", clock.now())] == [world.run]

    assert [sends(keyed(*each)) for each in ((ONE,), (TWO, ONE))] == [True, True]
    assert keyed(TWO, ONE).write(reseal, "host", vault_of(settings(TWO, ONE))) == 3  # and two acts
    assert [sends(keyed(*each)) for each in ((TWO, ONE), (TWO,), (ONE,))] == [True, True, False]


@pytest.mark.longer
def test_an_approval_of_before_the_key_goes_on_once_somebody_on_the_host_has_signed_it(
    db: Database, keyed: Callable[..., Database]
) -> None:
    first = keyed(ONE)
    world = build(first, 30)
    first.write(lambda c: c.execute(update(approvals).values(stamp=None)))
    assert first.write(run_contents, "viettel", clock.now()) == []
    with pytest.raises(Conflict, match="loa campaign sign"):
        first.write(act, Verb.RESUME, world.run, "operator")
    digest = first.read(lambda c: c.execute(select(approvals.c.digest)).scalar_one())
    with pytest.raises(Conflict, match=exactly("Campaign 1 has no unsigned approval with this digest.")):
        first.write(approval.sign, world.campaign, "0" * 64, "host")
    first.write(approval.sign, world.campaign, digest, "host")
    first.write(act, Verb.RESUME, world.run, "operator")
    assert [each.run_id for each in first.write(run_contents, "viettel", clock.now())] == [world.run]
    with pytest.raises(Conflict, match=exactly("Campaign 1 has no unsigned approval with this digest.")):
        first.write(approval.sign, world.campaign, digest, "host")


# ---- what is queued is what was handed in ------------------------------------------------------------------

QUEUED: dict[str, Callable[[Connection], Any]] = {
    "another number": lambda c: c.execute(
        update(deliveries).where(deliveries.c.seq == 5).values(phone=84_999_999_999)
    ),
    "another area": lambda c: c.execute(update(deliveries).where(deliveries.c.seq == 5).values(area="128")),
    "a line that was never there": lambda c: c.execute(
        update(deliveries).where(deliveries.c.seq == 5).values(seq=31)
    ),
    "a subscriber fewer": lambda c: c.execute(delete(subscribers).where(subscribers.c.seq == 5)),
}


@pytest.mark.parametrize("how", QUEUED)
def test_a_delivery_that_is_altered_after_the_queueing_stops_its_run(db: Database, how: str) -> None:
    world = build(db, 29)  # lines 2 to 30
    world.fan_out()
    db.write(QUEUED[how])
    if how == "a line that was never there":
        db.write(lambda c: c.execute(update(chunks).values(last_seq=31)))
    assert not hasattr(db.write(claim, world.ledger, world.link, "link", 8.0), "lease")
    assert db.read(lambda c: c.execute(select(runs.c.state)).scalar_one()) == RunState.PAUSED
    said = db.read(record.listed, 0, 100).items[-1]
    assert (said.action, said.detail["why"], said.detail["batch"]) == (
        "run.stopped",
        "tampering",
        world.batch,
    )
    leased = select(func.count()).select_from(chunks).where(chunks.c.owner.is_not(None))
    assert db.read(lambda c: c.execute(leased).scalar_one()) == 0


@pytest.mark.longer
def test_an_area_that_is_altered_in_list_and_message_alike_is_found_by_the_key(
    keyed: Callable[..., Database],
) -> None:
    """It would be counted elsewhere."""
    db = keyed(ONE)
    world = build(db, 29)
    world.fan_out()
    chunk = db.read(lambda c: c.execute(select(chunks)).one())
    db.write(approval_digest.bind, world.campaign, world.batch, 0, 100)
    assert not db.read(approval_digest.is_altered, chunk)
    for table in (deliveries, subscribers):
        db.write(lambda c, of=table: c.execute(update(of).where(of.c.seq == 5).values(area="125")))
    assert db.read(approval_digest.is_altered, chunk)


@pytest.mark.longer
def test_an_older_stamp_that_binds_no_area_still_holds(keyed: Callable[..., Database]) -> None:
    db = keyed(ONE)
    world = build(db, 29)
    world.fan_out()
    chunk = db.read(lambda c: c.execute(select(chunks)).one())

    def older(c: Connection) -> None:
        stamp = row_stamps.make(c, approval_digest._to_send(c, chunk, areas=False))
        c.execute(update(chunks).values(stamp=stamp))

    db.write(older)
    assert not db.read(approval_digest.is_altered, chunk)


def test_and_one_that_is_as_it_was_queued_goes_out(db: Database) -> None:
    world: World = build(db, 29)
    world.fan_out()
    assert hasattr(db.write(claim, world.ledger, world.link, "link", 8.0), "lease")


def test_what_is_in_hand_of_a_run_that_its_operator_has_paused_is_had_back(
    keyed: Callable[..., Database],
) -> None:
    """Whoever sets its row to running again, before the link has looked, gets nothing of it sent."""
    db = keyed(ONE)
    world = started(db)
    assert db.read(still_going, world.link, {world.run}, [])[0] == {world.run}
    db.write(act, Verb.PAUSE, world.run, "operator")
    assert db.read(still_going, world.link, {world.run}, [])[0] == set()
    db.write(lambda c: c.execute(update(runs).values(state="running")))
    assert db.read(still_going, world.link, {world.run}, [])[0] == set()


def altered(c: Connection, action: str) -> None:
    """The act of this kind made another one, its hash as it must be, without a seal."""
    row = c.execute(select(audit).where(audit.c.action == action)).one()
    before = c.execute(select(audit.c.hash).where(audit.c.id == row.id - 1)).scalar_one()
    said = (row.id, row.at, row.who, row.origin, "run.looked_at", row.subject, json.dumps(row.detail))
    values = {"action": said[4], "hash": record.link(before, said), "seal": None}
    c.execute(update(audit).where(audit.c.id == row.id).values(values))


@pytest.mark.longer
@pytest.mark.parametrize("seen", [True, False])
def test_a_pause_that_is_made_another_act_in_the_middle_stays_a_pause(
    keyed: Callable[..., Database], seen: bool
) -> None:
    """Whether or not the process has asked between the pause and the change."""
    db = keyed(ONE)
    world = started(db)
    assert db.write(approval_digest.is_ordered, world.run)
    db.write(act, Verb.PAUSE, world.run, "operator")
    if seen:
        assert not db.write(approval_digest.is_ordered, world.run)
    db.write(record.note, "operator", "batch.register", "batch/7")
    if seen:
        assert not db.write(approval_digest.is_ordered, world.run)
    db.write(altered, "run.pause")
    db.write(record.note, "operator", "batch.register", "batch/8")
    assert not db.write(approval_digest.is_ordered, world.run)


@pytest.mark.longer
def test_an_order_holds_while_others_act_and_until_the_next(keyed: Callable[..., Database]) -> None:
    db = keyed(ONE)
    world = started(db)
    for number in range(3):
        assert db.write(approval_digest.is_ordered, world.run)
        db.write(record.note, "operator", "batch.register", f"batch/{number}")
    db.write(act, Verb.PAUSE, world.run, "operator")
    assert not db.write(approval_digest.is_ordered, world.run)
    db.write(act, Verb.RESUME, world.run, "operator")
    assert db.write(approval_digest.is_ordered, world.run)
