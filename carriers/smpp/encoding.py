"""One text from one sender as submit_sm bytes: built once, then only the phone and the sequence change."""

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
    """What all messages of one text and sender share; `contents` are the parts without their numbering."""

    envelope: pdu.Envelope
    data_coding: int
    contents: tuple[bytes, ...]

    def templates(self, long_text: str, reference: int) -> tuple[Template, ...]:
        """One template for each PDU; `reference` ties the parts of a long text together."""
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

    def _numbered(self, long_text: str, place: tuple[int, int, int], octets: bytes) -> Template:
        reference, total, number = place
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
    """The wording of a message, or why this link can't carry it."""
    if not _SENDER.fullmatch(sms.sender):
        return Rejected("sender: 1 to 20 plain characters", Reason.WRONG_REQUEST)
    cut = split(sms.text)
    if not sms.text:
        return Rejected("text: empty", Reason.WRONG_REQUEST)
    if len(cut.parts) > settings.max_segments:
        return Rejected(f"text: {len(cut.parts)} parts", Reason.WRONG_REQUEST)
    if cut.encoding is Encoding.UCS2 and not settings.ucs2:
        return Rejected("text: the link has no UCS-2", Reason.WRONG_REQUEST)
    try:
        contents = _octets(settings, cut)
    except ValueError:
        return Rejected("text: a character that the link lacks", Reason.WRONG_REQUEST)
    coding = UCS2_DATA_CODING if cut.encoding is Encoding.UCS2 else settings.gsm_data_coding
    return EncodedText(_envelope(settings, sms), coding, contents)


class Wordings:
    """The wordings of a link, and their templates, each made once while it is in use."""

    def __init__(self, settings: SmppSettings) -> None:
        self._settings = settings
        self._references = itertools.count(secrets.randbelow(0x10000))
        self._most = 0x10000 if settings.long_text == "sar" else 0x100
        self._word = lru_cache(maxsize=256)(self._make_word)
        self._templates = lru_cache(maxsize=2048)(self._make_templates)

    def templates(self, sms: OutboundSms) -> Sequence[Template] | Rejected:
        """One template for each PDU of the message, or why this link can't carry it."""
        wording = self._word(sms.text, sms.sender, sms.validity_s)
        if isinstance(wording, Rejected):
            return wording
        if len(wording.contents) == 1:
            return self._templates(wording, 0)
        return self._templates(wording, next(self._references) % self._most)

    def _make_word(self, text: str, sender: str, validity_s: int | None) -> EncodedText | Rejected:
        return encode_text(self._settings, OutboundSms("", text, sender, validity_s))

    def _make_templates(self, wording: EncodedText, reference: int) -> tuple[Template, ...]:
        return wording.templates(self._settings.long_text, reference)


def _octets(settings: SmppSettings, cut: Segments) -> tuple[bytes, ...]:
    if cut.encoding is Encoding.UCS2:
        return tuple(ucs2(part) for part in cut.parts)
    if settings.gsm_alphabet == "latin1":
        return tuple(part.encode("latin-1") for part in cut.parts)
    return tuple(gsm7(part) for part in cut.parts)


def _envelope(settings: SmppSettings, sms: OutboundSms) -> pdu.Envelope:
    return pdu.Envelope(
        source=(settings.source_ton, settings.source_npi, sms.sender.encode("ascii")),
        destination_ton_npi=(settings.dest_ton, settings.dest_npi),
        service_type=settings.service_type.encode("ascii"),
        validity=validity(sms.validity_s) if settings.validity == "relative" else b"",
        registered_delivery=int(settings.receipt_level is not ReceiptLevel.NONE),
    )


def validity(seconds: int | None) -> bytes:
    """SMPP's relative time (YYMMDDhhmmss000R), up to 99 days; the carrier's own limit holds anyway."""
    if seconds is None:
        return b""
    minutes, second = divmod(max(0, min(seconds, _TOP_VALIDITY_S)), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02d}{hour:02d}{minute:02d}{second:02d}000R".encode()
