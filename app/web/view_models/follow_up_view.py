"""Outcomes of messages as people choose them for a follow-up, and what each of them means."""

from __future__ import annotations

from typing import NamedTuple

from app.ledger.unreached import Outcome
from app.web.translations import Said, say


class OutcomeWords(NamedTuple):
    """What an outcome is called; perhaps: the person may have got the message."""

    said: Said
    perhaps: bool = False


OUTCOMES: dict[str, OutcomeWords] = {
    Outcome.UNDELIVERED: OutcomeWords(say("not delivered, by a receipt")),
    Outcome.EXPIRED: OutcomeWords(say("expired: the telephone was off too long")),
    Outcome.NO_RECEIPT: OutcomeWords(say("no receipt came until the run was finished")),
    Outcome.REJECTED: OutcomeWords(say("refused by the carrier at once")),
    Outcome.NOT_SENT: OutcomeWords(say("not sent: cancelled, or the window was over")),
    Outcome.ACCEPTED: OutcomeWords(
        say("taken by the operator's centre, or by a carrier without receipts"), True
    ),
    Outcome.WRITTEN_OFF: OutcomeWords(say("unknown, and written off by a person"), True),
}
