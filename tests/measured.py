"""What coverage is taken from: tracing doubles the cost, and a line that one test has run needs no second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
# Processes under faults, browsers, figures of speed, random requests: what they run, others run as well.
_WITHOUT = (
    "bench",
    "e2e",
    "faults",
    "app/http/test_fuzz.py",
    "app/receipts/test_webhook_fuzz.py",
    "app/reports/test_histories.py",
)
# Beginning and end of the programs, and the drill, are shown by nothing else.
_WITH = ("faults/test_drill.py", "faults/test_stop.py")
# Where PostgreSQL has code of its own; elsewhere its half of a test runs the lines of the half on SQLite.
_POSTGRESQL = (
    "app/batches",
    "app/ledger",
    "app/privacy",
    "app/test_db.py",
    "faults/test_stop.py",
    "test_migrations.py",
)


def _within(path: Path, places: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(_HERE / place) for place in places)


def _is_measured(item: pytest.Item) -> bool:
    if _within(item.path, _WITHOUT) and not _within(item.path, _WITH):
        return False
    return "[postgresql" not in item.name or _within(item.path, _POSTGRESQL)


def choose(items: list[pytest.Item]) -> None:
    """Mark the tests from which no coverage is taken."""
    for item in items:
        if not _is_measured(item):
            item.add_marker("no_cover")


@contextmanager
def programs_alike(item: pytest.Item) -> Iterator[None]:
    """The programs that an unmeasured test starts are not measured either."""
    left_out: dict[str, str] = {}
    if item.get_closest_marker("no_cover") is not None:
        left_out = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("COVERAGE_")}
    try:
        yield
    finally:
        os.environ.update(left_out)
