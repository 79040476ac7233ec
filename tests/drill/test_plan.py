"""The plan is a pure function of what was ordered, and leaves nothing out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.drill import fault_injection
from tests.drill.plan import DrillOrder, FaultKind, make_plan

ORDER = DrillOrder(7, 20_000, 60, "postgresql", "short")


@pytest.mark.longer
def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert make_plan(ORDER) == make_plan(replace(ORDER))
    plans = {make_plan(replace(ORDER, seed=seed)).events for seed in range(20)}
    assert len(plans) == 20


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("faults", [3, 10, 60, 300])
def test_there_are_as_many_faults_as_were_ordered_each_while_messages_go_out(
    engine: str, faults: int
) -> None:
    plan = make_plan(replace(ORDER, engine=engine, faults=faults))
    assert len(plan.events) == faults
    assert sum(plan.waves) == 20_000
    assert list(plan.events) == sorted(plan.events, key=lambda event: event.at)
    assert all(event.at <= 0.85 * 20_000 for event in plan.events)


def test_no_fault_comes_twice_before_each_has_come() -> None:
    for seed in range(10):
        plan = make_plan(replace(ORDER, seed=seed))
        assert {event.fault for event in plan.events} == set(FaultKind)
    on_sqlite = make_plan(replace(ORDER, engine="sqlite"))
    assert {event.fault for event in on_sqlite.events} == set(FaultKind) - {FaultKind.KILL_DATABASE}


@pytest.mark.longer
def test_a_long_plan_kills_at_every_point_and_has_one_outage_of_five_minutes() -> None:
    order = DrillOrder(1, 1_000_000, 300, "postgresql", "long")
    plan = make_plan(order)
    killed = {event.point for event in plan.events}
    wanted = {
        *fault_injection.SENDER,
        *fault_injection.FAN_OUT,
        *fault_injection.IMPORT,
        *fault_injection.ORDER,
        *fault_injection.SERVER,
    }
    assert killed == wanted | {""}
    seconds = Counter(event.seconds for event in plan.events)
    assert seconds[300.0] == 1
    assert len(plan.waves) == 20
    begun = [event.at for event in plan.events if event.fault is FaultKind.START_50]
    assert begun == [n * 50_000 for n in range(20)]
