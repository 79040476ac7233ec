"""The simulated Viettel's own totals by brand and hour or day, counted from what it took and refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from carriers.options import VIETNAM
from carriers.simulators.web import WebMessage

FAILED = ("UNDELIV", "EXPIRED", "REJECTD")
COUNTS = (
    "sumMT",
    "mtSent",
    "mtSentVt",
    "mtSentOut",
    "mtError",
    "mtErrorAlias",
    "mtFailure",
    "smsSent",
    "smsSentVt",
    "smsSentOut",
)
Period = tuple[str, str]  # brand, and the day or the hour as it is written


class Refusals:
    """What was refused, by brand and time."""

    def __init__(self) -> None:
        self._each: list[tuple[str, datetime, bool]] = []

    def add(self, sender: str, words: str) -> None:
        """Count one refusal now."""
        self._each.append((sender, datetime.now(VIETNAM), "ALIAS_INVALID" in words))

    def counts(self, written: str) -> Iterator[tuple[Period, Mapping[str, int]]]:
        """What each adds to its period; `written` is the period's format of strftime."""
        for sender, at, is_alias in self._each:
            yield (sender, at.strftime(written)), {"sumMT": 1, "mtError": 1, "mtErrorAlias": int(is_alias)}


def totals(
    messages: Iterable[tuple[WebMessage, str]], refusals: Refusals, written: str
) -> Mapping[Period, Mapping[str, int]]:
    """Brand and period -> its counts. `messages` come with their networks: Vt is on-net, Out off-net."""
    found: dict[Period, Counter[str]] = {}
    for period, counts in [*_taken(messages, written), *refusals.counts(written)]:
        found.setdefault(period, Counter()).update(counts)
    return found


def _taken(
    messages: Iterable[tuple[WebMessage, str]], written: str
) -> Iterator[tuple[Period, Mapping[str, int]]]:
    for message, telco in messages:
        where = "Vt" if telco == "VT" else "Out"
        counts = {
            "sumMT": 1,
            "mtSent": 1,
            f"mtSent{where}": 1,
            "mtFailure": int(message.status in FAILED),
            "smsSent": message.segments,
            f"smsSent{where}": message.segments,
        }
        yield (message.sender, message.taken_at.astimezone(VIETNAM).strftime(written)), counts
