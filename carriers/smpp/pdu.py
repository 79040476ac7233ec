"""The SMPP 3.4 codec: the few PDUs that Loa needs, built and parsed as bytes (SMPP v3.4, issue 1.2).

Of submit_sm what is the same for all numbers; carrier.py puts the number in, and session.py writes it.
"""

from __future__ import annotations

import itertools
import re
import secrets
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from carriers.contract import Encoding, OutboundSms, Reason, ReceiptLevel, Rejected
from carriers.smpp.settings import TEMPLATE_CODE, SmppSettings, tlv_value
from carriers.text import Segments, gsm7, split, ucs2

HEADER = struct.Struct(">IIII")  # command_length, command_id, command_status, sequence_number
MIN_LENGTH, MAX_LENGTH = 16, 128 * 1024
MAX_SEQUENCE = 0x7FFFFFFF

RESPONSE = 0x80000000
GENERIC_NACK = 0x80000000
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x01, 0x02, 0x09
QUERY_SM, SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 0x03, 0x04, 0x05, 0x06, 0x15
SUBMIT_SM_RESP, DELIVER_SM_RESP, QUERY_SM_RESP = 0x80000004, 0x80000005, 0x80000003

ESME_ROK = 0x00
ESME_RINVMSGLEN, ESME_RINVCMDLEN, ESME_RINVCMDID, ESME_RINVBNDSTS = 0x01, 0x02, 0x03, 0x04
ESME_RSYSERR, ESME_RINVSRCADR, ESME_RINVDSTADR = 0x08, 0x0A, 0x0B
ESME_RBINDFAIL, ESME_RINVPASWD, ESME_RINVSYSID = 0x0D, 0x0E, 0x0F
ESME_RMSGQFUL, ESME_RTHROTTLED, ESME_RX_T_APPN, ESME_RX_P_APPN = 0x14, 0x58, 0x64, 0x65

TAG_RECEIPTED_MESSAGE_ID, TAG_MESSAGE_STATE = 0x001E, 0x0427
TAG_MESSAGE_PAYLOAD, TAG_NETWORK_ERROR_CODE = 0x0424, 0x0423
TAG_SAR_REF, TAG_SAR_TOTAL, TAG_SAR_SEQ = 0x020C, 0x020E, 0x020F

ESM_UDHI = 0x40
ESM_RECEIPT_MASK = 0x3C  # bits 5-2 of esm_class: message type of a deliver_sm
ESM_RECEIPT, ESM_NOTIFICATION = 0x04, 0x20  # final receipt; intermediate notification
MESSAGE_ID_LIMIT = 128  # octets; the specification allows 65, some carriers send more


class PduError(ValueError):
    """A body that can't be parsed; its frame was valid, so the session goes on."""


class FrameError(ValueError):
    """A command_length outside 16 bytes to 128 KiB: the stream is lost, and the session must close."""


class ShortMessage(NamedTuple):
    """The fields of a submit_sm or deliver_sm that Loa reads."""

    service_type: bytes
    source: bytes
    destination: bytes
    esm_class: int
    data_coding: int
    registered_delivery: int
    message: bytes  # message_payload where short_message is empty
    tlvs: dict[int, bytes]
    source_ton: int = 0


def frame(command: int, sequence: int, body: bytes = b"", status: int = ESME_ROK) -> bytes:
    return HEADER.pack(16 + len(body), command, status, sequence) + body


def frames(buffer: bytearray) -> Iterator[tuple[int, int, int, bytes]]:
    """Take whole PDUs off the front of `buffer`: (command_id, command_status, sequence, body).

    Leaves an incomplete rest. Raises FrameError for an impossible length as soon as the length is read.
    """
    start, data, unpack = 0, bytes(buffer), HEADER.unpack_from
    end = len(data)
    try:
        while end - start >= 4:
            whole = end - start >= MIN_LENGTH
            length, *rest = (
                unpack(data, start) if whole else (int.from_bytes(data[start : start + 4], "big"),)
            )
            if not MIN_LENGTH <= length <= MAX_LENGTH:
                raise FrameError(f"command_length {length} is outside {MIN_LENGTH} to {MAX_LENGTH}")
            if end - start < length:
                break
            command, status, sequence = rest
            body = data[start + 16 : start + length]
            start += length
            yield command, status, sequence, body
    finally:
        if start:
            del buffer[:start]


def cstring(body: bytes, at: int, limit: int = 256) -> tuple[bytes, int]:
    """Read a C-octet string from `at`: (value, next position). A missing terminator is a PduError."""
    end = body.find(0, at, at + limit)
    if end < 0:
        raise PduError(f"no end of the string at byte {at}")
    return body[at:end], end + 1


