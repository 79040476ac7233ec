"""What `make check` takes coverage from: tracing doubles the cost, and a line needs to be run once only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
# Processes under faults, browsers, random requests: what they run, others run as well.
_WITHOUT = (
    "e2e",
    "faults",
    "long/app/http/test_fuzz.py",
    "long/app/receipts/test_webhook_fuzz.py",
    "long/app/reports/test_histories.py",
)
# Where PostgreSQL has code of its own; elsewhere its half of a test runs the lines of the half on SQLite.
_POSTGRESQL = (
    "app/batches",
    "app/ledger",
    "app/privacy",
    "app/test_db.py",
    "long/app/ledger",
    "long/app/privacy",
    "long/test_migrations.py",
)


def _within(path: Path, places: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(_HERE / place) for place in places)


def _is_measured(item: pytest.Item) -> bool:
    if "LOA_TEST_EACH_ENGINE" in os.environ:  # `make prove` counts everything
        return True
    if _within(item.path, _WITHOUT):
        return False
    return "[postgresql" not in item.name or _within(item.path, _POSTGRESQL)


def choose(items: list[pytest.Item]) -> None:
    """Mark the tests from which no coverage is taken."""
    for item in items:
        if not _is_measured(item):
            item.add_marker("no_cover")
