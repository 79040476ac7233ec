"""The simulation itself: its time, its network, what a kill leaves, and that it sees what is broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.seeds import kept
from tests.simulate.runner import Runner
from tests.simulate.script import BROKEN, Script, replayed, script_of
from tests.simulate.world import World


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as found:
        yield found


@pytest.mark.prove
@pytest.mark.parametrize(
    "seed", [2, *(pytest.param(seed, marks=pytest.mark.prove) for seed in (3, 26, 50549))]
)
def test_a_simulated_day_holds_every_promise_and_is_the_same_again(runner: Runner, seed: int) -> None:
    """In 26 a centre restarts while two sessions are open: which ends first followed from no seed."""
    first, *again = (runner.try_one(script_of(seed)) for _ in range(4))
    assert first.broken == ()
    assert [first] * 3 == again
    assert first.parts >= 15


@pytest.mark.parametrize("file", kept(BROKEN), ids=lambda file: file.stem)
def test_a_day_that_broke_a_promise_keeps_it_now(runner: Runner, file: Path) -> None:
    assert runner.try_one(replayed(file)).broken == ()


_SPOILT = (
    "DELETE FROM receipts WHERE seq = 2 AND batch_id = 1",
    "UPDATE tallies SET n = n + 1 WHERE rowid = (SELECT min(rowid) FROM tallies)",
    "UPDATE deliveries SET state = 0 WHERE seq = 3 AND batch_id = 1",
)


def test_a_copy_a_lost_receipt_and_a_wrong_tally_are_seen(runner: Runner) -> None:
    """What a broken program would leave is put into the rows of a sound one."""

    def spoil(world: World) -> None:
        world.saw(next(iter(world.taken)))
        for statement in _SPOILT:
            world.desk.write(lambda c, s=statement: c.execute(text(s)))

    usual, runner.at_rest = runner.at_rest, spoil
    try:
        said = "\n".join(runner.try_one(Script(3, 1, ())).broken)
    finally:
        runner.at_rest = usual
    for sign in ("a copy of", "acknowledged receipts", "QUEUED, and the centre has", "loa verify:"):
        assert sign in said
