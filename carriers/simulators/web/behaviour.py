"""How a simulated carrier over HTTP behaves: every misbehaviour is one field and one flag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from carriers.simulators.randomness import (
    Behaviour,
    Randomness,
    flag,
    named_shares,
    one_of,
    outcomes,
    reportings,
)

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
class WebBehaviour(Behaviour):
    """The common behaviour, and what happens to requests."""

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
    account: str = flag("", "USER:PASSWORD that is let in; without it everybody is")
    refused: str = flag("", "endings of numbers that are refused, as 7,13")
    receipt_batch: int = flag(1, "receipts in one post: 1 is a single object, more is an array")

    def __post_init__(self) -> None:
        one_of("trouble_on", self.trouble_on, TROUBLED)
        # Refused here, not at the first request.
        troubles(self), outcomes(self, STATUSES, "001"), reportings(self), first_troubles(self)


def troubles(behaviour: WebBehaviour) -> Randomness[HttpTrouble]:
    shares = [(getattr(behaviour, each.value), each) for each in HttpTrouble if each is not HttpTrouble.NONE]
    return Randomness("troubles", HttpTrouble.NONE, shares)


def first_troubles(behaviour: WebBehaviour) -> Sequence[HttpTrouble]:
    found: list[HttpTrouble] = []
    for name, count in named_shares("next_troubles", behaviour.next_troubles):
        one_of("next_troubles", name, [each.value for each in HttpTrouble])
        found += [HttpTrouble(name)] * int(count)
    return found
