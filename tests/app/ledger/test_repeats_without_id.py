"""A receipt that comes again without its id is about the message that has it, not about another round's."""

from __future__ import annotations

import pytest

from app.core.states import DeliveryState
from app.database.connection import Database
from carriers.contract import Accepted, ReceiptStatus
from tests.app.ledger.test_receipt_matching import BAD, GOOD, SUBMITTED, again, apply, said, sent, state


@pytest.mark.parametrize("status", [GOOD, BAD])
@pytest.mark.parametrize("with_id_first", [True, False])
def test_a_receipt_that_comes_again_without_its_id_moves_no_other_message(
    db: Database, status: ReceiptStatus, with_id_first: bool
) -> None:
    first = sent(db, Accepted(("of the first",)))
    second = again(first, Accepted(("of the second",)))
    whole = said(second, status, reference="of the second")
    without = whole._replace(receipt=whole.receipt._replace(reference=None))
    for each in (whole, without) if with_id_first else (without, whole):
        apply(first, each)
    db.write(lambda c: first.ledger.rematch(c, 100))
    after = DeliveryState.DELIVERED if status is GOOD else DeliveryState.UNDELIVERED
    assert (state(first), state(second)) == (SUBMITTED, after)


def test_another_time_is_another_receipt(db: Database) -> None:
    first = sent(db, Accepted(("of the first",)))
    second = again(first, Accepted(("of the second",)))
    assert apply(first, said(second, reference="of the second")) == (1, 1, 0)
    assert apply(first, said(first, minutes=1.0)) == (1, 1, 0)
    assert state(first) == DeliveryState.DELIVERED
