"""Whatever a file says, in whatever order and however often: its counts add up, and so does the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database.connection import Database
from app.receipts.result_files.register import FileClaim
from carriers.contract import ReceiptLevel, ReceiptStatus
from tests.app.receipts.result_files.scene import LOST, REFUSED, TAKEN, at, csv_file, load, phone, sent
from tests.app.world import FIRST_PHONE, World, receipt

# More numbers than were sent to, in both directions.
NUMBERS = st.integers(-2, 12).map(phone) | st.sampled_from(["", "x", "+85620912345"])
WORDS = st.sampled_from(["DELIVRD", "UNDELIV", "EXPIRED", "SENT", "UNKNOWN", "REJECTD", "", "tốt"])
TIMES = st.integers(-10_000, 30).map(at) | st.sampled_from(["", "31/02/2024 10:00"])
ROWS = st.lists(st.tuples(NUMBERS, WORDS, TIMES, st.just("7")), min_size=1, max_size=30)
BETWEEN = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(ReceiptStatus)), max_size=5)
LEVELS = st.sampled_from([None, ReceiptLevel.OPERATOR, ReceiptLevel.HANDSET])
SANE = (phone(0), "SENT", "", "")  # a file of bad lines alone would be refused


@pytest.fixture
def world(db: Database) -> World:
    return sent(db, [TAKEN] * 6 + [LOST, REFUSED, None, TAKEN])


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    numbers = count()
    return lambda: tmp_path / f"{next(numbers)}.csv"


@pytest.mark.prove
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, BETWEEN, LEVELS)
def test_counts_add_up_whatever_a_file_says_and_receipts_say_before(
    world: World,
    path: Callable[[], Path],
    rows: list[tuple[str, ...]],
    between: list[tuple[int, ReceiptStatus]],
    level: ReceiptLevel | None,
) -> None:
    told = [receipt(world.link, None, status, phone=FIRST_PHONE + n) for n, status in between]
    world.db.write(world.ledger.apply, told)
    before = world.states()
    file = path()
    # The name of the file makes its bytes differ from those of all others.
    found = load(
        world,
        csv_file(file, [*rows, SANE, (phone(99), "SENT", "", "", file.name)]),
        FileClaim("viettel", level=level),
    )
    assert found.row.lines == len(rows) + 2
    assert found.counts.get("bad", 0) < found.row.lines
    moving = {"settled", "says_delivered"}.intersection(found.counts)
    assert bool(moving) is (world.states() != before)
