"""Count what the simulated message centre was sent: whole messages per number, parts, rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from carriers.simulators.smsc.messages import Kind, Part


@dataclass(slots=True)
class SmscCounters:
    """Event counters; the names say what is counted."""

    connections: int = 0
    connections_dropped: int = 0
    binds: int = 0
    binds_refused: int = 0
    submits: int = 0
    submits_unreadable: int = 0
    answered: int = 0
    throttled: int = 0
    refused: int = 0
    never_answered: int = 0
    never_reported: int = 0
    receipts_due: int = 0
    receipts_sent: int = 0
    receipts_repeated: int = 0
    receipts_acknowledged: int = 0
    receipts_refused: int = 0
    receipts_refused_for_now: int = 0
    receipts_foreign: int = 0
    inbound_due: int = 0
    inbound_sent: int = 0
    inbound_repeated: int = 0
    inbound_acknowledged: int = 0
    inbound_refused: int = 0
    inbound_refused_for_now: int = 0
    acknowledgements_unexpected: int = 0
    queries: int = 0
    garbage_sent: int = 0
    bad_frames: int = 0
    unknown_commands: int = 0


class SmscStatistics:
    """Counts what was taken, at about 80 bytes per number, so that a million messages fit."""

    def __init__(self) -> None:
        self.parts = 0
        self.parts_repeated = 0
        self._copies: dict[int, int] = {}
        self._incomplete: dict[tuple[int, bytes, int, int], int] = {}

    def add(self, phone: int, kind: Kind) -> None:
        """Count one part taken; a message is whole when its last missing part has come."""
        self.parts += 1
        copies = self._copies
        if kind.part is None or self._completes(phone, kind, kind.part):
            copies[phone] = copies.get(phone, 0) + 1
        else:
            copies.setdefault(phone, 0)

    def _completes(self, phone: int, kind: Kind, part: Part) -> bool:
        key = (phone, kind.source, part.reference, part.total)
        have = self._incomplete.get(key, 0)
        bit = 1 << part.number
        if have & bit:
            self.parts_repeated += 1
        have |= bit
        if have.bit_count() < part.total:
            self._incomplete[key] = have
            return False
        self._incomplete.pop(key, None)
        return True

    def copies(self, phone: int) -> int:
        return self._copies.get(phone, 0)

    def numbers(self) -> Iterator[int]:
        return iter(self._copies)

    def report(self) -> dict[str, object]:
        by_copies = Counter(self._copies.values())
        return {
            "parts": self.parts,
            "parts_repeated": self.parts_repeated,
            "messages": sum(copies * numbers for copies, numbers in by_copies.items()),
            "messages_incomplete": len(self._incomplete),
            "distinct_numbers": len(self._copies),
            "copies_max": max(by_copies, default=0),
            "numbers_twice": sum(numbers for copies, numbers in by_copies.items() if copies > 1),
            "numbers_by_copies": {str(copies): by_copies[copies] for copies in sorted(by_copies)},
        }


class Pace:
    """Counts per whole second, with the peak."""

    def __init__(self) -> None:
        self.peak = 0
        self._second = -1
        self._count = 0

    def add(self, now_s: float) -> int:
        """Count one at the monotonic time `now_s`; return the count of this second."""
        second = int(now_s)
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        self.peak = max(self.peak, self._count)
        return self._count
