"""The prototype that the bench measures beside today's ledger does what it is measured for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.core.states import DeliveryState
from app.database.connection import Database
from app.ledger.contract import Arrival, DeliveryToSend, Link, SubmitOutcome
from carriers.contract import Accepted, Receipt, ReceiptLevel, ReceiptStatus, Unknown
from tests.app.world import FIRST_PHONE
from tests.bench.packed.layout import CLOSED
from tests.bench.packed.measure import CHUNK, filled, reference
from tests.bench.packed.packed_ledger import LostLease, PackedLease, PackedLedger
from tests.bench.packed.sorted_runs import SortedRuns

LINK = Link(1, "viettel-1", "viettel", 1)
DELIVERED, SUBMITTED, UNKNOWN = DeliveryState.DELIVERED, DeliveryState.SUBMITTED, DeliveryState.UNKNOWN
GOOD, BAD = ReceiptStatus.DELIVERED, ReceiptStatus.UNDELIVERED


def answered(items: Sequence[DeliveryToSend]) -> list[SubmitOutcome]:
    return [SubmitOutcome(item, Accepted((reference(item.seq),))) for item in items]


def said(seq: int, status: ReceiptStatus = GOOD) -> Arrival:
    return Arrival(LINK, Receipt(reference(seq), None, status, ReceiptLevel.HANDSET, code="000", raw="raw"))


def sent(ledger: PackedLedger) -> PackedLease:
    lease = ledger.claim("one")
    assert lease
    ledger.record(lease, LINK.id, [], lease.items[-1].seq)
    ledger.record(lease, LINK.id, answered(lease.items), None)
    return lease


def test_a_process_that_starts_knows_what_the_last_one_did(db: Database) -> None:
    ledger = filled(db, 40)
    lease = sent(ledger)
    assert ledger.apply([said(2), said(3, BAD), said(3, BAD), said(99)]) == 2
    again = PackedLedger(db)
    assert again.tally() == {DELIVERED: 1, DeliveryState.UNDELIVERED: 1, SUBMITTED: 38} == ledger.tally()
    assert again.under_way == ledger.under_way
    assert again.apply([said(item.seq) for item in lease.items[2:]]) == 38
    assert db.read(again.verify) == []


def test_receipts_after_the_last_message_was_known_are_found_in_the_index(db: Database) -> None:
    ledger = filled(db, 20 * CHUNK)
    for _ in range(20):  # more than one level of the index
        items = sent(ledger).items
        ledger.apply([said(item.seq, BAD) for item in items])
    assert {chunk.state for chunk in ledger.chunks.values()} == {CLOSED}
    assert ledger.under_way == {}
    late = [2, CHUNK + 1, CHUNK + 2, 20 * CHUNK + 1]
    assert ledger.apply([said(seq) for seq in late]) == 4
    again = PackedLedger(db)
    assert again.apply([said(seq) for seq in late]) == 0
    assert again.tally() == {DELIVERED: 4, DeliveryState.UNDELIVERED: 20 * CHUNK - 4}
    assert db.read(again.verify) == []
    assert again.apply([said(20 * CHUNK + 2)]) == 0


def test_a_person_is_found_with_all_that_was_said(db: Database) -> None:
    ledger = filled(db, CHUNK + 5)
    sent(ledger)
    ledger.apply([said(9, BAD), said(9)])
    (found,) = db.read(ledger.find, FIRST_PHONE + 7)
    assert (found.seq, found.state, len(found.said)) == (9, DELIVERED, 3)
    (waits,) = db.read(ledger.find, FIRST_PHONE + CHUNK + 4)
    assert (waits.seq, waits.state, waits.said) == (CHUNK + 6, DeliveryState.QUEUED, [])
    assert db.read(ledger.find, FIRST_PHONE - 1) == []


def test_a_holder_whose_chunk_another_has_claimed_records_nothing(db: Database) -> None:
    ledger = filled(db, 10)
    lease = ledger.claim("one")
    assert lease
    heir = PackedLedger(db).claim("two")
    assert heir
    with pytest.raises(LostLease):
        ledger.record(lease, LINK.id, answered(lease.items), None)
    assert PackedLedger(db).tally() == {DeliveryState.QUEUED: 10}


def test_what_got_no_answer_is_unknown_and_a_receipt_settles_it_not(db: Database) -> None:
    """A reference that nobody was told is nobody's."""
    ledger = filled(db, 3)
    lease = ledger.claim("one")
    assert lease
    lost = SubmitOutcome(lease.items[0], Unknown("no answer"))
    ledger.record(lease, LINK.id, [lost, *answered(lease.items[1:])], None)
    assert ledger.apply([said(2), said(3)]) == 1
    assert PackedLedger(db).tally() == {UNKNOWN: 1, DELIVERED: 1, SUBMITTED: 1}
    assert db.read(ledger.verify) == []


def test_a_report_counts_by_area_and_erasure_leaves_nothing(db: Database) -> None:
    ledger = filled(db, CHUNK + 1)
    sent(ledger)
    counts = db.read(ledger.report)
    assert counts["03646", SUBMITTED] == 334
    assert (counts["", SUBMITTED], sum(counts.values())) == (333, CHUNK + 1)
    assert [db.write(ledger.erase, 1) for _ in range(3)] == [1, 1, 0]
    assert db.read(PackedLedger(db).find, FIRST_PHONE) == []


@pytest.mark.parametrize("equal", [1, 119, 120, 121, 500])
def test_equal_keys_are_all_found_wherever_a_block_ends(db: Database, equal: int) -> None:
    filled(db, 1)
    runs = db.read(SortedRuns, 7)
    entries = [(n, n) for n in range(100)] + [(100, 1000 + n) for n in range(equal)] + [(200, 5000)]
    db.write(runs.add, entries)
    assert db.read(runs.find, 100) == [1000 + n for n in range(equal)]
    assert (db.read(runs.find, 99), db.read(runs.find, 200)) == ([99], [5000])
    assert db.read(runs.find, 150) == db.read(runs.find, -1) == []
