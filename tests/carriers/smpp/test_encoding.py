"""A text as submit_sm bytes: one template a part, in each way that a long text can travel."""

from __future__ import annotations

import itertools
import struct

import pytest

from carriers.contract import LinkOptions, OutboundSms, Reason, Rejected
from carriers.smpp import pdu
from carriers.smpp.pdu import EncodedText, TextEncoder, encode_text, validity
from carriers.smpp.settings import SmppSettings, read_settings
from carriers.text import ucs2, ungsm7

LONG = "Canh bao lua dao [OTP]. " * 15
ACCENTED = "Công an tỉnh cảnh báo: không cung cấp mã OTP cho bất kỳ ai, kể cả người tự xưng là công an. " * 2


def settings(**options: object) -> SmppSettings:
    base = {"host": "smsc", "port": 1, "system_id": "loa", "password": ""}
    return read_settings(LinkOptions("l", "vnpt", 10, {**base, **options}))


def sent(own: SmppSettings, text: str, validity_s: int | None = None) -> list[pdu.ShortMessage]:
    """The parts as the carrier reads them."""
    wording = encode_text(own, OutboundSms("", text, "CONGAN", validity_s))
    assert isinstance(wording, EncodedText)
    templates = wording.templates(own.long_text, 0x1234)
    return [pdu.read_short_message(head + b"84912345601" + tail) for head, tail in templates]


def test_a_short_text_is_one_pdu_with_the_links_own_fields() -> None:
    own = settings(service_type="SMPP", source_ton=1, receipt_level="handset", gsm_data_coding=1)
    (part,) = sent(own, "Canh giac @ $")
    assert (part.service_type, part.source, part.source_ton) == (b"SMPP", b"CONGAN", 1)
    assert (part.destination, part.esm_class, part.data_coding) == (b"84912345601", 0, 1)
    assert (part.registered_delivery, part.message) == (1, b"Canh giac \x00 \x02")


def test_no_receipt_is_asked_for_on_a_link_that_brings_none() -> None:
    assert sent(settings(receipt_level="none"), "x")[0].registered_delivery == 0


@pytest.mark.parametrize("text", [LONG, ACCENTED])
@pytest.mark.parametrize("long_text", ["udh", "sar", "udh+sar"])
def test_the_parts_of_a_long_text_are_numbered_and_join_to_the_text(text: str, long_text: str) -> None:
    parts = sent(settings(long_text=long_text), text)
    total, joined = len(parts), b""
    assert total > 1
    for number, part in enumerate(parts, start=1):
        octets = part.message
        if "udh" in long_text:
            assert part.esm_class == pdu.ESM_UDHI
            assert octets[:6] == bytes((5, 0, 3, 0x34, total, number))
            octets = octets[6:]
        else:
            assert part.esm_class == 0
        if "sar" in long_text:
            assert part.tlvs[pdu.TAG_SAR_REF] == struct.pack(">H", 0x1234)
            assert (part.tlvs[pdu.TAG_SAR_TOTAL], part.tlvs[pdu.TAG_SAR_SEQ]) == (
                bytes((total,)),
                bytes((number,)),
            )
        else:
            assert not part.tlvs
        assert len(octets) <= (134 if part.data_coding == 8 else 153)
        joined += octets
    assert (joined.decode("utf-16-be") if text is ACCENTED else ungsm7(joined)) == text


def test_a_payload_carries_the_whole_text_in_one_pdu() -> None:
    (part,) = sent(settings(long_text="payload"), ACCENTED)
    assert part.message == ucs2(ACCENTED)
    assert pdu.TAG_MESSAGE_PAYLOAD in part.tlvs


def numbers(own: SmppSettings, count: int) -> list[tuple[int, int | None]]:
    """The reference of each of so many long messages, by its SAR parameter and by its header."""
    encoder, found = TextEncoder(own), []
    for _ in range(count):
        templates = encoder.templates(OutboundSms("", LONG, "CONGAN"))
        assert not isinstance(templates, Rejected)
        parts = [pdu.read_short_message(head + b"84912345601" + tail) for head, tail in templates]
        said = {
            (part.tlvs[pdu.TAG_SAR_REF], part.message[3] if part.esm_class == pdu.ESM_UDHI else None)
            for part in parts
        }
        ((reference, header),) = said
        found.append((int.from_bytes(reference, "big"), header))
    return found


def test_the_parts_of_a_message_bear_one_number_and_those_of_the_next_another() -> None:
    both = numbers(settings(long_text="udh+sar"), 300)
    assert all(reference == header for reference, header in both)
    assert len(set(both)) == len(set(both[:256])) == 256
    assert len(set(numbers(settings(long_text="sar"), 300))) == 300


def test_the_numbers_of_16_bits_begin_again_at_0() -> None:
    encoder = TextEncoder(settings(long_text="sar"))
    encoder._references = itertools.count(0xFFFF)
    found = []
    for _ in range(2):
        ((_, first), *_) = encoder.templates(OutboundSms("", LONG, "CONGAN"))
        found.append(first)
    assert [
        pdu.tlv(pdu.TAG_SAR_REF, number) in tail
        for number, tail in zip((b"\xff\xff", b"\0\0"), found, strict=True)
    ] == [True, True]


def test_a_link_may_read_octets_as_latin_1() -> None:
    own = settings(gsm_alphabet="latin1")
    assert sent(own, "@_$ [OTP]")[0].message == b"@_$ [OTP]"
    refused = encode_text(own, OutboundSms("", "\u0394", "CONGAN"))
    assert refused == Rejected("text: a character that the link lacks", Reason.WRONG_REQUEST)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, b""),
        (0, b"000000000000000R"),
        (48 * 3600, b"000002000000000R"),
        (3661, b"000000010101000R"),
        (10**9, b"000098235959000R"),
    ],
)
def test_validity_is_written_as_relative_time(seconds: int | None, written: bytes) -> None:
    assert validity(seconds) == written


@pytest.mark.parametrize("mode", ["none", "relative"])
def test_validity_is_sent_only_where_the_link_has_it(mode: str) -> None:
    wording = encode_text(settings(validity=mode), OutboundSms("", "x", "CONGAN", 3600))
    assert isinstance(wording, EncodedText)
    assert (b"R\0" in wording.templates("udh", 1)[0][1]) is (mode == "relative")
