"""A row that a sweep can't handle: the sweep says so again and again, and nothing else notices."""

from __future__ import annotations

import pytest

from app.database.connection import Database
from app.observability import faults as kept
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.app.poison import antidote, poison
from tests.app.world import build
from tests.faults.working import all_delivered, until, working

COUNT, RATE = 2000, 200  # ten seconds: each sweep has its turn in the first half
# What it writes, so that its own row makes it fail. Queueing, closing, runs, quarantine and sending go on
# with the rows of others: test_faults.py in observability, test_poisoned_run.py in dispatch.
SWEEPS = {
    "tallies": ("INSERT", "tallies", "NEW.folded"),
    "rates": ("INSERT", "run_counts", "NEW.run_id > 0"),
    "links": ("INSERT", "link_health", "NEW.link_id > 0"),
}


@pytest.mark.parametrize("sweep", SWEEPS)
async def test_a_sweep_that_meets_a_row_it_can_t_write_keeps_nothing_else_waiting(
    db: Database, sweep: str
) -> None:
    world, table = build(db, COUNT), SWEEPS[sweep][1]
    poison(db, *SWEEPS[sweep])
    async with Smsc(SmscBehaviour(answer_delay_s=0.01)) as smsc:
        arrivals = smsc.arrivals()
        async with working(world, smsc, segments_per_second=RATE):
            try:
                await until(lambda: sweep in [row.source for row in db.read(kept.present)], "it is shown")
                await until(lambda: len(arrivals) >= COUNT // 2, "sending goes on")
            finally:
                antidote(db, table)
            begun = len(arrivals)
            [shown] = [row for row in db.read(kept.present) if row.source == sweep]
            assert "poison" not in shown.reason, "an error's words may hold a number"
            await all_delivered(world, smsc, COUNT)
    poisoned = begun / (arrivals[begun - 1] - arrivals[0])
    cured = (COUNT - begun) / (arrivals[-1] - arrivals[begun - 1])
    assert poisoned >= 0.6 * cured, "sending keeps its rate"
    assert {row.source for row in db.read(kept.present)} <= {sweep}
