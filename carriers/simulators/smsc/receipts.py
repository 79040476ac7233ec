"""The receipts of the simulated message centre: deliver_sm in the dialect that the manners ask for."""

from __future__ import annotations

import time

from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.deliveries import SimulatedReceipt
from carriers.simulators.smsc.messages import Kind
from carriers.simulators.smsc.outcomes import ReceiptOutcome
from carriers.smpp import pdu

# protocol_id to sm_default_msg_id are all empty or 0; esm_class says that this is a receipt.
FIXED = bytes((pdu.ESM_RECEIPT, 0, 0, 0, 0, 0, 0, 0, 0))
TAG_ID = pdu.TAG_RECEIPTED_MESSAGE_ID.to_bytes(2, "big")


class Writer:
    """Writes receipts; everything but number, id and dates is written once for a text and an outcome."""

    def __init__(self, manners: SmscBehaviour) -> None:
        self._manners = manners
        self._second = -1
        self._date = b""

    def date(self) -> bytes:
        """The local date and time of now, to the minute or second."""
        second = int(time.monotonic())
        if second != self._second:
            local = time.gmtime(time.time() + self._manners.utc_offset_h * 3600)
            digits = time.strftime("%y%m%d%H%M%S", local)[: self._manners.receipt_date_digits]
            self._second, self._date = second, digits.encode()
        return self._date

    def write(self, receipt: SimulatedReceipt, sequence: int) -> bytes:
        """The deliver_sm of a receipt."""
        message, identity = receipt.message, receipt.identity
        templates = message.kind.templates
        template = templates.get(receipt.outcome)
        if template is None:
            template = templates[receipt.outcome] = self._template(message.kind, receipt.outcome)
        before, after, text_template = template
        text = text_template % (identity, message.submitted, self.date()) if text_template else b""
        body = b"%b%b%b%c%b" % (before, message.phone, after, len(text), text)
        if self._manners.receipt_tlvs:
            length = len(identity) + 1
            state = pdu.tlv(pdu.TAG_MESSAGE_STATE, bytes((receipt.outcome.state,)))
            body += b"%b%c%c%b\0%b" % (TAG_ID, length >> 8, length & 255, identity, state)
        return pdu.frame(pdu.DELIVER_SM, sequence, body)

    def _template(self, kind: Kind, outcome: ReceiptOutcome) -> tuple[bytes, bytes, bytes]:
        """(bytes before the phone, bytes after it, text with places for id and dates)."""
        start = kind.service_type + b"\0"
        text = self._text(kind, outcome) if self._manners.receipt_text else b""
        if self._manners.receipt_swapped:
            return start + kind.source + kind.destination_type, b"\0" + FIXED, text
        return start + kind.destination_type, b"\0" + kind.source + FIXED, text

    def _text(self, kind: Kind, outcome: ReceiptOutcome) -> bytes:
        delivered = b"001" if outcome.stat == b"DELIVRD" else b"000"
        if self._manners.receipt_dlvrd == "state":
            delivered = b"%03d" % outcome.state
        label = self._manners.receipt_submit_label.encode()
        known = (delivered, label, outcome.stat, outcome.err, kind.text)
        escaped = tuple(value.replace(b"%", b"%%") for value in known)
        return b"id:%%b sub:001 dlvrd:%b %b:%%b done date:%%b stat:%b err:%b text:%b" % escaped
