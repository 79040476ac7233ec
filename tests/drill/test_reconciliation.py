"""The comparison finds every kind of difference between the ledger and the carrier's book."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.core.states import DeliveryState as S
from tests.drill.reconciliation import Excuses, LedgerRecord, MessageRecord, compare

A, B, C = 84_961_000_001, 84_961_000_002, 84_961_000_003
NUMBERS = frozenset({A, B, C})
BOOK = MessageRecord({A: 1, B: 1}, {A: 1, B: 1})
KEPT = LedgerRecord({A: S.DELIVERED, B: S.UNDELIVERED, C: S.UNKNOWN}, {A: 1, B: 1}, set(), {B, C})
EXCUSES = Excuses(frozenset({C}), 1)
MISTIMED = replace(EXCUSES, mistimed=frozenset({B}))


def test_two_books_that_agree() -> None:
    found = compare(NUMBERS, BOOK, KEPT, EXCUSES)
    assert found.wrong == {}
    assert found.figures == {
        "messages": 2,
        "copies_max": 1,
        "numbers_taken": 2,
        "delivered": 1,
        "unknown_ever": 2,
        "unknown_settled": 1,
        "unknown_left": 1,
        "receipts_kept": 2,
        "in_quarantine": 0,
    }


@pytest.mark.parametrize(
    ("book", "kept", "excuses", "said", "whose"),
    [
        ({"copies": {A: 2, B: 1}}, {}, EXCUSES, "more than one copy", {A}),
        ({}, {"states": {A: S.DELIVERED, B: S.UNDELIVERED}}, EXCUSES, "not in the ledger", {C}),
        (
            {"copies": {A: 1, B: 1, C: 1}},
            {"states": KEPT.states | {C: S.QUEUED}},
            EXCUSES,
            "not know it",
            {C},
        ),
        ({"copies": {A: 1}}, {}, EXCUSES, "the carrier never had them", {B}),
        ({}, {"states": KEPT.states | {C: S.QUEUED}}, EXCUSES, "never sent, though", {C}),
        ({}, {"states": KEPT.states | {C: S.REJECTED}}, EXCUSES, "never sent, though", {C}),
        ({}, {"reported": {A: 1}}, EXCUSES, "acknowledged and is not in the ledger", {B}),
        ({"acknowledged": {A: 2, B: 1}}, {}, EXCUSES, "acknowledged and is not in the ledger", {A}),
        ({"acknowledged": {A: 1}}, {}, EXCUSES, "a final state without a receipt", {B}),
        ({}, {"states": KEPT.states | {B: S.UNKNOWN}}, EXCUSES, "reported and are still unknown", {B}),
        ({}, {"states": KEPT.states | {B: S.UNKNOWN}}, MISTIMED, "reported and are still unknown", {B}),
        (
            {},
            {"states": KEPT.states | {B: S.SUBMITTED}, "waiting": {B}},
            EXCUSES,
            "quarantine that fits",
            {B},
        ),
        ({}, {}, Excuses(), "where faults explain 0 at most", {B, C}),
        ({}, {}, Excuses(frozenset({B}), 0), "where faults explain 0 at most", {C}),
    ],
)
def test_a_difference_is_found_and_named_without_a_whole_number(
    book: dict[str, object], kept: dict[str, object], excuses: Excuses, said: str, whose: set[int]
) -> None:
    found = compare(NUMBERS, replace(BOOK, **book), replace(KEPT, **kept), excuses)
    wrong = [numbers for what, numbers in found.wrong.items() if said in what]
    assert wrong == [whose]
    sentences = "\n".join(found.sentences())
    assert said in sentences
    assert not any(str(number) in sentences for number in NUMBERS)


def test_a_receipt_of_another_day_leaves_an_unknown_message_to_a_person() -> None:
    kept = replace(KEPT, states=KEPT.states | {B: S.UNKNOWN}, waiting={B})
    assert compare(NUMBERS, BOOK, kept, MISTIMED).wrong == {}
