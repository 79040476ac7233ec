"""What a citizen's message may be answered for, and why one gets no answer."""

from __future__ import annotations

from enum import StrEnum


class AnswerKind(StrEnum):
    """What an answer text answers. Values are stored.

    The last five are the verdicts of the genuine check (app/text_verification/compare.py).
    """

    OPT_OUT = "opt_out"  # its sender wants no more messages: confirms it
    REPORT = "report"  # of a scam or of spam
    OTHER = "other"
    GENUINE = "genuine"
    WITHDRAWN = "withdrawn"
    INCOMPLETE = "incomplete"
    ALTERED = "altered"
    UNKNOWN = "unknown"


class Unanswered(StrEnum):
    """Why a message to us gets no answer. Values are stored."""

    REPEATED = "repeated"  # the same words as one shortly before, which the carrier has perhaps sent again
    CEILING = "ceiling"  # its sender has had as many answers as a day may have
    LISTED = "listed"  # its sender is on the carrier's do-not-send list
    NO_NUMBER = "no_number"  # its sender is no Vietnamese mobile number
    RECEIPT = "receipt"  # it has the form of a receipt, which no person writes
    PART = "part"  # one part of a long message, which is answered as a whole or not at all
    RESTORED = "restored"  # it came before the database was put back: perhaps it was answered
    STOPPED = "stopped"  # a person has cancelled the run of these answers
    LATE = "late"  # it was queued, and could not go out within its time