def message_id(body: bytes) -> bytes:
    """Return the id of a submit_sm_resp; empty if there is none, or nothing that could be one."""
    end = body.find(0)
    value = body if end < 0 else body[:end]
    return value if len(value) <= MESSAGE_ID_LIMIT else b""


def query_body(reference: bytes, source: tuple[int, int, bytes]) -> bytes:
    """Return the body of a query_sm; source is the (ton, npi, address) that the message was sent with."""
    ton, npi, address = source
    return reference + b"\0" + bytes((ton, npi)) + address + b"\0"


def read_query_resp(body: bytes) -> tuple[bytes, bytes, int, int]:
    """Parse a query_sm_resp: (message_id, final_date, message_state, error_code); PduError if truncated."""
    reference, at = cstring(body, 0)
    final_date, at = cstring(body, at)
    if at + 2 > len(body):
        raise PduError("ends before message_state")
    return reference, final_date, body[at], body[at + 1]


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def read_tlvs(body: bytes, at: int) -> dict[int, bytes]:
    """Parse optional parameters from `at`; stop at a truncated one and keep those before it."""
    found: dict[int, bytes] = {}
    end = len(body)
    while end - at >= 4:
        tag, length = struct.unpack_from(">HH", body, at)
        if at + 4 + length > end:
            break
        found.setdefault(tag, body[at + 4 : at + 4 + length])
        at += 4 + length
    return found


@dataclass(frozen=True, slots=True)
class Bind:
    """The fields of a bind request that carriers look at."""

    system_id: str
    password: str
    system_type: str = ""
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def body(self) -> bytes:
        """Return the body of any bind request (interface_version 0x34)."""
        strings = [self.system_id, self.password, self.system_type]
        head = b"".join(value.encode("latin-1", "replace") + b"\0" for value in strings)
        tail = self.address_range.encode("latin-1", "replace") + b"\0"
        return head + bytes((0x34, self.addr_ton, self.addr_npi)) + tail


def read_bind(body: bytes) -> tuple[str, str, str]:
    """Parse a bind request: (system_id, password, system_type)."""
    system_id, at = cstring(body, 0)
    password, at = cstring(body, at)
    system_type, _ = cstring(body, at)
    return system_id.decode("latin-1"), password.decode("latin-1"), system_type.decode("latin-1")


# Up to sm_length, without the two times. What is not of this form is read step by step.
_TEXT = rb"([^\0]{0,255})\0"
_USUAL = re.compile(rb"%b(.).%b..%b(.)..\0\0(.).(.).." % (_TEXT, _TEXT, _TEXT), re.DOTALL)


