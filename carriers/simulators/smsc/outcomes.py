"""What can happen to a submit at the simulated message centre, and which numbers ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class LinkTrouble(Enum):
    """What happens to the connection together with the answer."""

    NONE = "none"
    DROP = "drop"  # taken, then the connection breaks before the answer
    DROP_UNTAKEN = "drop_untaken"  # the connection breaks and the message was not taken
    BAD_FRAME = "frame"  # bytes with an impossible command_length: the stream is lost
    BAD_BODY = "body"  # a deliver_sm whose body is noise
    BAD_COMMAND = "command"  # a well-framed PDU with a command_id that does not exist


@dataclass(frozen=True, slots=True)
class SubmitAnswer:
    """How a submit is answered; a status other than 0 means that it was not taken."""

    status: int = 0
    silent: bool = False  # taken, never answered
    without_id: bool = False  # taken, answered ESME_ROK with an empty body
    trouble: LinkTrouble = LinkTrouble.NONE


@dataclass(frozen=True, slots=True, eq=False)
class ReceiptOutcome:
    """What a receipt says: its stat word, SMPP message_state and the centre's error code."""

    stat: bytes
    state: int
    err: bytes = b"000"


@dataclass(frozen=True, slots=True)
class ReceiptPlan:
    """How the outcome is reported: how often, with other receipts before or after, or with wrong ids."""

    times: int = 1
    early: bool = False  # before the submit's own answer
    other_base: bool = False
    foreign: int = 0  # additional receipts with ids that no answer had
    before: tuple[ReceiptOutcome, ...] = ()
    after: tuple[ReceiptOutcome, ...] = ()


STATES = {
    "ENROUTE": 1,
    "DELIVRD": 2,
    "EXPIRED": 3,
    "DELETED": 4,
    "UNDELIV": 5,
    "ACCEPTD": 6,
    "UNKNOWN": 7,
    "REJECTD": 8,
}
ENROUTE = STATES["ENROUTE"]


def outcome(stat: str, err: str = "000") -> ReceiptOutcome:
    """Return the outcome of a stat word; ValueError for a word that SMPP does not have."""
    if stat not in STATES:
        raise ValueError(f"{stat!r} is no receipt state; the states are {', '.join(STATES)}")
    return ReceiptOutcome(stat.encode(), STATES[stat], err.encode())


DELIVERED = outcome("DELIVRD")
UNDELIVERED = outcome("UNDELIV", "001")
TAKEN, SILENT = SubmitAnswer(), SubmitAnswer(silent=True)
ONCE, NEVER = ReceiptPlan(), ReceiptPlan(times=0)


@dataclass(frozen=True, slots=True)
class SubmitOutcome:
    """Everything that happens to one submit."""

    answer: SubmitAnswer = TAKEN
    outcome: ReceiptOutcome = DELIVERED
    reporting: ReceiptPlan = ONCE


PLAIN = SubmitOutcome()


@dataclass(frozen=True, slots=True)
class Special:
    """The outcome that a destination number asks for.

    tries: the answer applies to the first so many submits of the number (0: all); from_part: earlier parts of
    a long message are taken and delivered normally.
    """

    what: str
    plan: SubmitOutcome
    tries: int = 0
    from_part: int = 1


def _answer(what: str, answer: SubmitAnswer, tries: int = 0, from_part: int = 1) -> Special:
    return Special(what, SubmitOutcome(answer=answer), tries, from_part)


def _reporting(what: str, reporting: ReceiptPlan) -> Special:
    return Special(what, SubmitOutcome(reporting=reporting))


def _outcome(what: str, stat: str, err: str, from_part: int = 1) -> Special:
    return Special(what, SubmitOutcome(outcome=outcome(stat, err)), from_part=from_part)


BY_NUMBER = {
    b"9901": _answer("throttled (0x58) twice, then taken", SubmitAnswer(0x58), tries=2),
    b"9902": _answer("refused 0x0B: no such number", SubmitAnswer(0x0B)),
    b"9903": _answer("taken, never answered, reported", SILENT),
    b"9904": _reporting("answered, never reported", NEVER),
    b"9905": _reporting("reported before it is answered", ReceiptPlan(early=True)),
    b"9906": _reporting("reported twice", ReceiptPlan(times=2)),
    b"9907": _outcome("reported UNDELIV, err 001", "UNDELIV", "001"),
    b"9908": _outcome("reported EXPIRED, err 027", "EXPIRED", "027"),
    b"9909": _reporting("receipt's id in the other base", ReceiptPlan(other_base=True)),
    b"9910": _answer("queue full (0x14) once, then taken", SubmitAnswer(0x14), tries=1),
    b"9911": _outcome("reported REJECTD, err 051", "REJECTD", "051"),
    b"9912": _reporting("reported, and a receipt with an unknown id besides", ReceiptPlan(foreign=1)),
    b"9913": _answer("refused 0x65: permanent application error", SubmitAnswer(0x65)),
    b"9914": _answer("system error (0x08) twice, then taken", SubmitAnswer(0x08), tries=2),
    b"9915": Special("taken, never answered, never reported", SubmitOutcome(SILENT, DELIVERED, NEVER)),
    b"9916": _outcome("reported UNKNOWN", "UNKNOWN", "000"),
    b"9917": _reporting("reported ACCEPTD, then DELIVRD", ReceiptPlan(before=(outcome("ACCEPTD"),))),
    b"9918": _reporting("reported DELIVRD, then UNDELIV", ReceiptPlan(after=(UNDELIVERED,))),
    b"9919": _reporting("reported UNDELIV, then DELIVRD", ReceiptPlan(before=(UNDELIVERED,))),
    b"9920": _answer("refused with a vendor's code, 0x450", SubmitAnswer(0x450)),
    b"9921": _answer("taken, answered without an id", SubmitAnswer(without_id=True)),
    b"9922": _answer(
        "taken, connection dropped before the answer", SubmitAnswer(silent=True, trouble=LinkTrouble.DROP)
    ),
    b"9923": _answer(
        "connection dropped once, not taken", SubmitAnswer(trouble=LinkTrouble.DROP_UNTAKEN), tries=1
    ),
    b"9924": _answer(
        "impossible command_length before the answer", SubmitAnswer(trouble=LinkTrouble.BAD_FRAME), tries=1
    ),
    b"9925": _answer("deliver_sm of noise before the answer", SubmitAnswer(trouble=LinkTrouble.BAD_BODY)),
    b"9926": _answer("unknown command_id before the answer", SubmitAnswer(trouble=LinkTrouble.BAD_COMMAND)),
    b"9927": _answer("first part taken, the others refused 0x0B", SubmitAnswer(0x0B), from_part=2),
    b"9928": _outcome("first part delivered, the others UNDELIV", "UNDELIV", "001", from_part=2),
    b"9929": _answer("first part taken, the others throttled once", SubmitAnswer(0x58), tries=1, from_part=2),
}
