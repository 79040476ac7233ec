"""What a bind needs from its link: the queue, counters and callbacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from carriers.contract import Acknowledge
from carriers.smpp.pdu import ShortMessage
from carriers.smpp.piece_queue import PieceQueue


@dataclass(slots=True)
class Counters:
    """Counters of a link since it was opened, for metrics."""

    submitted: int = 0
    receipts: int = 0
    messages: int = 0  # deliver_sm that are no receipts
    unreadable: int = 0  # bodies that could not be parsed
    unknown_pdus: int = 0  # commands that SMPP 3.4 does not have, or not for an ESME
    late_answers: int = 0  # responses that nothing waits for any more


class BindOwner(Protocol):
    """What a bind needs from its link."""

    queue: PieceQueue
    counters: Counters

    def bound(self, command: int) -> None: ...
    def ended(self) -> None: ...

    def probing(self, command: int, why: str, unanswered: int) -> None:
        """Report that messages stay unanswered or the peer is silent; at most single messages may go now."""
        ...

    def answers_again(self, command: int) -> None:
        """Report that a probing or silent bind has been heard again."""
        ...

    def answered(self) -> None: ...
    def update(self) -> None: ...

    def deliver(self, message: ShortMessage, acknowledge: Acknowledge) -> None:
        """Handle a deliver_sm; its response is sent when `acknowledge` is called."""
        ...

    def odd(self, kind: str, detail: str) -> None:
        """Report something unexpected, which was answered and counted."""
        ...


@dataclass(frozen=True, slots=True)
class End:
    """Why a bind ended; `refused` is the status of a refused bind."""

    why: str
    refused: int | None = None
