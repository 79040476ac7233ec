"""What the simulated centre holds: messages taken, receipts and messages to deliver, accounts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from carriers.contract import Encoding
from carriers.simulators.smsc.messages import Kind
from carriers.simulators.smsc.outcomes import LinkTrouble, ReceiptOutcome, SubmitOutcome
from carriers.smpp import pdu
from carriers.text import gsm7, split, ucs2

UCS2 = 8
TON_NPI = (1, 1)


def body(source: str, destination: str, content: pdu.Content) -> bytes:
    """Build a deliver_sm with any content, from a number to a short code."""
    envelope = pdu.Envelope((*TON_NPI, source.encode("latin-1")), TON_NPI)
    return pdu.short_message_body(envelope, destination.encode("latin-1"), content)


def contents(text: str, reference: int) -> Iterator[pdu.Content]:
    """Yield the parts of a text as a phone sends them, with a UDH if there are several."""
    split_text = split(text)
    coding, encode = (UCS2, ucs2) if split_text.encoding is Encoding.UCS2 else (0, gsm7)
    total = len(split_text.parts)
    for number, part in enumerate(split_text.parts, 1):
        if total == 1:
            yield pdu.Content(encode(part), coding)
        else:
            header = bytes((5, 0, 3, reference % 256, total, number))
            yield pdu.Content(header + encode(part), coding, pdu.ESM_UDHI)


class BindPort(Protocol):
    """A connection as seen by whoever delivers over it (implemented in session.py)."""

    account: SmscAccount
    submits: int
    closed: bool

    @property
    def receives(self) -> bool: ...
    def send(self, data: bytes) -> None: ...
    def garbage(self, kind: LinkTrouble) -> None: ...
    def drop(self) -> None: ...
    def post(self, receipt: SimulatedReceipt | Inbound) -> None: ...
    def take_overdue(self, before_s: float) -> list[SimulatedReceipt | Inbound]: ...


@dataclass(slots=True, eq=False)
class SmscMessage:
    """One submit that was taken; `answer_waits`: its answer is sent after its receipt."""

    session: BindPort
    sequence: int
    index: int
    phone: bytes
    kind: Kind
    plan: SubmitOutcome
    submitted: bytes = b""
    answer_waits: bool = False


@dataclass(slots=True, eq=False)
class SimulatedReceipt:
    """One receipt for an account; `identity` is the id as the receipt writes it."""

    message: SmscMessage
    outcome: ReceiptOutcome
    identity: bytes
    foreign: bool = False
    sent: bool = False
    sent_at_s: float = 0.0


@dataclass(slots=True, eq=False)
class Inbound:
    """One message to an account, or a part of one; `body` is that of its deliver_sm."""

    account: SmscAccount
    body: bytes
    sent: bool = False
    sent_at_s: float = 0.0


@dataclass(slots=True, eq=False)
class SmscAccount:
    """One system_id: its binds, and the receipts and messages that wait for one."""

    sessions: list[BindPort] = field(default_factory=list)
    waiting: deque[SimulatedReceipt | Inbound] = field(default_factory=deque)
    turn: int = 0

    def any_bind(self) -> BindPort | None:
        """Return the next receiving bind in turn, or None."""
        receiving = [one for one in self.sessions if one.receives]
        self.turn += 1
        return receiving[self.turn % len(receiving)] if receiving else None

    def choose(self, own: BindPort, rule: str) -> BindPort | None:
        """Return the bind for a receipt by SmscBehaviour.receipts_on, or None."""
        if rule == "own" and own.receives:
            return own
        receiving = [one for one in self.sessions if one.receives and (rule == "any" or one is not own)]
        if not receiving:
            return own if own.receives else None
        self.turn += 1
        return receiving[self.turn % len(receiving)]
