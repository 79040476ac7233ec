"""Numbers that the database keeps are never given anew, and what is not said means the usual."""

from __future__ import annotations

from enum import IntEnum

import pytest

from app.core.states import ChunkState
from app.ledger.contract import (
    JUDGED_MS,
    SLOWEST,
    Applied,
    ChunkLease,
    Link,
    Reservation,
    ReservationResult,
    ResultKind,
    StateEvent,
)


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (ChunkState, {0: "READY", 1: "LEASED", 2: "DONE"}),
        (
            ResultKind,
            {1: "ACCEPTED", 2: "REJECTED", 3: "DEFERRED", 4: "HALTED", 5: "UNKNOWN", 6: "SETTLED"},
        ),
        (StateEvent, {1: "LOST", 2: "REQUEUED", 3: "WRITTEN_OFF", 4: "PARTLY", 5: "REFUSED"}),
    ],
)
def test_a_stored_number_means_what_it_has_always_meant(kind: type[IntEnum], stored: dict[int, str]) -> None:
    assert {each.value: each.name for each in kind} == stored


def test_what_is_not_said_is_nothing_and_a_reservation_is_of_one_part_at_the_usual_rate() -> None:
    assert not Link(1, "viettel-1", "viettel", 1).one_receipt
    lease = ChunkLease(1, 1, 1, 2, 3, 1, 1, [])
    assert (lease.lost, lease.owner, lease.budget) == (0, "", None)
    assert (Reservation(2, 1).stretch, Reservation(2, 1).least) == (1.0, 1)
    assert (ReservationResult(held=False, go=False).start, ReservationResult(True, True).left) == (0.0, None)
    nothing = Applied()
    assert (nothing.matched, nothing.changed, nothing.repeated, nothing.quarantined) == (0, 0, 0, 0)
    assert nothing.latencies == []


def test_a_link_goes_at_a_tenth_at_least_and_a_failure_counts_for_a_quarter_of_an_hour() -> None:
    assert (SLOWEST, JUDGED_MS) == (0.1, 15 * 60_000)
