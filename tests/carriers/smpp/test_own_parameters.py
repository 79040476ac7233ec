"""Optional parameters that a carrier demands go with every part; its own in receipts are kept."""

from __future__ import annotations

from typing import Any

import pytest

from carriers.contract import LinkError, LinkOptions, OutboundSms, Rejected
from carriers.registry import content_options
from carriers.smpp import pdu
from carriers.smpp.pdu import TextEncoder
from carriers.smpp.receipt import read_receipt
from carriers.smpp.settings import SmppSettings, read_settings

REQUIRED = {"host": "127.0.0.1", "port": 2775, "system_id": "loa", "password": "x"}


def settings(**options: Any) -> SmppSettings:
    return read_settings(LinkOptions("vnpt-1", "vnpt", 100.0, {**REQUIRED, **options}))


def sent(own: SmppSettings, text: str, template_code: str = "") -> list[dict[int, bytes]]:
    """The optional parameters of each PDU of a message."""
    sms = OutboundSms("84912345678", text, "CONGAN", template_code=template_code)
    templates = TextEncoder(own).templates(sms)
    assert not isinstance(templates, Rejected), templates
    bodies = [head + b"84912345678" + tail for head, tail in templates]
    return [pdu.read_short_message(body).tlvs for body in bodies]


TLVS = {"0x1401": "text:PA05", "1402": "hex:00ff", "0x1403": "field:template_code"}


@pytest.mark.parametrize(("text", "parts"), [("Canh giac", 1), ("Canh giac lua dao. " * 20, 3)])
@pytest.mark.parametrize("long_text", ["udh", "sar", "udh+sar", "payload"])
def test_each_part_has_them_all(text: str, parts: int, long_text: str) -> None:
    found = sent(settings(tlvs=TLVS, long_text=long_text), text, "800123")
    assert len(found) == (1 if long_text == "payload" else parts)
    for each in found:
        assert (each[0x1401], each[0x1402], each[0x1403]) == (b"PA05", b"\x00\xff", b"800123")


def test_the_code_of_one_text_is_not_sent_with_another() -> None:
    own = settings(tlvs=TLVS)
    encoder = TextEncoder(own)
    for code in ("1", "2"):
        (template,) = encoder.templates(OutboundSms("", "Canh giac", "CONGAN", template_code=code))
        assert template[1].endswith(pdu.tlv(0x1403, code.encode()))


def test_without_a_code_nothing_is_sent_that_the_carrier_would_refuse() -> None:
    sms = OutboundSms("84912345678", "Canh giac", "CONGAN")
    assert isinstance(TextEncoder(settings(tlvs=TLVS)).templates(sms), Rejected)
    assert sent(settings(), "Canh giac") == [{}]


@pytest.mark.parametrize(
    "wrong",
    [
        "0x1401=PA05",
        {"0x1401": "PA05"},
        {"0x1401": "hex:0"},
        {"0x1401": "text:Công an"},
        {"0x1401": "text:"},
        {"0x1401": "field:name"},
        {"14": "text:x"},
        {"0x0424": "text:x"},  # message_payload
        {"0x1401": "text:" + "x" * 255},
    ],
)
def test_what_is_none_is_refused_by_the_settings(wrong: object) -> None:
    with pytest.raises(LinkError, match="tlvs"):
        settings(tlvs=wrong)


def test_an_approval_covers_them() -> None:
    assert content_options("smpp", {"tlvs": TLVS, "window": 5}) == {"tlvs": TLVS}


def test_a_receipt_keeps_the_carrier_s_own_and_reads_as_without_them() -> None:
    text = b"id:1 sub:001 dlvrd:001 submit date:2611020900 done date:2611020901 stat:DELIVRD err:000 text:x"
    body = pdu.short_message_body(
        pdu.Envelope((1, 1, b"84912345678")), b"CONGAN", pdu.Content(text, esm_class=4)
    )
    plain = read_receipt(pdu.read_short_message(body), settings())
    more = body + pdu.tlv(0x1403, b"VN01") + pdu.tlv(0x0427, b"\x02")
    found = read_receipt(pdu.read_short_message(more), settings())
    assert found.raw == f"{plain.raw} 1403=564e3031"
    assert (found.reference, found.status, found.code) == (plain.reference, plain.status, plain.code)
