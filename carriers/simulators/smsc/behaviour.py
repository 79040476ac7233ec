"""How a simulated message centre behaves: one field and one flag each, or a number with its own outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carriers.simulators.randomness import (
    DELIVERED,
    ONCE,
    Behaviour,
    Outcome,
    Randomness,
    ReceiptPlan,
    flag,
    named_shares,
    one_of,
    outcomes,
    reportings,
    unit,
)

MODULUS = 2**31  # a random-looking 31-bit number, as centres on Vietnamese links issue
STEP = 0x9E3779B1  # odd, so that index -> number is a bijection
INVERSE = pow(STEP, -1, MODULUS)
# How ids are written: in which base, how, and how in the base that a careless centre confuses it with.
FORMS = {"dec": (10, b"%d", b"%x"), "hex": (16, b"%x", b"%d")}
_WORDS = ("ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
STATES = {word: state for state, word in enumerate(_WORDS, 1)}
CHOICES = {
    "id_form": tuple(FORMS),
    "receipt_id_form": ("same", *FORMS),
    "receipts_on": ("own", "other", "any"),
    "garbage_kind": ("frame", "body"),
}


@dataclass(frozen=True, slots=True)
class SmscBehaviour(Behaviour):
    """The common behaviour, and a centre's own; throttled is 0x58."""

    by_number: bool = flag(False, "numbers that end in 99xx choose their own outcome (see the table)")
    # Answers
    answer_spread_s: float = flag(0.0, "additional random delay, up to this many seconds")
    queue_full: float = flag(0.0, "share of submits answered 0x14, message queue full")
    refusals: str = flag("", "shares refused with each status, such as 0x0B=0.01,0x45=0.02")
    senders: str = flag("", "the only sender IDs accepted, such as CONGAN,LOA ('': any); others get 0x0A")
    registered: str = flag("", "the only text accepted, such as CONGAN: {D,160} ('': any); others get 0x45")
    needs_tlv: int = flag(0, "tag without which a submit is refused with 0xC3, such as 0x1401 (0: none)")
    unanswered: float = flag(0.0, "share of submits accepted but never answered")
    drop: float = flag(0.0, "share of submits accepted, after which the connection breaks before the answer")
    garbage: float = flag(0.0, "share of submits whose answer is preceded by garbage")
    garbage_kind: str = flag("frame", "garbage: a bad frame, or (body) a deliver_sm of noise")
    drop_after_submits: int = flag(0, "break each connection at its Nth submit (0: never)")
    rate_limit: int = flag(0, "segments accepted per second; more are answered 0x58 (0: no limit)")
    refuse_binds: int = flag(0, "status with which every bind request is refused, such as 0x0D (0: none)")
    max_binds: int = flag(
        0, "simultaneous binds of one account; further ones are refused with 0x0D (0: no limit)"
    )
    # The link
    silent: bool = flag(False, "read and accept everything, but write nothing while this is set")
    deaf: bool = flag(False, "hold the connection without reading from it")
    cut_writes: bool = flag(False, "write in pieces that end in the middle of a PDU")
    enquire_link_s: float = flag(0.0, "seconds between enquire_link requests on each bind (0: never)")
    # Receipts
    other_base: float = flag(0.0, "share of receipts whose id is in the other base")
    foreign: float = flag(0.0, "share of receipts followed by one with an id never given out")
    out_of_order: bool = flag(False, "receipts arrive out of order (within 0.2 s, or the spread if longer)")
    receipts_on: str = flag(
        "own", "which bind gets receipts: the one that sent, another of its account, or each in turn"
    )
    receipt_window: int = flag(50, "maximum unacknowledged receipts on one bind")
    receipt_pause_s: float = flag(1.0, "seconds before a receipt refused for now (0x14) is sent again")
    receipt_timeout_s: float = flag(60.0, "seconds before an unacknowledged receipt is sent again")
    id_form: str = flag("dec", "message ids in answers: dec or hex")
    receipt_id_form: str = flag("same", "message ids in receipts, likewise")
    utc_offset_h: float = flag(7.0, "UTC offset, in hours, of the dates in receipts")
    inbound: float = flag(0.0, "messages per second from subscribers, to each account in turn")

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            one_of(name, getattr(self, name), choices)
        OutcomePicker(self)  # shares are refused here, not at the first submit


@dataclass(frozen=True, slots=True)
class SubmitAnswer:
    """How a submit is answered; a status other than 0 means that it was not taken.

    silent: it is taken and never answered; trouble: what comes before the answer, "drop", "frame" or "body".
    """

    status: int = 0
    silent: bool = False
    trouble: str = ""


TAKEN, SILENT, NEVER = SubmitAnswer(), SubmitAnswer(silent=True), ReceiptPlan(0)


@dataclass(frozen=True, slots=True)
class SubmitOutcome:
    """Everything that happens to one submit."""

    answer: SubmitAnswer = TAKEN
    outcome: Outcome = DELIVERED
    reporting: ReceiptPlan = ONCE


