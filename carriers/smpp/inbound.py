"""Decode messages to us (a deliver_sm that is not a receipt): text by data coding, and part number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from carriers.inbound import InboundMessage, MessagePart
from carriers.smpp.pdu import (
    ESM_UDHI,
    TAG_MESSAGE_PAYLOAD,
    TAG_SAR_REF,
    TAG_SAR_SEQ,
    TAG_SAR_TOTAL,
    ShortMessage,
)
from carriers.smpp.receipt import fields_of, is_receipt
from carriers.smpp.settings import SmppSettings
from carriers.text import ungsm7


def one_text(message: ShortMessage, odd: Callable[[str, str], None]) -> ShortMessage:
    """Return the message with the text to read; `odd` is called if its two text fields differ.

    SMPP v3.4, 5.2.32: with message_payload, short_message is empty. Some centres fill both. Of a receipt,
    take the text with an id and a state; a message to us is kept whole.
    """
    short, payload = message.message, message.tlvs.get(TAG_MESSAGE_PAYLOAD, b"")
    if not payload or short == payload:
        return message
    texts = {"short_message": short, "message_payload": payload, "both": short + payload}
    found = {place: message._replace(message=octets) for place, octets in texts.items()}
    best = max(("short_message", "message_payload"), key=lambda place: _rank(found[place]))
    if not any(is_receipt(found[place]) for place in texts):
        whole = payload if short in payload or message.esm_class & ESM_UDHI else short + payload
        best = next(place for place, octets in texts.items() if octets == whole)
    odd(f"short_message beside message_payload: {best} is read", f"{len(short)} and {len(payload)} octets")
    return found[best]


def _rank(message: ShortMessage) -> int:
    """Rank a receipt's text: its id counts more than its state."""
    fields = fields_of(message)
    return 2 * bool(fields.id) + bool(fields.stat)


_GSM, _UCS2 = "gsm7", "utf-16-be"
# SMPP v3.4, 5.2.19; others are binary, or alphabets that no phone in Vietnam uses.
_ALPHABETS = {0: _GSM, 1: "ascii", 3: "latin-1", 6: "iso8859-5", 7: "iso8859-8", 8: _UCS2}
_CONCATENATED = {0x00: 3, 0x08: 4}  # UDH elements for concatenation, and their lengths


def read_inbound(message: ShortMessage, settings: SmppSettings) -> InboundMessage:
    """Decode the message; whatever can't be decoded stays in `octets`, nothing raises."""
    octets, part = message.message, _sar(message.tlvs)
    if message.esm_class & ESM_UDHI and octets and octets[0] < len(octets):
        header, octets = octets[1 : octets[0] + 1], octets[octets[0] + 1 :]
        part = _numbered(header) or part
    alphabet = _alphabet(message.data_coding, settings)
    text, is_exact = _text(octets, alphabet)
    return InboundMessage(
        source=_printable(message.source.decode("latin-1")),
        destination=_printable(message.destination.decode("latin-1")),
        text=text,
        data_coding=message.data_coding,
        octets=octets,
        is_exact=is_exact,
        part=part,
    )


def _alphabet(coding: int, settings: SmppSettings) -> str:
    """Return how to decode this data coding, "" for binary; from 0xC0 on by 3GPP TS 23.038 section 4."""
    if coding >= 0xF0:
        alphabet = "" if coding & 0x04 else _GSM
    elif coding >= 0xC0:
        alphabet = _UCS2 if coding >= 0xE0 else _GSM
    else:
        alphabet = _GSM if coding == settings.gsm_data_coding else _ALPHABETS.get(coding, "")
    return "latin-1" if alphabet == _GSM and settings.gsm_alphabet == "latin1" else alphabet


def _text(octets: bytes, alphabet: str) -> tuple[str, bool]:
    """Return the text, and whether it represents all octets but the zeros with which some centres end it."""
    try:
        if alphabet:
            text = ungsm7(octets) if alphabet == _GSM else octets.decode(alphabet).rstrip("\0")
            printable = _printable(text)
            return printable, printable == text
    except ValueError:  # some centres pass on UTF-8 or Latin-1, whatever data_coding says
        if alphabet == _UCS2:
            return _printable(octets.decode(_UCS2, "replace")), False
    return _guessed(octets), False


def _guessed(octets: bytes) -> str:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    return text if all(letter.isprintable() or letter in "\r\n" for letter in text) else ""


def _printable(text: str) -> str:
    """Replace control characters except line ends: PostgreSQL text can't hold a NUL, for one."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\r\n" else " " for letter in text)


def _numbered(header: bytes) -> MessagePart | None:
    at = 0
    while at + 2 <= len(header):
        element, value = header[at], header[at + 2 : at + 2 + header[at + 1]]
        if _CONCATENATED.get(element) == len(value):
            return _part(int.from_bytes(value[:-2], "big"), value[-1], value[-2])
        at += 2 + header[at + 1]
    return None


def _sar(tlvs: Mapping[int, bytes]) -> MessagePart | None:
    if not {TAG_SAR_REF, TAG_SAR_TOTAL, TAG_SAR_SEQ} <= tlvs.keys():
        return None
    reference, total, number = (
        int.from_bytes(tlvs[tag][-2:], "big") for tag in (TAG_SAR_REF, TAG_SAR_TOTAL, TAG_SAR_SEQ)
    )
    return _part(reference, number, total)


def _part(reference: int, number: int, total: int) -> MessagePart | None:
    return MessagePart(reference, number, total) if 1 <= number <= total else None
