"""How a simulated carrier over HTTP behaves: every misbehaviour is one field and one flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from carriers.simulators.randomness import Randomness, flag, named_shares, one_of

STATUSES = ("DELIVRD", "UNDELIV", "EXPIRED", "REJECTD", "SENT", "UNKNOWN")
TROUBLED = ("submits", "others", "all")


class HttpTrouble(Enum):
    """What can happen to a request: each value is a field of WebBehaviour and a word of `next_troubles`."""

    NONE = "none"
    HANG = "hang"
    BREAK_BEFORE = "break_before"
    BREAK_AFTER = "break_after"
    CUT = "cut"
    ERROR_500 = "error_500"
    ERROR_502 = "error_502"
    HUGE = "huge"
    GZIP = "gzip"
    CHUNKED = "chunked"
    PAGE = "page"
    EMPTY = "empty"
    GARBAGE = "garbage"
    NOISE = "noise"


# No complete HTTP response.
BROKEN_OFF = {
    HttpTrouble.HANG,
    HttpTrouble.BREAK_BEFORE,
    HttpTrouble.BREAK_AFTER,
    HttpTrouble.CUT,
    HttpTrouble.NOISE,
}


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
    error_500: float = flag(0.0, "share taken, answered 500 with a page of HTML")
    error_502: float = flag(0.0, "share taken, answered 502 with a page of HTML")
    huge: float = flag(0.0, "share taken, with 10 MB of blanks after the answer")
    gzip: float = flag(0.0, "share answered in gzip")
    chunked: float = flag(0.0, "share answered in chunks")
    page: float = flag(0.0, "share taken, answered 200 with a page of HTML")
    empty: float = flag(0.0, "share taken, answered 200 with nothing")
    garbage: float = flag(0.0, "share taken, answered with random bytes as the body")
    noise: float = flag(0.0, "share taken, answered with random bytes that are no HTTP")
    answer_delay_s: float = flag(0.0, "seconds before each answer")
    # Messages
    account: str = flag("", "USER:PASSWORD that is let in; without it everybody is")
    throttle: float = flag(0.0, "share of submits throttled in the carrier's own words")
    refused: str = flag("", "endings of numbers that are refused, as 7,13")
    outcomes: str = flag("", "shares that fail, as UNDELIV/001=0.02,EXPIRED/027=0.01")
    # Receipts
    receipt_delay_s: float = flag(0.0, "seconds from the answer to the outcome, and to its receipt")
    receipt_spread_s: float = flag(0.0, "up to this many seconds more, at random")
    unreported: float = flag(0.0, "share of messages never reported")
    early: float = flag(0.0, "share of messages reported before they are answered")
    twice: float = flag(0.0, "share of messages reported twice")
    receipt_batch: int = flag(1, "receipts in one post: 1 is a single object, more is an array")

    def __post_init__(self) -> None:
        one_of("trouble_on", self.trouble_on, TROUBLED)
        # Refused here, not at the first request.
        troubles(self), outcomes(self), reportings(self), first_troubles(self)


def troubles(behaviour: WebBehaviour) -> Randomness[HttpTrouble]:
    shares = [(getattr(behaviour, each.value), each) for each in HttpTrouble if each is not HttpTrouble.NONE]
    return Randomness("troubles", HttpTrouble.NONE, shares)


def first_troubles(behaviour: WebBehaviour) -> Sequence[HttpTrouble]:
    found: list[HttpTrouble] = []
    for name, count in named_shares("next_troubles", behaviour.next_troubles):
        one_of("next_troubles", name, [each.value for each in HttpTrouble])
        found += [HttpTrouble(name)] * int(count)
    return found


def outcomes(behaviour: WebBehaviour) -> Randomness[WebOutcome]:
    shares = []
    for key, share in named_shares("outcomes", behaviour.outcomes):
        status, _, error = key.partition("/")
        one_of("outcomes", status, STATUSES)
        shares.append((share, WebOutcome(status, error or "001")))
    return Randomness("outcomes", WebOutcome("DELIVRD"), shares)


def reportings(behaviour: WebBehaviour) -> Randomness[WebReceiptPlan]:
    shares = [
        (behaviour.unreported, WebReceiptPlan(0)),
        (behaviour.early, WebReceiptPlan(early=True)),
        (behaviour.twice, WebReceiptPlan(2)),
    ]
    return Randomness("reporting", WebReceiptPlan(), shares)
