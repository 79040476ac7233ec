"""When a receipt's message can have been sent, at each bound, and what counts for its run's judgement."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.clock import DAY_MS
from app.core.states import DeliveryState, DeliveryStatus
from app.ledger.contract import JUDGED_MS, VALIDITY_MS, Arrival, Link, MatchedDelivery
from app.ledger.receipt_matching import CLOCKS_MS, RECORDED_MS, ReceiptRow, repeated, storable
from app.ledger.receipts import _failures, _pause, _Update
from carriers.contract import Receipt, ReceiptLevel, ReceiptStatus

NOW = 1_700_000_000_000
SUBMITTED, DELIVERED, FAILED = DeliveryState.SUBMITTED, DeliveryState.DELIVERED, DeliveryState.UNDELIVERED


def row(done_at: int | None, reference: str | None = "m1", phone: int | None = 84_912_000_001) -> ReceiptRow:
    return ReceiptRow(NOW, done_at, phone, 1, 1, 2, 0, "delivered", reference, "", "")


@pytest.mark.parametrize(
    ("done_at", "stated"),
    [
        (None, False),
        (NOW, True),
        (NOW + CLOCKS_MS, True),
        (NOW + CLOCKS_MS + 1, False),
        (NOW - 400 * DAY_MS, True),
        (NOW - 400 * DAY_MS - 1, False),
    ],
)
def test_a_stated_time_is_taken_where_it_can_be(done_at: int | None, stated: bool) -> None:
    assert row(done_at).stated is stated
    assert row(done_at).made == (done_at if stated else NOW)


def test_a_stated_time_may_be_of_another_zone_and_a_day_off() -> None:
    hour = 3_600_000
    stated = row(NOW - 25 * hour)
    assert stated.window == (stated.made - VALIDITY_MS, NOW + hour)
    unnamed = row(NOW - 25 * hour, phone=None)
    assert unnamed.window == (stated.made - VALIDITY_MS, stated.made + CLOCKS_MS)


@pytest.mark.parametrize(
    ("sent_after", "noticed", "about"),
    [
        (NOW, NOW, True),
        (NOW + RECORDED_MS, NOW, True),
        (NOW + RECORDED_MS + 1, NOW, False),
        (NOW, NOW - VALIDITY_MS, True),
        (NOW, NOW - VALIDITY_MS - 1, False),
    ],
)
def test_a_receipt_is_about_a_message_that_was_sent_before_it_and_within_its_validity(
    sent_after: int, noticed: int, about: bool
) -> None:
    assert row(NOW).about(sent_after, noticed) is about


def test_a_reference_with_several_numbers_is_repeated_and_one_without_a_number_is_not() -> None:
    one, other = 84_912_000_001, 84_912_000_002
    items = [row(NOW, "a", one), row(NOW, "a", other), row(NOW, "b", one), row(NOW, "b", None)]
    nameless = [row(NOW, None, one), row(NOW, None, other)]
    assert repeated(items + nameless) == {"a"}


@pytest.mark.parametrize(
    ("tries", "pause_ms"),
    [
        (0, 1000),
        (1, 2000),
        (11, 2_048_000),
        (12, 3_600_000),
        (35, 3_600_000),
        (36, 3_600_000),
        (37, 7_200_000),
        (40, 57_600_000),
        (41, DAY_MS),
        (10_000, DAY_MS),
    ],
)
def test_a_receipt_in_quarantine_is_looked_at_ever_less_often(tries: int, pause_ms: int) -> None:
    assert _pause(tries) == pause_ms


def moved(run_id: int, sent_at: int | None, old: DeliveryState, new: DeliveryState) -> _Update:
    hit = MatchedDelivery(
        0, 0, 0, 1, 1, 1, run_id, 84_912_000_001, None, 1, sent_at, None, old, 0, 1, 0, 0, 0
    )
    return _Update(hit, DeliveryStatus(new, 0, 1), None)


def test_failures_are_counted_by_run_and_fifth_of_a_second_of_the_sending() -> None:
    at = NOW - 1000
    moving = [
        moved(1, at, SUBMITTED, FAILED),
        moved(1, at + 199, SUBMITTED, FAILED),
        moved(1, at + 200, SUBMITTED, FAILED),
        moved(2, at, SUBMITTED, FAILED),
        moved(2, at + 400, FAILED, DELIVERED),
        moved(3, at, SUBMITTED, DELIVERED),
        moved(3, at, FAILED, FAILED),
        moved(4, at, SUBMITTED, FAILED),
        moved(4, at, FAILED, DELIVERED),
    ]
    assert _failures(moving, NOW) == [(1, at + 200, 2), (1, at + 400, 1), (2, at + 200, 1), (2, at + 600, -1)]


def test_what_was_sent_long_ago_or_never_is_not_judged() -> None:
    long_ago, just = NOW - JUDGED_MS, NOW - JUDGED_MS + 1
    old = [moved(1, long_ago, SUBMITTED, FAILED), moved(1, None, SUBMITTED, FAILED)]
    assert _failures(old, NOW) == []
    assert [row[2] for row in _failures([moved(1, just, SUBMITTED, FAILED)], NOW)] == [1]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"phone": "84912000001"}, {"phone": 84_912_000_001}),
        ({"phone": "9" * 15}, {"phone": 10**15 - 1}),
        ({"phone": "9" * 16}, {"phone": None}),  # no number of the database's is so long
        ({"phone": "CONGAN"}, {"phone": None}),
        ({"phone": ""}, {"phone": None}),
        ({"phone": None}, {"phone": None}),
        ({"reference": None}, {"reference": None}),
        ({"reference": "r" * 150}, {"reference": "r" * 100}),
        ({"reference": "a\0b"}, {"reference": "a?b"}),
        ({"code": "c" * 90}, {"code": "c" * 80}),
        ({"code": "\0", "raw": "x\0\udc80"}, {"code": "?", "raw": "x??"}),
        ({"raw": "Đã nhận"}, {"raw": "Đã nhận"}),
    ],
)
def test_whatever_a_receipt_has_can_be_stored(given: dict[str, Any], kept: dict[str, Any]) -> None:
    receipt = Receipt("m1", None, ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET)._replace(**given)
    found = storable(Arrival(Link(3, "viettel-1", "viettel", 4), receipt), NOW)
    assert {name: getattr(found, name) for name in kept} == kept
    assert (found.received_at, found.done_at, found.link_id, found.group_id) == (NOW, None, 3, 4)
    assert (found.level, found.status) == (ReceiptLevel.HANDSET, "delivered")
