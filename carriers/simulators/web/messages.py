"""The messages that a simulated carrier over HTTP has taken, with counts and outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from carriers.simulators.web.behaviour import WebOutcome, WebReceiptPlan


@dataclass(slots=True, eq=False)
class WebMessage:
    """One message taken; `done_at` (aware): when its outcome was decided, None while pending."""

    index: int
    phone: str
    text: str
    sender: str
    request_id: str
    segments: int
    outcome: WebOutcome
    reporting: WebReceiptPlan
    taken_at: datetime
    done_at: datetime | None = None

    @property
    def status(self) -> str:
        """The carrier's current status: "" while pending."""
        return self.outcome.status if self.done_at else ""


@dataclass(slots=True)
class WebCounters:
    """Event counters; `submits` are messages, whatever became of them."""

    connections: int = 0
    connections_dropped: int = 0
    requests: int = 0
    submits: int = 0
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
    answers: dict[str, int] = field(default_factory=dict)  # by the carrier's own code
    troubles: dict[str, int] = field(default_factory=dict)

    def answer(self, code: str) -> None:
        self.answered += 1
        self.answers[code] = self.answers.get(code, 0) + 1

    def trouble(self, name: str) -> None:
        self.troubles[name] = self.troubles.get(name, 0) + 1


class MessageStore:
    """Every message taken, in order and by number."""

    def __init__(self) -> None:
        self.messages: list[WebMessage] = []
        self._by_phone: dict[str, list[WebMessage]] = {}

    def add(self, message: WebMessage) -> None:
        self.messages.append(message)
        self._by_phone.setdefault(message.phone, []).append(message)

    def of(self, phone: str) -> Sequence[WebMessage]:
        return self._by_phone.get(phone, [])

    def numbers(self) -> Iterator[str]:
        return iter(self._by_phone)

    def report(self) -> Mapping[str, object]:
        """Return the counts, with the same names as the SMPP simulator; names say the unit."""
        by_copies = Counter(map(len, self._by_phone.values()))
        return {
            "messages": len(self.messages),
            "messages_incomplete": 0,  # a request has the whole text
            "messages_en_route": sum(message.done_at is None for message in self.messages),
            "segments": sum(message.segments for message in self.messages),
            "distinct_numbers": len(self._by_phone),
            "copies_max": max(by_copies, default=0),
            "numbers_twice": sum(numbers for copies, numbers in by_copies.items() if copies > 1),
            "numbers_by_copies": {str(copies): by_copies[copies] for copies in sorted(by_copies)},
        }
