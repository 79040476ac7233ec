"""One result from the answers of all parts: every subset of lost, refused and put-off parts."""

from __future__ import annotations

from itertools import product

import pytest

from carriers.contract import Accepted, Deferred, Halted, Partial, Reason, Rejected, Unknown
from carriers.smpp.carrier import PartAnswer, nack, whole

TAKEN = Accepted(("id",))
GONE = Rejected("0x0A", Reason.FILTERED)
BUSY = Deferred("0x58", 1.0)
TROUBLE = Deferred("0x08", 5.0, counts=True)
STOP = Halted("0x0E", "the carrier rejects the password")
LOST = Unknown("the connection broke")


@pytest.mark.longer
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_every_subset_of_answers_gives_the_documented_result(count: int) -> None:
    for answers in product((TAKEN, GONE, BUSY, TROUBLE, STOP, LOST), repeat=count):
        result = whole(answers)
        refs = tuple("id" if answer is TAKEN else None for answer in answers)
        not_taken = tuple(part for part, answer in enumerate(answers) if answer is not TAKEN)
        if LOST in answers:
            assert result == Unknown(LOST.reason, refs)
        elif not not_taken:
            assert result == Accepted(refs)
        elif TAKEN in answers:
            assert isinstance(result, Partial)
            assert (result.refs, result.refused) == (refs, not_taken)
        else:
            assert result is next(kind for kind in (GONE, STOP, TROUBLE, BUSY) if kind in answers)


@pytest.mark.parametrize(
    ("answers", "code", "reason"),
    [
        ([TAKEN, GONE, BUSY], "0x0A", Reason.FILTERED),
        ([TAKEN, BUSY, TROUBLE], "0x08", Reason.SYSTEM),
        ([BUSY, TAKEN], "0x58", Reason.SYSTEM),
        ([STOP, TAKEN], "0x0E", Reason.SYSTEM),
    ],
)
def test_a_partial_message_names_the_refusal_that_decides(
    answers: list[PartAnswer], code: str, reason: Reason
) -> None:
    result = whole(answers)
    assert isinstance(result, Partial)
    assert (result.code, result.reason) == (code, reason)


def test_a_generic_nack_without_a_status_proves_nothing() -> None:
    assert isinstance(nack(0), Unknown)
    assert isinstance(nack(3), Rejected)