PLAIN = SubmitOutcome()


def _refused(status: int) -> SubmitOutcome:
    return SubmitOutcome(SubmitAnswer(status))


def _reported(**how: Any) -> SubmitOutcome:
    return SubmitOutcome(reporting=ReceiptPlan(**how))


# Ending of the number: what happens in words, what happens, to how many submits of the number (0: to all).
BY_NUMBER: dict[bytes, tuple[str, SubmitOutcome, int]] = {
    b"9901": ("throttled (0x58) twice, then accepted", _refused(0x58), 2),
    b"9902": ("refused 0x0B: no such number", _refused(0x0B), 0),
    b"9903": ("accepted, never answered, reported", SubmitOutcome(SILENT), 0),
    b"9904": ("answered, never reported", SubmitOutcome(reporting=NEVER), 0),
    b"9905": ("reported before it is answered", _reported(early=True), 0),
    b"9906": ("reported twice", _reported(times=2), 0),
    b"9907": ("reported UNDELIV, err 001", SubmitOutcome(outcome=Outcome("UNDELIV", "001")), 0),
    b"9908": ("reported EXPIRED, err 027", SubmitOutcome(outcome=Outcome("EXPIRED", "027")), 0),
    b"9909": ("receipt has its id in the other base", _reported(other_base=True), 0),
    b"9910": ("queue full (0x14) once, then accepted", _refused(0x14), 1),
    b"9911": ("reported REJECTD, err 051", SubmitOutcome(outcome=Outcome("REJECTD", "051")), 0),
    b"9912": ("reported, followed by a receipt with an unknown id", _reported(foreign=True), 0),
    b"9915": ("accepted, never answered, never reported", SubmitOutcome(SILENT, reporting=NEVER), 0),
}


class OutcomePicker:
    """Picks the outcome of each submit: by its number, or by shares that the seed makes repeatable."""

    def __init__(self, behaviour: SmscBehaviour) -> None:
        self._seed = behaviour.seed
        self._by_number = BY_NUMBER if behaviour.by_number else {}
        self._tries: dict[bytes, int] = {}
        answers = [
            (behaviour.throttle, SubmitAnswer(0x58)),
            (behaviour.queue_full, SubmitAnswer(0x14)),
            (behaviour.unanswered, SILENT),
            (behaviour.drop, SubmitAnswer(silent=True, trouble="drop")),
            (behaviour.garbage, SubmitAnswer(trouble=behaviour.garbage_kind)),
        ]
        refusals = named_shares("refusals", behaviour.refusals)
        answers += [(share, SubmitAnswer(int(code, 0))) for code, share in refusals]
        self._answers = Randomness("answers", TAKEN, answers)
        self._outcomes = outcomes(behaviour, STATES, "000")
        other_base, foreign = ReceiptPlan(other_base=True), ReceiptPlan(foreign=True)
        self._reportings = reportings(
            behaviour, (behaviour.other_base, other_base), (behaviour.foreign, foreign)
        )
        self._has_shares = bool(self._answers.bounds or self._outcomes.bounds or self._reportings.bounds)

    def choose(self, phone: bytes, part: int, turn: int) -> SubmitOutcome:
        """Return the outcome of the `turn`th submit: part `part` (from 1) to the digits `phone`."""
        special = self._by_number.get(phone[-4:])
        if special is not None:
            return self._special(special[1], special[2], phone)
        if not self._has_shares:
            return PLAIN
        return SubmitOutcome(
            self._answers.draw(unit(self._seed, 1, turn)),  # by turn, so that a retry can end differently
            self._outcomes.draw(unit(self._seed, 2, int(phone), part)),
            self._reportings.draw(unit(self._seed, 3, int(phone), part)),
        )

    def _special(self, plan: SubmitOutcome, most: int, phone: bytes) -> SubmitOutcome:
        tries = self._tries[phone] = self._tries.get(phone, 0) + 1
        return PLAIN if most and tries > most else plan


class Ids:
    """The ids of one centre. Two centres with one seed issue equal ids, as two carriers may."""

    def __init__(self, seed: int) -> None:
        self._start = seed * 7919 % MODULUS
        self.use("dec", "same")

    def use(self, form: str, receipt_form: str) -> None:
        """Write ids as `form` in answers and `receipt_form` ("same" or a form) in receipts from now on."""
        self._base, self._text, self._other = FORMS[form]
        self._receipt_text = self._text if receipt_form == "same" else FORMS[receipt_form][1]

    def answer(self, index: int) -> bytes:
        return self._text % ((self._start + index * STEP) % MODULUS)

    def receipt(self, index: int, other_base: bool = False) -> bytes:
        form = self._other if other_base else self._receipt_text
        return form % ((self._start + index * STEP) % MODULUS)

    def index(self, identity: bytes) -> int:
        """Return which message an answer's id belongs to; ValueError if the id has another form."""
        return (int(identity, self._base) - self._start) * INVERSE % MODULUS
