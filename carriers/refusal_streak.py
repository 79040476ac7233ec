"""Refusals in a row: when a link halts or pauses itself, so that no list is refused one by one.

What counts depends on the table of codes. Refused for good for a reason of ours (sender ID, account, text,
request, or words that no table has): the link halts, and a person corrects the cause. Refused for good
because of the number: a list may have a stretch of dead ones, so it takes many more. The carrier's own
trouble: the link pauses, single messages probe whether it is over, and no message is given up meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from carriers.contract import Accepted, Deferred, Halted, OutboundSms, Partial, Reason, Rejected, SubmitResult
from carriers.health import HealthRecord
from carriers.permit import since_boot
from carriers.results import note_results

DEFAULT = 20  # tolerated refusals in a row
FIRST_S, LONGEST_S = 1.0, 60.0  # pauses between probes, doubling
_NUMBERS = 10  # refusals of numbers tolerated, as a multiple of the others
_AFTER_RESUME = 3  # tolerated after a person corrected the cause
_TEXTS = 100  # texts counted separately

WHY: Mapping[Reason, str] = {
    Reason.OTHER: "The carrier refuses message after message for a reason that we do not know"
    " (account? balance? sender ID?).",
    Reason.FILTERED: "The carrier's filter refuses message after message: look at sender ID and text.",
    Reason.WRONG_REQUEST: "The carrier refuses message after message as wrongly made:"
    " look at the link's settings and at the text.",
}
NUMBERS = (
    "The carrier refuses message after message for its number: look at the list, and at the link's settings."
    " After a resume they are refused one by one."
)
PUT_OFF = "every message is put off ({code})"


@dataclass(slots=True)
class _Row:
    """Refusals of one text and sender since the last accepted message."""

    ours: int = 0
    numbers: int = 0
    numbers_are_right: bool = False  # a person has looked at them


class RefusalStreak:
    """Counts the answers to a link's messages by text and sender; results pass through `weigh`.

    most: tolerated refusals in a row; why: what an unknown reason may be; of_one_number: codes that concern
    one message whatever their reason; longest_s: the longest pause between probes.
    """

    def __init__(
        self,
        most: int,
        health: HealthRecord,
        why: str = "",
        of_one_number: frozenset[str] = frozenset(),
        longest_s: float = LONGEST_S,
    ) -> None:
        self._most, self._health, self._why, self._of_one_number = most, health, why, of_one_number
        self._longest_s = longest_s
        self._rows: OrderedDict[tuple[str, str], _Row] = OrderedDict()
        self._trouble = 0
        self._pause_s = FIRST_S
        self._until = 0.0
        self._code = ""

    def weigh(self, parcel: Sequence[OutboundSms], results: Sequence[SubmitResult]) -> list[SubmitResult]:
        """Return the results to record, with Halted in place of one refusal too many."""
        note_results(self._health, results)
        return [self._weigh_one(sms, result) for sms, result in zip(parcel, results, strict=True)]

    def reopened(self) -> None:
        """Tolerate a few more refusals after a person resumed the link, then halt again."""
        for row in self._rows.values():
            row.numbers_are_right = row.numbers_are_right or row.numbers > self._most * _NUMBERS
            row.ours = min(row.ours, max(0, self._most - _AFTER_RESUME))
        self._recovered()

    @property
    def why_paused(self) -> str:
        """Why only single messages go; "" while nothing is wrong."""
        return PUT_OFF.format(code=self._code) if self._trouble > self._most else ""

    @property
    def pause_left_s(self) -> float:
        """Seconds until the next probe."""
        return max(0.0, self._until - since_boot()) if self.why_paused else 0.0

    def _note_trouble(self, result: Deferred) -> Deferred:
        self._trouble += 1
        if not self.why_paused:
            return result
        now = since_boot()
        if now >= self._until:  # once, not for each message in flight
            self._until = now + min(max(self._pause_s, result.retry_after_s), self._longest_s)
            self._pause_s = min(2 * self._pause_s, self._longest_s)
        self._code = result.code
        # counts=False: a message must not be given up for the carrier's trouble.
        return replace(result, counts=False)

    def _recovered(self) -> None:
        self._trouble, self._pause_s, self._until = 0, FIRST_S, 0.0

    def _weigh_one(self, sms: OutboundSms, result: SubmitResult) -> SubmitResult:
        match result:
            case Accepted() | Partial():
                self._recovered()
                self._rows.pop((sms.sender, sms.text), None)
            case Rejected(code) if code in self._of_one_number:
                self._recovered()
                self._of_a_number(self._row(sms))
            case Rejected():
                self._recovered()
                return self._refused(self._row(sms), result)
            case Deferred(counts=True):
                return self._note_trouble(result)
        return result

    def _row(self, sms: OutboundSms) -> _Row:
        key = (sms.sender, sms.text)
        row = self._rows.setdefault(key, _Row())
        self._rows.move_to_end(key)
        if len(self._rows) > _TEXTS:
            self._rows.popitem(last=False)
        return row

    def _refused(self, row: _Row, result: Rejected) -> SubmitResult:
        if (why := WHY.get(result.reason)) is not None:
            row.ours += 1
            why = self._why if self._why and result.reason is Reason.OTHER else why
            return self._halt(why, result) if row.ours > self._most else result
        row.numbers += 1
        self._of_a_number(row)
        too_many = row.numbers > self._most * _NUMBERS and not row.numbers_are_right
        return self._halt(NUMBERS, result) if too_many else result

    @staticmethod
    def _of_a_number(row: _Row) -> None:
        """Take one off our refusals: a carrier that judges numbers accepts the request itself."""
        row.ours = max(0, row.ours - 1)

    def _halt(self, why: str, result: Rejected) -> Halted:
        return Halted(result.code[:40], f"{why} The last one: {result.code}")
