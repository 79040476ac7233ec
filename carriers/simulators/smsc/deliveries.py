"""What the simulated centre holds: messages taken, what is to be brought, and to whose accounts."""

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

# ---- What subscribers send to the accounts of the simulated message centre (MO): as deliver_sm of its own

UCS2 = 8
TON_NPI = (1, 1)


def body(source: str, destination: str, content: pdu.Content) -> bytes:
    """The deliver_sm of any content whatever, from a number to a short code."""
    envelope = pdu.Envelope((*TON_NPI, source.encode("latin-1")), TON_NPI)
    return pdu.short_message_body(envelope, destination.encode("latin-1"), content)


def contents(text: str, reference: int) -> Iterator[pdu.Content]:
    """The parts of a text as a telephone sends them, numbered in a header where there are several."""
    cut = split(text)
    coding, encode = (UCS2, ucs2) if cut.encoding is Encoding.UCS2 else (0, gsm7)
    total = len(cut.parts)
    for number, part in enumerate(cut.parts, 1):
        if total == 1:
            yield pdu.Content(encode(part), coding)
        else:
            header = bytes((5, 0, 3, reference % 256, total, number))
            yield pdu.Content(header + encode(part), coding, pdu.ESM_UDHI)


class BindPort(Protocol):
    """What is asked of a connection by whoever brings something over it (session.py has it)."""

    account: SmscAccount
    submits: int
    closed: bool

    @property
    def receives(self) -> bool:
        """Whether receipts may be sent on this bind."""

    def send(self, data: bytes) -> None:
        """Write a PDU."""

    def garbage(self, kind: LinkTrouble) -> None:
        """Write what is no PDU."""

    def drop(self) -> None:
        """End the connection without a word."""

    def post(self, receipt: SimulatedReceipt | Inbound) -> None:
        """Send it as soon as the window has a place."""

    def take_overdue(self, before_s: float) -> list[SimulatedReceipt | Inbound]:
        """Take back what was sent before this time and never acknowledged."""


@dataclass(slots=True, eq=False)
class SmscMessage:
    """One submit that was taken; `answer` waits here where the receipt shall come first."""

    session: BindPort
    sequence: int
    index: int
    phone: bytes
    kind: Kind
    fate: SubmitOutcome
    submitted: bytes = b""
    answer_waits: bool = False


@dataclass(slots=True, eq=False)
class SimulatedReceipt:
    """One receipt that an account has to be brought; the id is as the receipt writes it."""

    message: SmscMessage
    outcome: ReceiptOutcome
    identity: bytes
    foreign: bool = False
    sent: bool = False
    sent_at_s: float = 0.0


@dataclass(slots=True, eq=False)
class Inbound:
    """One message, or a part of one, that an account has to be brought; `body` is that of its deliver_sm."""

    account: SmscAccount
    body: bytes
    sent: bool = False
    sent_at_s: float = 0.0


@dataclass(slots=True, eq=False)
class SmscAccount:
    """One system_id: its binds, and the receipts and messages that wait for one of them."""

    sessions: list[BindPort] = field(default_factory=list)
    waiting: deque[SimulatedReceipt | Inbound] = field(default_factory=deque)
    turn: int = 0

    def any_bind(self) -> BindPort | None:
        """The next bind in turn that receives, or None while there is none."""
        able = [one for one in self.sessions if one.receives]
        self.turn += 1
        return able[self.turn % len(able)] if able else None

    def choose(self, own: BindPort, rule: str) -> BindPort | None:
        """The bind that a receipt goes to (Manners.receipts_on), or None while there is none."""
        if rule == "own" and own.receives:
            return own
        able = [one for one in self.sessions if one.receives and (rule == "any" or one is not own)]
        if not able:
            return own if own.receives else None
        self.turn += 1
        return able[self.turn % len(able)]
