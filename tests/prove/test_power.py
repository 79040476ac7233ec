"""Power that fails within commits costs nothing that was acknowledged, and nobody gets a copy."""

from __future__ import annotations

import shutil

import pytest

from tests.simulate.runner import Runner

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="the VFS that forgets is compiled by gcc")


def test_two_hundred_power_failures_lose_and_double_nothing() -> None:
    with Runner(has_power_failures=True) as runner:
        assert runner.try_all(range(1, 151), 2) == []
        assert runner.tally["power_failures"] >= 200


def test_a_database_that_syncs_less_is_found() -> None:
    """The twin: with `synchronous = NORMAL` the last commits are gone after a failure."""
    with Runner(has_power_failures=True, pragmas=("synchronous=NORMAL",)) as runner:
        found = runner.try_all(range(1, 31), 2, until_first=True)
    assert found
    assert any("acknowledged receipts" in one or "a copy of" in one for one in found[0].broken)
