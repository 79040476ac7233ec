"""How a simulated carrier over HTTP behaves: every misbehaviour is one field and one flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from carriers.simulators.randomness import Randomness, flag, named_shares
from carriers.simulators.web.faults import HttpTrouble

STATUSES = ("DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "SENT", "UNKNOWN")
TROUBLED = ("submits", "others", "all")


@dataclass(frozen=True, slots=True)
class WebOutcome:
    """What becomes of a message: a receipt status, with the carrier's own error code."""

    status: str
    error: str = "000"


@dataclass(frozen=True, slots=True)
class WebReceiptPlan:
    """How it is reported: how often, perhaps before the answer to its submit."""

    times: int = 1
    early: bool = False


@dataclass(frozen=True, slots=True)
class WebBehaviour:
    """Everything a carrier does on purpose.

    A share is a part of 1; one draw decides among the shares of troubles, one among outcomes and one among
    ways of reporting.
    """

    seed: int = flag(1, "same seed and same numbers: same outcomes")
    # Requests
    trouble_on: str = flag("submits", "which requests meet troubles: submits, others or all")
    next_troubles: str = flag("", "troubles of the first requests, in this order, as hang=2,cut=1")
    hang: float = flag(0.0, "share taken and never answered")
    break_before: float = flag(0.0, "share not taken, whose connection breaks")
    break_after: float = flag(0.0, "share taken, whose connection breaks before the answer")
    cut: float = flag(0.0, "share taken, whose connection ends in the middle of the answer")
    error_500: float = flag(0.0, "share answered 500 with a page of HTML")
    error_502: float = flag(0.0, "share answered 502 with a page of HTML")
    errors_taken: bool = flag(True, "what is answered 500 or 502 has been taken all the same")
    unavailable: float = flag(0.0, "share answered 503 with Retry-After")
    too_many: float = flag(0.0, "share answered 429 with Retry-After")
    retry_after_s: int = flag(1, "what Retry-After says")
    redirect: float = flag(0.0, "share answered 302, to another address")
    huge: float = flag(0.0, "share taken, with an answer of 10 MB")
    bomb: float = flag(0.0, "share taken, with an answer of 10 MB packed into 10 kB")
    gzip: float = flag(0.0, "share answered in gzip")
    chunked: float = flag(0.0, "share answered in chunks")
    wrong_type: float = flag(0.0, "share whose right answer is called an image")
    page: float = flag(0.0, "share taken, answered 200 with a page of HTML")
    empty: float = flag(0.0, "share taken, answered 200 with nothing")
    garbage: float = flag(0.0, "share taken, answered with random bytes as the body")
    noise: float = flag(0.0, "share taken, answered with random bytes that are no HTTP")
    answer_delay_s: float = flag(0.0, "seconds before each answer")
    answer_spread_s: float = flag(0.0, "up to this many seconds more, at random")
    keep_alive_s: float = flag(60.0, "seconds after which an idle connection is closed")
    # Messages
    account: str = flag("", "USER:PASSWORD that is let in; without it everybody is")
    rate_limit: int = flag(0, "segments taken in one second; more are throttled (0: no limit)")
    throttle: float = flag(0.0, "share of submits throttled in the carrier's own words")
    refused: str = flag("", "endings of numbers that are refused, as 7,13")
    outcomes: str = flag("", "shares that fail, as UNDELIV/001=0.02,EXPIRED/027=0.01")
    delivered: str = flag("DELIVRD", "the status of what does not fail: SENT where no more is proved")
    # Receipts
    receipt_delay_s: float = flag(0.0, "seconds from the answer to the outcome, and to its receipt")
    receipt_spread_s: float = flag(0.0, "up to this many seconds more, at random")
    unreported: float = flag(0.0, "share of messages never reported")
    early: float = flag(0.0, "share of messages reported before they are answered")
    twice: float = flag(0.0, "share of messages reported twice")
    foreign: float = flag(0.0, "share of receipts followed by one for a message never taken")
    out_of_order: bool = flag(False, "receipts overtake each other")
    receipt_batch: int = flag(1, "receipts in one post: 1 is a single object, more is an array")
    receipt_gather_s: float = flag(0.05, "seconds for which an array waits to be full")
    receipt_posts: int = flag(4, "posts at once")
    receipt_pause_s: float = flag(0.5, "seconds before a post that was not acknowledged is repeated")

    def __post_init__(self) -> None:
        if self.trouble_on not in TROUBLED:
            raise ValueError(
                f"trouble_on: {self.trouble_on!r} is not known; give one of {', '.join(TROUBLED)}"
            )
        if self.delivered not in STATUSES:
            raise ValueError(f"delivered: {self.delivered!r} is no status; there are {', '.join(STATUSES)}")
        # Refused here, not at the first request.
        troubles(self), outcomes(self), reportings(self), first_troubles(self)


def troubles(behaviour: WebBehaviour) -> Randomness[HttpTrouble]:
    shares = [(getattr(behaviour, each.value), each) for each in HttpTrouble if each is not HttpTrouble.NONE]
    return Randomness("troubles", HttpTrouble.NONE, shares)


def first_troubles(behaviour: WebBehaviour) -> Sequence[HttpTrouble]:
    found: list[HttpTrouble] = []
    for name, count in named_shares("next_troubles", behaviour.next_troubles):
        if name not in {each.value for each in HttpTrouble}:
            known = ", ".join(each.value for each in HttpTrouble)
            raise ValueError(f"next_troubles: {name!r} is no trouble; there are {known}")
        found += [HttpTrouble(name)] * int(count)
    return found


def outcomes(behaviour: WebBehaviour) -> Randomness[WebOutcome]:
    shares = []
    for key, share in named_shares("outcomes", behaviour.outcomes):
        status, _, error = key.partition("/")
        if status not in STATUSES:
            raise ValueError(f"outcomes: {status!r} is no status; there are {', '.join(STATUSES)}")
        shares.append((share, WebOutcome(status, error or "001")))
    return Randomness("outcomes", WebOutcome(behaviour.delivered), shares)


def reportings(behaviour: WebBehaviour) -> Randomness[WebReceiptPlan]:
    shares = [
        (behaviour.unreported, WebReceiptPlan(0)),
        (behaviour.early, WebReceiptPlan(early=True)),
        (behaviour.twice, WebReceiptPlan(2)),
    ]
    return Randomness("reporting", WebReceiptPlan(), shares)
