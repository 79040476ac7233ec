"""Deliver receipts to the binds of their accounts, repeating each until it is acknowledged."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence

from carriers.simulators.smsc import outcomes
from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.deliveries import BindPort, Inbound, SimulatedReceipt, SmscMessage
from carriers.simulators.smsc.ids import Ids
from carriers.simulators.smsc.messages import Kind
from carriers.simulators.smsc.outcomes import ReceiptOutcome
from carriers.simulators.smsc.statistics import SmscCounters
from carriers.smpp import pdu

# protocol_id to sm_default_msg_id are all empty or 0; esm_class marks a receipt.
FIXED = bytes((pdu.ESM_RECEIPT, 0, 0, 0, 0, 0, 0, 0, 0))
TAG_ID = pdu.TAG_RECEIPTED_MESSAGE_ID.to_bytes(2, "big")


class Writer:
    """Writes receipts in the configured dialect; the fixed bytes are cached per text and outcome."""

    def __init__(self, behaviour: SmscBehaviour) -> None:
        self._behaviour = behaviour
        self._second = -1
        self._date = b""

    def date(self) -> bytes:
        second = int(time.monotonic())
        if second != self._second:
            local = time.gmtime(time.time() + self._behaviour.utc_offset_h * 3600)
            digits = time.strftime("%y%m%d%H%M%S", local)[: self._behaviour.receipt_date_digits]
            self._second, self._date = second, digits.encode()
        return self._date

    def write(self, receipt: SimulatedReceipt, sequence: int) -> bytes:
        message, identity = receipt.message, receipt.identity
        templates = message.kind.templates
        template = templates.get(receipt.outcome)
        if template is None:
            template = templates[receipt.outcome] = self._template(message.kind, receipt.outcome)
        before, after, text_template = template
        text = text_template % (identity, message.submitted, self.date()) if text_template else b""
        body = b"%b%b%b%c%b" % (before, message.phone, after, len(text), text)
        if self._behaviour.receipt_tlvs:
            length = len(identity) + 1
            state = pdu.tlv(pdu.TAG_MESSAGE_STATE, bytes((receipt.outcome.state,)))
            body += b"%b%c%c%b\0%b" % (TAG_ID, length >> 8, length & 255, identity, state)
        return pdu.frame(pdu.DELIVER_SM, sequence, body)

    def _template(self, kind: Kind, outcome: ReceiptOutcome) -> tuple[bytes, bytes, bytes]:
        """Return (bytes before the phone, bytes after it, text with placeholders for id and dates)."""
        start = kind.service_type + b"\0"
        text = self._text(kind, outcome) if self._behaviour.receipt_text else b""
        if self._behaviour.receipt_swapped:
            return start + kind.source + kind.destination_type, b"\0" + FIXED, text
        return start + kind.destination_type, b"\0" + kind.source + FIXED, text

    def _text(self, kind: Kind, outcome: ReceiptOutcome) -> bytes:
        delivered = b"001" if outcome.stat == b"DELIVRD" else b"000"
        if self._behaviour.receipt_dlvrd == "state":
            delivered = b"%03d" % outcome.state
        label = self._behaviour.receipt_submit_label.encode()
        known = (delivered, label, outcome.stat, outcome.err, kind.text)
        escaped = tuple(value.replace(b"%", b"%%") for value in known)
        return b"id:%%b sub:001 dlvrd:%b %b:%%b done date:%%b stat:%b err:%b text:%b" % escaped


FAILURES_ONLY = 2  # of registered_delivery
NEVER_GIVEN = 2**30  # added to an index, it makes an id that no answer has
OWN, FOREIGN = 1, 2  # bits: which ids were acknowledged


class Reporter:
    """The receipts of one centre; `states` and `phones` hold each message's state and number by index."""

    def __init__(self, tally: SmscCounters, ids: Ids, now: Callable[[], float]) -> None:
        self.states = bytearray()
        self.phones, self._acknowledged_ids = array("Q"), bytearray()
        self.last_acknowledged_s = 0.0
        self._tally, self._ids, self._now = tally, ids, now

    def taken(self, message: SmscMessage) -> None:
        """Register a message; its index is the number of those before it."""
        self.states.append(outcomes.ENROUTE)
        self.phones.append(int(message.phone) % 2**64)  # 20 digits may be more
        self._acknowledged_ids.append(0)

    def behave(self, behaviour: SmscBehaviour) -> None:
        self.behaviour, self.writer = behaviour, Writer(behaviour)

    def conclude(self, message: SmscMessage) -> bool:
        """Report the message's outcome; False if no bind can receive the receipt now."""
        self.states[message.index] = message.plan.outcome.state
        brought = False
        for receipt in self._receipts(message):
            self._tally.receipts_due += 1
            brought = self.route(receipt) or brought
        return brought

    def _receipts(self, message: SmscMessage) -> Sequence[SimulatedReceipt]:
        kind, outcome, reporting = message.kind, message.plan.outcome, message.plan.reporting
        if not kind.reports or (kind.reports == FAILURES_ONLY and outcome.stat == outcomes.DELIVERED.stat):
            return ()
        identity = self._ids.receipt(message.index, reporting.other_base)
        if reporting is outcomes.ONCE:
            return (SimulatedReceipt(message, outcome, identity),)
        self._tally.never_reported += not reporting.times
        sequence_of_outcomes = (*reporting.before, *(outcome,) * reporting.times, *reporting.after)
        receipts = [SimulatedReceipt(message, one, identity) for one in sequence_of_outcomes]
        if reporting.foreign:
            self._tally.receipts_foreign += 1
            foreign = self._ids.receipt(message.index + NEVER_GIVEN, reporting.other_base)
            receipts.append(SimulatedReceipt(message, outcome, foreign, foreign=True))
        return receipts

    def bring(self, message: Inbound) -> None:
        self._tally.inbound_due += 1
        self.route(message)

    def route(self, receipt: SimulatedReceipt | Inbound) -> bool:
        """Hand a receipt or message to a bind, or keep it until there is one (False)."""
        if isinstance(receipt, Inbound):
            account, session = receipt.account, receipt.account.any_bind()
        else:
            own = receipt.message.session
            account, session = own.account, own.account.choose(own, self.behaviour.receipts_on)
        if session is None:
            account.waiting.append(receipt)
            return False
        session.post(receipt)
        return True

    def write(self, receipt: SimulatedReceipt | Inbound, sequence: int) -> bytes:
        if isinstance(receipt, Inbound):
            return self._write_inbound(receipt, sequence)
        self._tally.receipts_sent += 1
        self._tally.receipts_repeated += receipt.sent
        receipt.sent, receipt.sent_at_s = True, self._now()
        return self.writer.write(receipt, sequence)

    def _write_inbound(self, message: Inbound, sequence: int) -> bytes:
        self._tally.inbound_sent += 1
        self._tally.inbound_repeated += message.sent
        message.sent, message.sent_at_s = True, self._now()
        return pdu.frame(pdu.DELIVER_SM, sequence, message.body)

    def settle(self, receipt: SimulatedReceipt | Inbound, refused: bool) -> None:
        """Count a receipt or message as acknowledged or refused for good; it is never sent again."""
        if isinstance(receipt, Inbound):
            self._tally.inbound_refused += refused
            self._tally.inbound_acknowledged += not refused
            return
        self.last_acknowledged_s = self._now()
        if refused:
            self._tally.receipts_refused += 1
        else:
            self._tally.receipts_acknowledged += 1
            self._acknowledged_ids[receipt.message.index] |= FOREIGN if receipt.foreign else OWN

    def acknowledged(self) -> Iterator[tuple[int, int]]:
        """Yield (number, count of different ids) of every message with an acknowledged receipt."""
        return (
            (phone, sequence_of_outcomes.bit_count())
            for phone, sequence_of_outcomes in zip(self.phones, self._acknowledged_ids, strict=True)
            if sequence_of_outcomes
        )

    def en_route(self) -> int:
        return self.states.count(outcomes.ENROUTE)

    def by_state(self) -> dict[str, int]:
        """Return how many messages or parts are in each state; states without any are left out."""
        counts = {name: self.states.count(state) for name, state in outcomes.STATES.items()}
        return {name: n for name, n in counts.items() if n}

    def outstanding(self) -> int:
        """Return how many receipts and messages are neither acknowledged nor refused."""
        tally = self._tally
        inbound = tally.inbound_due - tally.inbound_acknowledged - tally.inbound_refused
        return tally.receipts_due - tally.receipts_acknowledged - tally.receipts_refused + inbound

    def repeat_overdue(self, sessions: Iterable[BindPort]) -> None:
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
