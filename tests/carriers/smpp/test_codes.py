"""Every command_status becomes one of our words."""

from __future__ import annotations

import pytest

from carriers.contract import Deferred, Halted, Reason, Rejected
from carriers.smpp.codes import Refusal, code, refusal

WORDS: dict[int, Refusal] = {
    0x04: Deferred("0x04", 5.0, counts=True),
    0x08: Deferred("0x08", 5.0, counts=True),
    0x0A: Rejected("0x0A", Reason.FILTERED),
    0x0B: Rejected("0x0B", Reason.NO_SUCH_NUMBER),
    0x0D: Deferred("0x0D", 5.0),
    0x14: Deferred("0x14", 0.1, throttled=True),
    0x45: Rejected("0x45", Reason.OTHER),
    0x48: Rejected("0x48", Reason.WRONG_REQUEST),
    0x58: Deferred("0x58", 0.1, throttled=True),
    0x63: Rejected("0x63", Reason.WRONG_REQUEST),
    0x64: Deferred("0x64", 5.0, counts=True),
    0x65: Rejected("0x65", Reason.WRONG_REQUEST),
    0x66: Rejected("0x66", Reason.FILTERED),
    0xC3: Rejected("0xC3", Reason.WRONG_REQUEST),
    0x450: Rejected("0x450", Reason.OTHER),
    0xFFFFFFFF: Rejected("0xFFFFFFFF", Reason.OTHER),
}


@pytest.mark.parametrize(("status", "word"), WORDS.items(), ids=map(code, WORDS))
def test_a_status_is_one_of_our_words(status: int, word: Refusal) -> None:
    assert refusal(status) == word


@pytest.mark.parametrize("status", [0x0E, 0x0F])
def test_a_refused_account_stops_the_link(status: int) -> None:
    assert isinstance(refusal(status), Halted)


def test_every_status_there_is_has_a_word_with_its_own_code() -> None:
    assert all(refusal(status).code == code(status) for status in range(1, 0x600))


# SMPP v3.4 issue 1.2, table 5-2, and 0x63, 0x65 of a Vietnamese aggregator.
WRONG = {0x01, 0x02, 0x03, 0x06, 0x07, 0x0C, 0x15, 0x43, 0x48, 0x49, 0x50, 0x51, 0x61, 0x62, 0x63, 0x65}
WRONG |= {0xC0, 0xC1, 0xC2, 0xC3, 0xC4}


def test_no_other_status_says_that_we_asked_wrongly() -> None:
    said = {
        status
        for status in range(1, 0x500)
        if refusal(status) == Rejected(code(status), Reason.WRONG_REQUEST)
    }
    assert said == WRONG