def read_short_message(body: bytes) -> ShortMessage:
    """Parse the body of a submit_sm or deliver_sm; PduError if it is truncated or overruns."""
    usual = _USUAL.match(body)
    if usual is not None:
        at = usual.end()
        end = at + body[at - 1]
        if at < end <= len(body):
            service_type, ton, source, destination, esm_class, registered, coding = usual.groups()
            tlvs = read_tlvs(body, end) if end < len(body) else {}
            shown = (esm_class[0], coding[0], registered[0], body[at:end], tlvs, ton[0])
            return ShortMessage(service_type, source, destination, *shown)
    service_type, at = cstring(body, 0)
    if at + 2 > len(body):
        raise PduError("ends before source_addr")
    source_ton = body[at]
    source, at = cstring(body, at + 2)
    destination, at = cstring(body, at + 2)
    if at + 3 > len(body):
        raise PduError("ends before schedule_delivery_time")
    esm_class = body[at]
    at += 3
    if body.startswith(b"\0\0", at):  # neither of the two times, as usual
        at += 2
    else:
        _, at = cstring(body, at)
        _, at = cstring(body, at)
    if at + 5 > len(body):
        raise PduError("ends before sm_length")
    registered, data_coding, length = body[at], body[at + 2], body[at + 4]
    at += 5
    if at + length > len(body):
        raise PduError(f"sm_length {length} overruns the body")
    tlvs = read_tlvs(body, at + length)
    message = body[at : at + length] or tlvs.get(TAG_MESSAGE_PAYLOAD, b"")
    return ShortMessage(
        service_type, source, destination, esm_class, data_coding, registered, message, tlvs, source_ton
    )


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all messages of one campaign on one link share; an address is (ton, npi, digits)."""

    source: tuple[int, int, bytes]
    destination_ton_npi: tuple[int, int] = (1, 1)
    service_type: bytes = b""
    validity: bytes = b""
    registered_delivery: int = 0


@dataclass(frozen=True, slots=True)
class Content:
    """The encoded text of one part."""

    message: bytes = b""
    data_coding: int = 0
    esm_class: int = 0
    tlvs: bytes = b""


def short_message_template(envelope: Envelope, content: Content) -> tuple[bytes, bytes]:
    """Return a submit_sm or deliver_sm body split around destination_addr, reusable for every phone."""
    if len(content.message) > 254:
        raise PduError(f"short_message of {len(content.message)} bytes; 254 fit, use message_payload")
    ton, npi, source = envelope.source
    head = envelope.service_type + b"\0" + bytes((ton, npi)) + source + b"\0"
    head += bytes(envelope.destination_ton_npi)
    tail = bytes((0, content.esm_class, 0, 0, 0)) + envelope.validity
    tail += bytes((0, envelope.registered_delivery, 0, content.data_coding, 0, len(content.message)))
    return head, tail + content.message + content.tlvs


def short_message_body(envelope: Envelope, destination: bytes, content: Content) -> bytes:
    head, tail = short_message_template(envelope, content)
    return head + destination + tail


# ---- A text from one sender as templates of submit_sm, so that only phone and sequence vary

# The bytes of one part before and after destination_addr.
Template = tuple[bytes, bytes]

UCS2_DATA_CODING = 8
_SENDER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,18}[\x21-\x7e])?")
_TOP_VALIDITY_S = 99 * 86_400 - 1


@dataclass(frozen=True, slots=True)
class EncodedText:
    """What all messages of one text and sender share; `contents` are the parts without part numbers."""

    envelope: Envelope
    data_coding: int
    contents: tuple[bytes, ...]
    tlvs: bytes = b""  # the link's own optional parameters, on every part

    def templates(self, long_text: str, reference: int) -> tuple[Template, ...]:
        """Return one template for each PDU; `reference` identifies the parts of a long text."""
        total = len(self.contents)
        if total == 1:
            return (self._template(self.contents[0]),)
        if long_text == "payload":
            payload = tlv(TAG_MESSAGE_PAYLOAD, b"".join(self.contents))
            return (self._template(b"", tlvs=payload),)
        return tuple(
            self._numbered(long_text, (reference, total, number), octets)
            for number, octets in enumerate(self.contents, start=1)
        )

    def _numbered(self, long_text: str, numbering: tuple[int, int, int], octets: bytes) -> Template:
        reference, total, number = numbering
        esm_class, tlvs = 0, b""
        if "sar" in long_text:
            tlvs = tlv(TAG_SAR_REF, struct.pack(">H", reference))
            tlvs += tlv(TAG_SAR_TOTAL, bytes((total,))) + tlv(TAG_SAR_SEQ, bytes((number,)))
        if "udh" in long_text:
            esm_class = ESM_UDHI
            octets = bytes((5, 0, 3, reference & 0xFF, total, number)) + octets
        return self._template(octets, esm_class, tlvs)

    def _template(self, octets: bytes, esm_class: int = 0, tlvs: bytes = b"") -> Template:
        content = Content(octets, self.data_coding, esm_class, tlvs + self.tlvs)
        return short_message_template(self.envelope, content)


def encode_text(settings: SmppSettings, sms: OutboundSms) -> EncodedText | Rejected:
    if not _SENDER.fullmatch(sms.sender):
        return Rejected("sender: 1 to 20 plain characters", Reason.WRONG_REQUEST)
    split_text = split(sms.text)
    if not sms.text:
        return Rejected("text: empty", Reason.WRONG_REQUEST)
    if len(split_text.parts) > settings.max_segments:
        return Rejected("text: too many parts", Reason.WRONG_REQUEST)
    if split_text.encoding is Encoding.UCS2 and not settings.ucs2:
        return Rejected("text: the link does not support UCS-2", Reason.WRONG_REQUEST)
    try:
        contents = _octets(settings, split_text)
    except ValueError:
        return Rejected("text: a character that the link lacks", Reason.WRONG_REQUEST)
    coding = UCS2_DATA_CODING if split_text.encoding is Encoding.UCS2 else settings.gsm_data_coding
    if TEMPLATE_CODE in settings.tlvs.values() and not sms.template_code:
        return Rejected("text: no registered template with a code", Reason.WRONG_REQUEST)
    own = b"".join(tlv(tag, tlv_value(said, sms.template_code)) for tag, said in settings.tlvs.items())
    return EncodedText(_envelope(settings, sms), coding, contents, own)


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
        encoded, single = self._encoded(sms.text, sms.sender, sms.validity_s, sms.template_code)
        if single is not None:
            return single
        if isinstance(encoded, Rejected):
            return encoded
        return self._templates(encoded, next(self._references) % self._reference_limit)

    def _encode(
        self, text: str, sender: str, validity_s: int | None, template_code: str
    ) -> tuple[EncodedText | Rejected, tuple[Template, ...] | None]:
        """Return the text, and its template where it has only one."""
        sms = OutboundSms("", text, sender, validity_s, template_code=template_code)
        encoded = encode_text(self._settings, sms)
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


def _envelope(settings: SmppSettings, sms: OutboundSms) -> Envelope:
    return Envelope(
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
