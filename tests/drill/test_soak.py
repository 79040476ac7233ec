"""What counts as growth: a slow leak is found, spikes and noise are not taken for one."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.drill import soak
from tests.drill.soak import look, rise

COUNT = 600


def noisy(slope: float, seed: int) -> list[float]:
    """A hundred megabytes with noise, an import's spike now and then, and so much growth in all."""
    chance = random.Random(seed)
    spikes = [30.0 if chance.random() < 0.1 else 0.0 for _ in range(COUNT)]
    return [100 + slope * n / COUNT + chance.uniform(-2, 2) + spikes[n] for n in range(COUNT)]


@pytest.mark.parametrize("seed", range(5))
def test_noise_and_spikes_are_no_growth(seed: int) -> None:
    floor, grown = rise(noisy(0.0, seed))
    assert floor == pytest.approx(98, abs=1)
    assert abs(grown) < 1


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_leak_is_found_under_noise(seed: int) -> None:
    _, grown = rise(noisy(20.0, seed))
    assert grown > soak._ROOM_MB


def test_what_fills_at_the_start_is_no_growth() -> None:
    values = [min(100.0, 20.0 + n) for n in range(COUNT)]
    assert rise(values) == (100.0, 0.0)


@pytest.mark.parametrize("count", [1, 5, 13])
def test_few_looks_are_judged_as_well(count: int) -> None:
    assert rise([10.0] * count) == (10.0, 0.0)


def test_a_process_is_looked_at_and_one_that_is_gone_is_passed_over() -> None:
    before = look(os.getpid())
    with Path("/dev/null").open() as _:
        during = look(os.getpid())
    assert before is not None
    assert during is not None
    assert during.files == before.files + 1
    assert before.memory_mb > 1
    assert look(2**22 + 1) is None
