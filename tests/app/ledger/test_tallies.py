"""What the tallies say of runs: whose time was over, and of which no message is known to have arrived."""

from __future__ import annotations

import pytest

from app.core.states import NotSent
from app.database.connection import Database
from app.ledger import tallies
from app.ledger.contract import SubmitOutcome
from carriers.contract import Accepted, Reason, Rejected, SubmitResult, Unknown
from tests.app.world import build


@pytest.mark.parametrize(("reason", "counted"), [(NotSent.WINDOW_CLOSED, True), (NotSent.CANCELLED, False)])
def test_only_what_the_end_of_its_time_left_is_cut_off(db: Database, reason: NotSent, counted: bool) -> None:
    world = build(db, 7)
    world.fan_out()
    runs = [world.run, world.run + 1]
    assert db.read(tallies.cut_off, runs) == {}
    db.write(world.ledger.close_unsent, world.run, reason, 10)
    assert db.read(tallies.cut_off, runs) == ({world.run: 7} if counted else {})
    assert db.read(tallies.cut_off, [world.run + 1]) == {}
    assert db.read(tallies.cut_off, []) == {}


@pytest.mark.parametrize(
    ("result", "handed"),
    [
        (Accepted(("m",)), None),
        (Unknown("no answer"), 1),
        (Rejected("11", Reason.FILTERED), 1),
        (None, 0),
    ],
)
def test_of_a_run_of_which_nothing_is_known_to_have_arrived_what_was_handed_over_counts(
    db: Database, result: SubmitResult | None, handed: int | None
) -> None:
    world = build(db, 2)
    assert db.read(tallies.none_sent, [world.run]) == {}  # it has no subscribers yet
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(lease.items[0], result)] if result is not None else []
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    found = {} if handed is None else {world.run: handed}
    assert db.read(tallies.none_sent, [world.run, world.run + 1]) == found
    assert db.read(tallies.none_sent, []) == {}


@pytest.mark.longer
def test_the_tallies_are_folded_once_and_only_where_there_is_something_new(db: Database) -> None:
    world = build(db, 4)
    assert not db.read(world.ledger.to_fold)
    world.fan_out()
    assert db.read(world.ledger.to_fold)
    before = world.tallied()
    db.write(world.ledger.fold_tallies)
    assert not db.read(world.ledger.to_fold)
    assert world.tallied() == before
    world.check()
