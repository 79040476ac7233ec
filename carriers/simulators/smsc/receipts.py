"""Receipts and subscribers' messages of the simulated message centre: whom they go to, and how they read."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from carriers.contract import Encoding
from carriers.simulators.randomness import DELIVERED, ONCE, Outcome
from carriers.simulators.smsc.behaviour import STATES, Ids, SmscBehaviour, SubmitOutcome
from carriers.simulators.smsc.messages import UCS2, Kind, SmscCounters
from carriers.smpp import pdu
from carriers.text import gsm7, split, ucs2

TON_NPI = (1, 1)
ENROUTE = 1
# protocol_id to sm_default_msg_id are all empty or 0; esm_class marks a receipt.
FIXED = bytes((pdu.ESM_RECEIPT, 0, 0, 0, 0, 0, 0, 0, 0))
TAG_ID = pdu.TAG_RECEIPTED_MESSAGE_ID.to_bytes(2, "big")
NEVER_GIVEN = 2**30  # added to an index, it makes an id that no answer has
OWN, FOREIGN = 1, 2  # bits: which ids were acknowledged


class Bind(Protocol):
    """What messages and receipts know of a connection."""

    account: SmscAccount
    closed: bool
    submits: int

    @property
    def receives(self) -> bool: ...
    def send(self, data: bytes) -> None: ...
    def drop(self) -> None: ...
    def garbage(self, kind: str) -> None: ...
    def post(self, receipt: Delivery) -> None: ...
    def take_overdue(self, before_s: float) -> list[Delivery]: ...


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


@dataclass(slots=True, eq=False)
class SmscMessage:
    """One submit that was taken; `answer_waits`: its answer is sent after its receipt."""

    session: Bind
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
    identity: bytes
    foreign: bool = False
    sent_at_s: float = 0.0


@dataclass(slots=True, eq=False)
class Inbound:
    """One message to an account, or a part of one; `body` is that of its deliver_sm."""

    account: SmscAccount
    body: bytes
    sent_at_s: float = 0.0


Delivery = SimulatedReceipt | Inbound


@dataclass(slots=True, eq=False)
class SmscAccount:
    """One system_id: its binds, and the receipts and messages that wait for one."""

    sessions: list[Bind] = field(default_factory=list)
    waiting: deque[Delivery] = field(default_factory=deque)
    turn: int = 0

    def choose(self, sender_bind: Bind | None, rule: str) -> Bind | None:
        """Return the bind for a delivery by SmscBehaviour.receipts_on, or None."""
        if rule == "own" and sender_bind is not None and sender_bind.receives:
            return sender_bind
        receiving = [
            one for one in self.sessions if one.receives and (rule == "any" or one is not sender_bind)
        ]
        if not receiving:
            return sender_bind if sender_bind is not None and sender_bind.receives else None
        self.turn += 1
        return receiving[self.turn % len(receiving)]


class Writer:
    """Writes receipts; the fixed bytes are cached per text and outcome."""

    def __init__(self, utc_offset_h: float) -> None:
        self._offset_s = utc_offset_h * 3600
        self._second = -1
        self._date = b""

    def date(self) -> bytes:
        second = int(time.monotonic())
        if second != self._second:
            local = time.gmtime(time.time() + self._offset_s)
            self._second, self._date = second, time.strftime("%y%m%d%H%M", local).encode()
        return self._date

    def write(self, receipt: SimulatedReceipt, sequence: int) -> bytes:
        message, identity = receipt.message, receipt.identity
        outcome, templates = message.plan.outcome, message.kind.templates
        template = templates.get(outcome)
        if template is None:
            template = templates[outcome] = _template(message.kind, outcome)
        before, after, text_template, state = template
        text = text_template % (identity, message.submitted, self.date())
        length = len(identity) + 1
        body = b"%b%b%b%c%b" % (before, message.phone, after, len(text), text)
        body += b"%b%c%c%b\0%b" % (TAG_ID, length >> 8, length & 255, identity, state)
        return pdu.frame(pdu.DELIVER_SM, sequence, body)


def _template(kind: Kind, outcome: Outcome) -> tuple[bytes, bytes, bytes, bytes]:
    """Return bytes before the phone and after it, text with placeholders for id and dates, and the state."""
    delivered = b"001" if outcome == DELIVERED else b"000"
    known = (delivered, outcome.status.encode(), outcome.error.encode(), kind.text)
    escaped = tuple(value.replace(b"%", b"%%") for value in known)
    text = b"id:%%b sub:001 dlvrd:%b submit date:%%b done date:%%b stat:%b err:%b text:%b" % escaped
    state = pdu.tlv(pdu.TAG_MESSAGE_STATE, bytes((STATES[outcome.status],)))
    return kind.service_type + b"\0" + kind.destination_type, b"\0" + kind.source + FIXED, text, state


class Reporter:
    """The receipts of one centre; `states` and `phones` hold each message's state and number by index."""

    def __init__(self, tally: SmscCounters, ids: Ids, now: Callable[[], float]) -> None:
        self.states = bytearray()
        self.phones, self._acknowledged_ids = array("Q"), bytearray()
        self._tally, self._ids, self._now = tally, ids, now

    def behave(self, behaviour: SmscBehaviour) -> None:
        self.behaviour, self.writer = behaviour, Writer(behaviour.utc_offset_h)

    def taken(self, message: SmscMessage) -> None:
        """Register a message; its index is the number of those before it."""
        self.states.append(ENROUTE)
        self.phones.append(int(message.phone) % 2**64)  # 20 digits may be more
        self._acknowledged_ids.append(0)
        message.submitted = self.writer.date()

    def conclude(self, message: SmscMessage) -> bool:
        """Report the message's outcome; False if no bind can receive the receipt now."""
        self.states[message.index] = STATES[message.plan.outcome.status]
        brought = False
        for receipt in self._receipts(message):
            self._tally.receipts_due += 1
            brought = self.route(receipt) or brought
        return brought

    def _receipts(self, message: SmscMessage) -> Sequence[SimulatedReceipt]:
        reporting = message.plan.reporting
        if not message.kind.reports:
            return ()
        identity = self._ids.receipt(message.index, reporting.other_base)
        if reporting is ONCE:
            return (SimulatedReceipt(message, identity),)
        self._tally.never_reported += not reporting.times
        receipts = [SimulatedReceipt(message, identity) for _ in range(reporting.times)]
        if reporting.foreign:
            self._tally.receipts_foreign += 1
            foreign = self._ids.receipt(message.index + NEVER_GIVEN)
            receipts.append(SimulatedReceipt(message, foreign, foreign=True))
        return receipts

    def bring(self, message: Inbound) -> None:
        self._tally.inbound_due += 1
        self.route(message)

    def route(self, receipt: Delivery) -> bool:
        """Hand a receipt or message to a bind, or keep it until there is one (False)."""
        if isinstance(receipt, Inbound):
            account = receipt.account
            session = account.choose(None, "any")
        else:
            own = receipt.message.session
            account, session = own.account, own.account.choose(own, self.behaviour.receipts_on)
        if session is None:
            account.waiting.append(receipt)
            return False
        session.post(receipt)
        return True

    def write(self, receipt: Delivery, sequence: int) -> bytes:
        receipt.sent_at_s = self._now()
        if isinstance(receipt, Inbound):
            self._tally.inbound_sent += 1
            return pdu.frame(pdu.DELIVER_SM, sequence, receipt.body)
        self._tally.receipts_sent += 1
        return self.writer.write(receipt, sequence)

    def settle(self, receipt: Delivery, refused: bool) -> None:
        """Count a receipt or message as acknowledged or refused for good; it is never sent again."""
        if isinstance(receipt, Inbound):
            self._tally.inbound_refused += refused
            self._tally.inbound_acknowledged += not refused
            return
        if refused:
            self._tally.receipts_refused += 1
        else:
            self._tally.receipts_acknowledged += 1
            self._acknowledged_ids[receipt.message.index] |= FOREIGN if receipt.foreign else OWN

    def acknowledged(self) -> Iterator[tuple[int, int]]:
        """Yield (number, count of different ids) of every message with an acknowledged receipt."""
        pairs = zip(self.phones, self._acknowledged_ids, strict=True)
        return ((phone, ids.bit_count()) for phone, ids in pairs if ids)

    def en_route(self) -> int:
        return self.states.count(ENROUTE)

    def by_state(self) -> dict[str, int]:
        """Return how many messages or parts are in each state; states without any are left out."""
        counts = {name: self.states.count(state) for name, state in STATES.items()}
        return {name: n for name, n in counts.items() if n}

    def outstanding(self) -> int:
        """Return how many receipts and messages are neither acknowledged nor refused."""
        tally = self._tally
        inbound = tally.inbound_due - tally.inbound_acknowledged - tally.inbound_refused
        return tally.receipts_due - tally.receipts_acknowledged - tally.receipts_refused + inbound

    def repeat_overdue(self, sessions: Iterable[Bind]) -> None:
        before_s = self._now() - self.behaviour.receipt_timeout_s
        for session in tuple(sessions):
            for receipt in session.take_overdue(before_s):
                self.route(receipt)

    def state(self, identity: bytes) -> int:
        """Return the message_state of a message by its answer's id; ValueError for an unknown id."""
        index = self._ids.index(identity)
        if index >= len(self.states):
            raise ValueError(f"no message has the id {identity!r}")
        return self.states[index]
