"""A quarter of the year of tests/year, six rounds with one of each kind; `make prove` has all of it."""

from __future__ import annotations

import pytest

from tests.faults.processes import Home
from tests.year.carriers import Carriers
from tests.year.costs import Costs
from tests.year.life import Plan, Year
from tests.year.rounds import live
from tests.year.stores import Store


@pytest.mark.prove  # `make simulate` has days of each kind in CI
async def test_a_quarter_of_a_year_leaves_nothing_open_and_sends_nothing_twice(sqlite_home: Home) -> None:
    """Campaigns go after 40 days here, so that receipts that come after 80 find nothing any more."""
    sqlite_home.measured = False
    plan = Plan(rounds=6, size=30, retention_days=40, papers=False)
    async with Carriers(sqlite_home, plan.rate) as carriers:
        year = Year(sqlite_home, carriers, plan)
        await live(year, Store(sqlite_home), Costs(year))
