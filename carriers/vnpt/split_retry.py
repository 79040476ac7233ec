"""One verdict for a whole list: where it speaks of one number, halves find whose, and the others are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from carriers.contract import Accepted, Deferred, Halted, Rejected, SubmitResult

NOT_SENT = Deferred("not sent after a lost answer", retry_after_s=1.0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one list. of_one_number: some number in it, nobody says which, had the list refused."""

    result: SubmitResult
    of_one_number: bool = False

    def for_the_rest(self) -> SubmitResult | None:
        """What it means for lists that are not sent yet; None where they may go."""
        if self.of_one_number or isinstance(self.result, Accepted | Rejected):
            return None
        return self.result if isinstance(self.result, Deferred | Halted) else NOT_SENT


Send = Callable[[Sequence[int]], Awaitable[Verdict]]


async def settle(lists: Iterable[Sequence[int]], send: Send) -> dict[int, SubmitResult]:
    """One result for each index of the lists.

    A half is sent only after its whole was refused for certain, so no number goes out twice. A list of n
    takes 2n - 1 requests at the most, and about 2 log2(n) where one number is at fault.
    """
    waiting = deque(lists)
    results: dict[int, SubmitResult] = {}
    stop: SubmitResult | None = None
    while waiting:
        some = waiting.popleft()
        verdict = await send(some) if stop is None else Verdict(stop)
        if verdict.of_one_number and len(some) > 1:
            middle = len(some) // 2
            waiting.extendleft((some[middle:], some[:middle]))
            continue
        results.update(dict.fromkeys(some, verdict.result))
        stop = stop or verdict.for_the_rest()
    return results
