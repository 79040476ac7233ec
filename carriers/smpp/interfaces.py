"""What a bind and its link say to each other: pieces of work, counters, and news of the bind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from carriers.contract import Acknowledge
from carriers.smpp.pdu import ShortMessage
from carriers.smpp.piece_queue import PieceQueue


@dataclass(slots=True)
class Counters:
    """What a link has seen since it was opened, for metrics."""

    submitted: int = 0
    receipts: int = 0
    messages: int = 0  # deliver_sm that are no receipts
    unreadable: int = 0  # bodies that could not be read
    unknown_pdus: int = 0  # commands that SMPP 3.4 or this side of it does not have
    late_answers: int = 0  # responses to nothing that waits any more


class BindOwner(Protocol):
    """What a bind needs from its link."""

    queue: PieceQueue
    counters: Counters

    def bound(self, command: int) -> None:
        """A bind is up; `command` says which kind."""
        ...

    def ended(self) -> None:
        """A bind is over."""
        ...

    def held(self, command: int, why: str, unanswered: int) -> None:
        """So many messages wait without an answer, or nothing is heard: at most single ones will go by it."""
        ...

    def answers_again(self, command: int) -> None:
        """A bind that was held has had an answer, or one that was silent is heard."""
        ...

    def answered(self) -> None:
        """Answers to messages have come."""
        ...

    def look(self) -> None:
        """See again whether the link can send."""
        ...

    def deliver(self, message: ShortMessage, acknowledge: Acknowledge) -> None:
        """A deliver_sm; it is answered when `acknowledge` is called."""
        ...

    def odd(self, kind: str, detail: str) -> None:
        """Something that should not come was answered and counted."""
        ...


@dataclass(frozen=True, slots=True)
class End:
    """Why a bind is over; `refused` is the status of a refused bind."""

    why: str
    refused: int | None = None
