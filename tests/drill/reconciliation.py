"""Compares the ledger with the carrier's count by number: copies, losses, inventions, unknowns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from app.core.phone import mask
from app.core.states import DeliveryState

_TAKEN = frozenset(
    {
        DeliveryState.SUBMITTED,
        DeliveryState.RELAYED,
        DeliveryState.DELIVERED,
        DeliveryState.UNDELIVERED,
        DeliveryState.EXPIRED,
    }
)
_FINAL = _TAKEN - {DeliveryState.SUBMITTED, DeliveryState.RELAYED}
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class MessageRecord:
    """The carrier's count: complete messages and ids of acknowledged receipts, by number."""

    copies: Mapping[int, int]
    acknowledged: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """The ledger: states and receipt ids by number, and numbers with a receipt in quarantine."""

    states: Mapping[int, int]
    reported: Mapping[int, int]
    waiting: Set[int]
    ever_unknown: Set[int]


@dataclass(frozen=True, slots=True)
class Excuses:
    """Numbers that may be unknown: those reserved when a sender was killed, and `allowed` others.

    misnamed: numbers whose receipts may have had an unusable id. mistimed: those whose receipts may have been
    dated a day before their message, which proves nothing about an unknown one.
    """

    declared: Set[int] = frozenset()
    allowed: int = 0
    misnamed: Set[int] = frozenset()
    mistimed: Set[int] = frozenset()


@dataclass(slots=True)
class ReconciliationResult:
    """Numbers by defect in `wrong`, each of which fails the drill; and figures."""

    wrong: dict[str, set[int]] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)

    def note(self, what: str, numbers: Iterable[int]) -> None:
        if found := set(numbers):
            self.wrong[what] = found

    def sentences(self) -> list[str]:
        """Return one sentence per defect, with a few numbers as examples."""
        return [
            f"{len(numbers):,} {what}, such as {', '.join(map(mask, sorted(numbers)[:_SHOWN]))}."
            for what, numbers in self.wrong.items()
        ]


def compare(
    numbers: Set[int], book: MessageRecord, kept: LedgerRecord, excuses: Excuses
) -> ReconciliationResult:
    """Compare carrier and ledger. numbers: all uploaded ones."""
    states, found = kept.states, ReconciliationResult()
    unknown = {phone for phone, state in states.items() if state == DeliveryState.UNKNOWN}
    sure = {phone for phone, state in states.items() if state in _TAKEN}
    took = set(book.copies)
    found.note("numbers received more than one copy", (n for n, copies in book.copies.items() if copies > 1))
    found.note("numbers are not in the ledger", numbers - set(states))
    found.note("numbers were taken by the carrier, and the ledger does not know it", took - sure - unknown)
    found.note("numbers are sent by the ledger, and the carrier never had them", sure - took)
    found.note(
        "numbers were never sent, though nothing stood in the way",
        {phone for phone in set(states) - took if states[phone] != DeliveryState.UNKNOWN},
    )
    lost = (phone for phone, ids in book.acknowledged.items() if kept.reported.get(phone, 0) < ids)
    found.note("numbers have a receipt that was acknowledged and is not in the ledger", lost)
    final = {phone for phone, state in states.items() if state in _FINAL}
    found.note("numbers have a final state without a receipt", final - set(book.acknowledged))
    reported = unknown & set(book.acknowledged) - (excuses.mistimed & kept.waiting)
    found.note("numbers were reported and are still unknown", reported)
    open_ones = {phone for phone, state in states.items() if state == DeliveryState.SUBMITTED}
    found.note(
        "numbers have a receipt in quarantine that fits their message",
        open_ones & kept.waiting & set(book.acknowledged) - excuses.misnamed,
    )
    _explain(found, kept, excuses)
    found.figures |= {
        "messages": sum(book.copies.values()),
        "copies_max": max(book.copies.values(), default=0),
        "numbers_taken": len(took),
        "delivered": sum(state == DeliveryState.DELIVERED for state in states.values()),
        "unknown_ever": len(kept.ever_unknown),
        "unknown_settled": len(kept.ever_unknown - unknown),
        "unknown_left": len(unknown),
        "receipts_kept": sum(kept.reported.values()),
        "in_quarantine": len(kept.waiting),
    }
    return found


def _explain(found: ReconciliationResult, kept: LedgerRecord, excuses: Excuses) -> None:
    """Check that unknowns were reserved by a killed sender, or are few enough for the lost answers."""
    odd = set(kept.ever_unknown) - excuses.declared
    if len(odd) > excuses.allowed:
        found.note(f"numbers became unknown where faults explain {excuses.allowed:,} at most", odd)
