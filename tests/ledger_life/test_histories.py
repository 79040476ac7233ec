"""Some random histories of a ledger, on each engine; CI has more of them, and `make prove` very many."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger_life.runner import Runner
from tests.ledger_life.script import BROKEN, replayed
from tests.seeds import kept

SEEDS = int(os.environ.get("LOA_TEST_HISTORIES", "30"))


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with Runner() as found:
        yield found


@pytest.mark.longer
def test_random_histories_keep_every_promise(runner: Runner) -> None:
    for seed in range(1, SEEDS + 1):
        broken, life = runner.live(runner.script(seed))
        assert not broken, "\n".join(
            (f"seed {seed}; the shortest: python -m tests.ledger_life --seed {seed}", *life.trace, broken)
        )


@pytest.mark.longer
def test_a_history_repeats(runner: Runner) -> None:
    told = [runner.live(runner.script(3))[1] for _ in range(2)]
    assert told[0].trace == told[1].trace
    assert told[0].costs == told[1].costs


@pytest.mark.parametrize("file", kept(BROKEN), ids=lambda file: file.stem)
def test_a_history_that_broke_a_promise_keeps_it_now(runner: Runner, file: Path) -> None:
    script = replayed(file)
    if script.engine == "postgresql" and not runner.server:
        pytest.skip("LOA_TEST_DATABASE_URL names no server")
    broken, life = runner.live(script)
    assert not broken, "\n".join((*life.trace, broken))
