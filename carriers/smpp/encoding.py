"""Encode a text from one sender as submit_sm templates, so that only phone and sequence vary."""

from __future__ import annotations

import itertools
import re
import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from carriers.contract import Encoding, OutboundSms, Reason, ReceiptLevel, Rejected
from carriers.smpp import pdu
from carriers.smpp.settings import SmppSettings
from carriers.text import Segments, gsm7, split, ucs2

# The bytes of one part before and after destination_addr.
Template = tuple[bytes, bytes]

UCS2_DATA_CODING = 8
_SENDER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,18}[\x21-\x7e])?")
_TOP_VALIDITY_S = 99 * 86_400 - 1


@dataclass(frozen=True, slots=True)
class EncodedText:
    """What all messages of one text and sender share; `contents` are the parts without part numbers."""

    envelope: pdu.Envelope
    data_coding: int
    contents: tuple[bytes, ...]

    def templates(self, long_text: str, reference: int) -> tuple[Template, ...]:
        """Return one template for each PDU; `reference` identifies the parts of a long text."""
        total = len(self.contents)
        if total == 1:
            return (self._template(self.contents[0]),)
        if long_text == "payload":
            payload = pdu.tlv(pdu.TAG_MESSAGE_PAYLOAD, b"".join(self.contents))
            return (self._template(b"", tlvs=payload),)
        return tuple(
            self._numbered(long_text, (reference, total, number), octets)
            for number, octets in enumerate(self.contents, start=1)
        )

    def _numbered(self, long_text: str, numbering: tuple[int, int, int], octets: bytes) -> Template:
        reference, total, number = numbering
        esm_class, tlvs = 0, b""
        if "sar" in long_text:
            tlvs = pdu.tlv(pdu.TAG_SAR_REF, struct.pack(">H", reference))
            tlvs += pdu.tlv(pdu.TAG_SAR_TOTAL, bytes((total,))) + pdu.tlv(pdu.TAG_SAR_SEQ, bytes((number,)))
        if "udh" in long_text:
            esm_class = pdu.ESM_UDHI
            octets = bytes((5, 0, 3, reference & 0xFF, total, number)) + octets
        return self._template(octets, esm_class, tlvs)

    def _template(self, octets: bytes, esm_class: int = 0, tlvs: bytes = b"") -> Template:
        content = pdu.Content(octets, self.data_coding, esm_class, tlvs)
        return pdu.short_message_template(self.envelope, content)


def encode_text(settings: SmppSettings, sms: OutboundSms) -> EncodedText | Rejected:
    if not _SENDER.fullmatch(sms.sender):
        return Rejected("sender: 1 to 20 plain characters", Reason.WRONG_REQUEST)
    split_text = split(sms.text)
    if not sms.text:
        return Rejected("text: empty", Reason.WRONG_REQUEST)
    if len(split_text.parts) > settings.max_segments:
        return Rejected(f"text: {len(split_text.parts)} parts", Reason.WRONG_REQUEST)
    if split_text.encoding is Encoding.UCS2 and not settings.ucs2:
        return Rejected("text: the link has no UCS-2", Reason.WRONG_REQUEST)
    try:
        contents = _octets(settings, split_text)
    except ValueError:
        return Rejected("text: a character that the link lacks", Reason.WRONG_REQUEST)
    coding = UCS2_DATA_CODING if split_text.encoding is Encoding.UCS2 else settings.gsm_data_coding
    return EncodedText(_envelope(settings, sms), coding, contents)


class TextEncoder:
    """The encoded texts of a link and their templates, each cached while in use."""

    def __init__(self, settings: SmppSettings) -> None:
        self._settings = settings
        self._references = itertools.count(secrets.randbelow(0x10000))
        self._reference_limit = 0x10000 if settings.long_text == "sar" else 0x100
        self._encoded = lru_cache(maxsize=256)(self._encode)
        self._templates = lru_cache(maxsize=2048)(self._make_templates)

    def templates(self, sms: OutboundSms) -> Sequence[Template] | Rejected:
        """Return one template for each PDU of the message, or why this link can't carry it."""
        encoded, single = self._encoded(sms.text, sms.sender, sms.validity_s)
        if single is not None:
            return single
        if isinstance(encoded, Rejected):
            return encoded
        return self._templates(encoded, next(self._references) % self._reference_limit)

    def _encode(
        self, text: str, sender: str, validity_s: int | None
    ) -> tuple[EncodedText | Rejected, tuple[Template, ...] | None]:
        """Return the text, and its template where it has only one."""
        encoded = encode_text(self._settings, OutboundSms("", text, sender, validity_s))
        if isinstance(encoded, Rejected) or len(encoded.contents) > 1:
            return encoded, None
        return encoded, self._make_templates(encoded, 0)

    def _make_templates(self, encoded: EncodedText, reference: int) -> tuple[Template, ...]:
        return encoded.templates(self._settings.long_text, reference)


def _octets(settings: SmppSettings, split_text: Segments) -> tuple[bytes, ...]:
    if split_text.encoding is Encoding.UCS2:
        return tuple(ucs2(part) for part in split_text.parts)
    if settings.gsm_alphabet == "latin1":
        return tuple(part.encode("latin-1") for part in split_text.parts)
    return tuple(gsm7(part) for part in split_text.parts)


def _envelope(settings: SmppSettings, sms: OutboundSms) -> pdu.Envelope:
    return pdu.Envelope(
        source=(settings.source_ton, settings.source_npi, sms.sender.encode("ascii")),
        destination_ton_npi=(settings.dest_ton, settings.dest_npi),
        service_type=settings.service_type.encode("ascii"),
        validity=validity(sms.validity_s) if settings.validity == "relative" else b"",
        registered_delivery=int(settings.receipt_level is not ReceiptLevel.NONE),
    )


def validity(seconds: int | None) -> bytes:
    """Format SMPP's relative time (YYMMDDhhmmss000R), at most 99 days."""
    if seconds is None:
        return b""
    minutes, second = divmod(max(0, min(seconds, _TOP_VALIDITY_S)), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02d}{hour:02d}{minute:02d}{second:02d}000R".encode()
