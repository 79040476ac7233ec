"""How a simulated message centre behaves: every misbehaviour is one field and one flag."""

from __future__ import annotations

from dataclasses import dataclass

from carriers.simulators.randomness import Randomness, flag, named_shares
from carriers.simulators.smsc import outcomes as submit_outcomes
from carriers.simulators.smsc.ids import FORMS

CHOICES = {
    "id_form": tuple(FORMS),
    "receipt_id_form": ("same", *FORMS),
    "receipts_on": ("own", "other", "any"),
    "receipt_date_digits": (10, 12),
    "receipt_dlvrd": ("count", "state"),
    "garbage_kind": ("frame", "body", "command"),
}


@dataclass(frozen=True, slots=True)
class SmscBehaviour:
    """Everything a centre does on purpose.

    A share is a part of 1; one draw decides among the shares of answers, one among outcomes and one among
    ways of reporting.
    """

    seed: int = flag(1, "same seed and same submits: same ids and same outcomes")
    by_number: bool = flag(False, "numbers that end in 99xx choose their own outcome (see the table)")
    # Answers
    answer_delay_s: float = flag(0.0, "seconds before each answer")
    answer_spread_s: float = flag(0.0, "up to this many seconds more, at random")
    throttle: float = flag(0.0, "share of submits answered 0x58, throttled")
    queue_full: float = flag(0.0, "share of submits answered 0x14, message queue full")
    refusals: str = flag("", "shares refused by status, as 0x0B=0.01,0x45=0.02")
    unanswered: float = flag(0.0, "share of submits taken and never answered")
    drop: float = flag(0.0, "share of submits taken, whose connection then breaks before the answer")
    garbage: float = flag(0.0, "share of submits whose answer garbage comes before")
    garbage_kind: str = flag("frame", "garbage is a bad frame, a deliver_sm of noise or an unknown command")
    drop_after_submits: int = flag(0, "break each connection at its Nth submit (0: never)")
    rate_limit: int = flag(0, "segments taken in one second; more are answered 0x58 (0: no limit)")
    refuse_ucs2: bool = flag(False, "refuse data_coding 8 with 0x65")
    source_ton: int = flag(-1, "the only source_addr_ton taken, others get 0x48 (-1: any)")
    refuse_binds: int = flag(0, "status that every bind request gets, as 0x0D (0: none)")
    max_binds: int = flag(0, "binds of one account at once; one more is refused with 0x0D (0: no limit)")
    # The link
    silent: bool = flag(False, "read and take, but write nothing until this ends")
    deaf: bool = flag(False, "hold the connection without reading from it")
    cut_writes: bool = flag(False, "write in pieces that end inside a PDU")
    enquire_link_s: float = flag(0.0, "seconds between two enquire_link on each bind (0: never)")
    # Receipts
    receipt_delay_s: float = flag(0.0, "seconds from the answer to the receipt")
    receipt_spread_s: float = flag(0.0, "up to this many seconds more, at random")
    outcomes: str = flag("", "shares of receipts that fail, as UNDELIV/001=0.02,EXPIRED/027=0.01")
    unreported: float = flag(0.0, "share of messages answered and never reported")
    early: float = flag(0.0, "share of messages reported before they are answered")
    twice: float = flag(0.0, "share of messages reported twice")
    other_base: float = flag(0.0, "share of receipts whose id is in the other base")
    foreign: float = flag(0.0, "share of receipts followed by one with an id never given out")
    out_of_order: bool = flag(False, "receipts overtake each other (within 0.2 s, or the spread if longer)")
    receipts_on: str = flag("own", "receipts go to the bind that sent, to another of its account, or in turn")
    receipt_window: int = flag(50, "receipts unacknowledged at once on one bind")
    receipt_pause_s: float = flag(1.0, "seconds before a receipt refused for now (0x14) is sent again")
    receipt_timeout_s: float = flag(60.0, "seconds before an unacknowledged receipt is sent again")
    # Messages to us
    inbound: float = flag(0.0, "messages a second that subscribers send to us, each account in turn")
    inbound_text: str = flag("Toi da doc, cam on", "what they write")
    inbound_to: str = flag("8088", "the number that they write to")
    # Dialect
    id_form: str = flag("dec", "message ids in answers")
    receipt_id_form: str = flag("same", "message ids in receipts")
    receipt_tlvs: bool = flag(True, "receipts carry receipted_message_id and message_state")
    receipt_text: bool = flag(True, "receipts carry the text of appendix B")
    receipt_swapped: bool = flag(False, "receipts keep the submit's address order: source is the sender")
    receipt_date_digits: int = flag(10, "digits of the dates, 12 with seconds")
    receipt_submit_label: str = flag("submit date", "the label of the submit date, as 'submitdate'")
    receipt_dlvrd: str = flag("count", "dlvrd is a count of 3 digits, or the number of the state")
    receipt_err_text: str = flag("", "what err: says of a delivered message ('': 000)")
    utc_offset_h: float = flag(7.0, "hours from UTC of the dates in receipts")

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                known = ", ".join(map(str, choices))
                raise ValueError(f"{name}: {getattr(self, name)!r} is not known; give one of {known}")
        answers(self), outcomes(self), reportings(self)  # refused here, not at the first submit


def answers(behaviour: SmscBehaviour) -> Randomness[submit_outcomes.SubmitAnswer]:
    trouble = submit_outcomes.LinkTrouble(behaviour.garbage_kind)
    shares = [
        (behaviour.throttle, submit_outcomes.SubmitAnswer(0x58)),
        (behaviour.queue_full, submit_outcomes.SubmitAnswer(0x14)),
        (behaviour.unanswered, submit_outcomes.SILENT),
        (behaviour.drop, submit_outcomes.SubmitAnswer(silent=True, trouble=submit_outcomes.LinkTrouble.DROP)),
        (behaviour.garbage, submit_outcomes.SubmitAnswer(trouble=trouble)),
    ]
    refused = [
        (share, submit_outcomes.SubmitAnswer(int(code, 0)))
        for code, share in named_shares("refusals", behaviour.refusals)
    ]
    return Randomness("answers", submit_outcomes.TAKEN, shares + refused)


def outcomes(behaviour: SmscBehaviour) -> Randomness[submit_outcomes.ReceiptOutcome]:
    shares = []
    for key, share in named_shares("outcomes", behaviour.outcomes):
        stat, _, err = key.partition("/")
        shares.append((share, submit_outcomes.outcome(stat, err or "000")))
    delivered = submit_outcomes.outcome("DELIVRD", behaviour.receipt_err_text or "000")
    return Randomness("outcomes", delivered, shares)


def reportings(behaviour: SmscBehaviour) -> Randomness[submit_outcomes.ReceiptPlan]:
    shares = [
        (behaviour.unreported, submit_outcomes.NEVER),
        (behaviour.early, submit_outcomes.ReceiptPlan(early=True)),
        (behaviour.twice, submit_outcomes.ReceiptPlan(times=2)),
        (behaviour.other_base, submit_outcomes.ReceiptPlan(other_base=True)),
        (behaviour.foreign, submit_outcomes.ReceiptPlan(foreign=1)),
    ]
    return Randomness("reporting", submit_outcomes.ONCE, shares)
