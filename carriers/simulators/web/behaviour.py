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

    trouble_on: str = flag("submits", "which requests have faults: submits, others or all")
    next_troubles: str = flag("", "faults of the first requests, in this order, such as hang=2,cut=1")
    hang: float = flag(0.0, "share accepted but never answered")
    break_before: float = flag(0.0, "share not accepted because the connection breaks")
    break_after: float = flag(0.0, "share accepted whose connection breaks before the answer")
    cut: float = flag(0.0, "share accepted whose connection ends in the middle of the answer")
    error_500: float = flag(0.0, "share accepted but answered 500 with an HTML page")
    error_502: float = flag(0.0, "share accepted but answered 502 with an HTML page")
    huge: float = flag(0.0, "share accepted, with 10 MB of blanks after the answer")
    gzip: float = flag(0.0, "share answered with gzip compression")
    chunked: float = flag(0.0, "share answered in chunks")
    page: float = flag(0.0, "share accepted but answered 200 with an HTML page")
    empty: float = flag(0.0, "share accepted, answered 200 with an empty body")
    garbage: float = flag(0.0, "share accepted, answered with a body of random bytes")
    noise: float = flag(0.0, "share accepted, answered with random bytes instead of HTTP")
    account: str = flag("", "USER:PASSWORD that is required; without it, any login is accepted")
    refused: str = flag("", "endings of numbers to refuse, such as 7,13")
    receipt_batch: int = flag(1, "receipts per post: 1 gives a single object, more an array")

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
