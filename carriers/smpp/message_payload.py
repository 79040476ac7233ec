"""A deliver_sm with a text in short_message and another in message_payload: which of them it says."""

from __future__ import annotations

from collections.abc import Callable

from carriers.smpp.pdu import ESM_UDHI, TAG_MESSAGE_PAYLOAD, ShortMessage
from carriers.smpp.receipt import fields_of, is_receipt


def one_text(message: ShortMessage, odd: Callable[[str, str], None]) -> ShortMessage:
    """The message with the text to read; odd: is told where there was a choice, and which was taken.

    SMPP v3.4, 5.2.32: with message_payload, short_message is empty. Some centres fill both. Of a receipt the
    one that names an id and a state is read; a message to us is kept whole.
    """
    short, payload = message.message, message.tlvs.get(TAG_MESSAGE_PAYLOAD, b"")
    if not payload or short == payload:
        return message
    texts = {"short_message": short, "message_payload": payload, "both": short + payload}
    found = {place: message._replace(message=octets) for place, octets in texts.items()}
    best = max(("short_message", "message_payload"), key=lambda place: _says(found[place]))
    if not any(is_receipt(found[place]) for place in texts):
        whole = payload if short in payload or message.esm_class & ESM_UDHI else short + payload
        best = next(place for place, octets in texts.items() if octets == whole)
    odd(f"short_message beside message_payload: {best} is read", f"{len(short)} and {len(payload)} octets")
    return found[best]


def _says(message: ShortMessage) -> int:
    """How much a receipt's text says: its id counts more than its state."""
    fields = fields_of(message)
    return 2 * bool(fields.id) + bool(fields.stat)
