"""Refusals in a row: when a link halts or pauses itself, so that no list is refused one by one.

1. Answers are counted for each sender ID and text; a message of it that is taken clears them,
   and no refusal does.
2. One refusal too many for a reason of ours (sender ID, account, text, request, words that no table has)
   halts the link: a person corrects the cause and resumes it, and if that was not it, few more halt it.
3. Refusals of numbers are counted apart and halt it after ten times as many, once: a list may have a stretch
   of dead ones, and who resumes says that it has.
4. After one deferral too many for the carrier's own trouble no message of that text is given up for it; if no
   text was taken meanwhile, the link pauses as well, and single messages probe whether it is over.
5. When more texts are refused than have counts of their own, a new one takes over the lowest of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    HealthRecord,
    OutboundSms,
    Partial,
    Reason,
    Rejected,
    SubmitResult,
    since_boot,
)
from carriers.phrases import Phrase

DEFAULT = 20  # tolerated refusals in a row
FIRST_S, LONGEST_S = 1.0, 60.0  # pauses between probes, doubling
_NUMBERS = 10  # refusals of numbers tolerated, as a multiple of the others
_AFTER_RESUME = 3  # tolerated after a person corrected the cause
_TEXTS = 100  # texts counted separately

WHY: Mapping[Reason, str] = {
    Reason.OTHER: (
        "The carrier keeps rejecting messages for an unknown reason. Possible causes: "
        "account, balance, sender ID."
    ),
    Reason.FILTERED: "The carrier's filter keeps rejecting messages. Check sender ID and text.",
    Reason.WRONG_REQUEST: (
        "The carrier keeps rejecting messages as malformed. Check the link's settings and the text."
    ),
}
NUMBERS = (
    "The carrier keeps rejecting messages because of their numbers. Check the list and the link's "
    "settings. After a resume, these messages are rejected one by one."
)
PUT_OFF = "every message is deferred ({code})"


@dataclass(slots=True)
class _Row:
    """Answers to one text and sender since the last accepted message."""

    ours: int = 0
    numbers: int = 0
    trouble: int = 0
    numbers_are_right: bool = False  # a person has looked at them

    @property
    def all(self) -> int:
        return self.ours + self.numbers + self.trouble


class RefusalStreak:
    """Counts the answers to a link's messages by text and sender; results pass through `count`.

    most: tolerated refusals in a row; why: what an unknown reason may be; of_one_number: codes that concern
    one message whatever their reason, and are not counted; longest_s: the longest pause between probes.
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
        self._rows: dict[tuple[str, str], _Row] = {}
        self._trouble = 0  # of all texts, since one was taken
        self._pause_s = FIRST_S
        self._until = 0.0
        self._code = ""

    def count(self, messages: Sequence[OutboundSms], results: Sequence[SubmitResult]) -> list[SubmitResult]:
        """Return the results to record, with Halted in place of one refusal too many."""
        note_results(self._health, results)
        if all(type(result) is Accepted for result in results) and not self._rows:
            self._recovered()
            return list(results)
        return [self._count_one(sms, result) for sms, result in zip(messages, results, strict=True)]

    def reopened(self) -> None:
        """Tolerate a few more refusals after a person resumed the link, then halt again."""
        for row in self._rows.values():
            row.numbers_are_right = row.numbers_are_right or row.numbers > self._most * _NUMBERS
            row.ours, row.trouble = min(row.ours, max(0, self._most - _AFTER_RESUME)), 0
        self._recovered()

    @property
    def why_paused(self) -> str:
        """Why only single messages go; "" while nothing is wrong."""
        return Phrase(PUT_OFF, code=self._code) if self._trouble > self._most else ""

    @property
    def pause_left_s(self) -> float:
        """Seconds until the next probe."""
        return max(0.0, self._until - since_boot()) if self.why_paused else 0.0

    def _note_trouble(self, row: _Row, result: Deferred) -> Deferred:
        self._trouble += 1
        row.trouble += 1
        if self.why_paused:
            self._pause(result)
        # counts=False: a message must not be given up for the carrier's trouble.
        own = self.why_paused or row.trouble > self._most
        return replace(result, counts=False) if own else result

    def _pause(self, result: Deferred) -> None:
        now = since_boot()
        if now >= self._until:  # once, not for each message in flight
            self._until = now + min(max(self._pause_s, result.retry_after_s), self._longest_s)
            self._pause_s = min(2 * self._pause_s, self._longest_s)
        self._code = result.code

    def _recovered(self) -> None:
        self._trouble, self._pause_s, self._until = 0, FIRST_S, 0.0

    def _count_one(self, sms: OutboundSms, result: SubmitResult) -> SubmitResult:
        match result:
            case Accepted() | Partial():
                self._recovered()
                self._rows.pop((sms.sender, sms.text), None)
            case Rejected(code) if code not in self._of_one_number:
                return self._refused(self._row(sms), result)
            case Deferred(counts=True):
                return self._note_trouble(self._row(sms), result)
        return result

    def _row(self, sms: OutboundSms) -> _Row:
        key = (sms.sender, sms.text)
        if key not in self._rows and len(self._rows) >= _TEXTS:
            least = self._rows.pop(min(self._rows, key=lambda item: self._rows[item].all))
            # Begun at 0, a hundred and one texts in turn would push each other out for ever.
            self._rows[key] = replace(least, numbers_are_right=False)
        return self._rows.setdefault(key, _Row())

    def _refused(self, row: _Row, result: Rejected) -> SubmitResult:
        if (why := WHY.get(result.reason)) is not None:
            row.ours += 1
            why = self._why if self._why and result.reason is Reason.OTHER else why
            return self._halt(why, result) if row.ours > self._most else result
        row.numbers += 1
        too_many = row.numbers > self._most * _NUMBERS and not row.numbers_are_right
        return self._halt(NUMBERS, result) if too_many else result

    def _halt(self, why: str, result: Rejected) -> Halted:
        return Halted(result.code[:40], Phrase("{why} Last code: {code}", why=why, code=result.code))


def note_results(health: HealthRecord, results: Iterable[SubmitResult]) -> None:
    """Note whether the carrier processes messages at all.

    One accepted or rejected message proves that it does; otherwise a refusal says that it takes none.
    Deferrals decided on our side (link down or probing) say nothing.
    """
    refused: Deferred | None = None
    for result in results:
        if isinstance(result, Accepted | Partial | Rejected):
            health.took()
            return
        if isinstance(result, Deferred) and (result.throttled or result.counts):
            refused = result
    if refused is not None:
        health.put_off(refused.code, refused.retry_after_s)
