"""The messages that a simulated carrier over HTTP has taken: kept, counted by number, and their fates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from carriers.simulators.web.behaviour import WebOutcome, WebReceiptPlan


@dataclass(slots=True, eq=False)
class WebMessage:
    """One message taken; `done_at` (aware) is when its fate came about, None while it is pending."""

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
        """What the carrier says of it now: "" while it is pending."""
        return self.outcome.status if self.done_at else ""


@dataclass(slots=True)
class WebCounters:
    """What is counted on the way; the names say what. `submits` are messages, whatever became of them."""

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
        """Count one answer."""
        self.answered += 1
        self.answers[code] = self.answers.get(code, 0) + 1

    def trouble(self, name: str) -> None:
        """Count one trouble."""
        self.troubles[name] = self.troubles.get(name, 0) + 1


class MessageStore:
    """Every message taken, in order, and by number."""

    def __init__(self) -> None:
        self.messages: list[WebMessage] = []
        self._by_phone: dict[str, list[WebMessage]] = {}

    def add(self, message: WebMessage) -> None:
        """Keep one message more."""
        self.messages.append(message)
        self._by_phone.setdefault(message.phone, []).append(message)

    def of(self, phone: str) -> Sequence[WebMessage]:
        """What was taken for the number, oldest first."""
        return self._by_phone.get(phone, [])

    def numbers(self) -> Iterator[str]:
        """Every number that anything was taken for."""
        return iter(self._by_phone)

    def report(self) -> Mapping[str, object]:
        """The counts, with names that say the unit; the same as of the message centre over SMPP."""
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
