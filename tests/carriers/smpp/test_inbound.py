"""Messages to us: text by its data coding, parts by header or SAR, and none acknowledged without a taker."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import LinkOptions
from carriers.inbound import InboundMessage, InboundMessages, MessagePart
from carriers.smpp import pdu
from carriers.smpp.inbound import read_inbound
from carriers.smpp.settings import read_settings
from tests.carriers.smpp.peer import Link, Peer, deliver_body, until

TEXT = "Tôi muốn từ chối"
SAR = (
    pdu.tlv(pdu.TAG_SAR_REF, struct.pack(">H", 40_000))
    + pdu.tlv(pdu.TAG_SAR_TOTAL, b"\3")
    + pdu.tlv(pdu.TAG_SAR_SEQ, b"\2")
)


def read(octets: bytes, coding: int = 0, esm_class: int = 0, tlvs: bytes = b"", **own: str) -> InboundMessage:
    envelope = pdu.Envelope((1, 1, b"84912345601"))
    body = pdu.short_message_body(envelope, b"8088", pdu.Content(octets, coding, esm_class, tlvs))
    options = {"host": "127.0.0.1", "port": 1, "system_id": "loa", "password": "x", **own}
    settings = read_settings(LinkOptions("viettel-1", "viettel", 1.0, options))
    return read_inbound(pdu.read_short_message(body), settings)


CODINGS = [
    ("gsm7", b"STOP \x00 \x1b\x65", 0, "STOP @ €", True),
    ("ascii", b"TU CHOI $", 1, "TU CHOI $", True),
    ("latin-1", "à é".encode("latin-1"), 3, "à é", True),
    ("iso8859-5", "Да".encode("iso8859-5"), 6, "Да", True),
    ("iso8859-8", "שלום".encode("iso8859-8"), 7, "שלום", True),
    ("ucs-2", TEXT.encode("utf-16-be"), 8, TEXT, True),
    ("beyond the BMP", "Xin chào 😀".encode("utf-16-be"), 8, "Xin chào 😀", True),
    ("half a unit", TEXT.encode("utf-16-be")[:-1], 8, TEXT[:-1] + "\ufffd", False),
    ("half a surrogate pair", "😀".encode("utf-16-be")[:2], 8, "\ufffd", False),
    ("message class, gsm7", b"OK", 0xF0, "OK", True),
    ("message waiting, discarded, gsm7", b"\x00K", 0xC0, "@K", True),
    ("message waiting, stored, gsm7", b"\x00K", 0xDF, "@K", True),
    ("message waiting, ucs-2", TEXT.encode("utf-16-be"), 0xE0, TEXT, True),
    ("binary that is words", b"DUNG GUI", 4, "DUNG GUI", False),
    ("binary", b"\x01\x02\xff\x00", 4, "", False),
    ("reserved", b"\x01\x9f", 0x22, "", False),
    ("UTF-8 in the default alphabet", TEXT.encode(), 0, TEXT, False),
    ("Latin-1 in the default alphabet", b"\xe0 b", 0, "à b", False),
    ("a NUL", b"A\0B", 1, "A B", False),
    ("two lines", b"A\nB", 0, "A\nB", True),
    ("nothing", b"", 0, "", True),
]


@pytest.mark.parametrize(
    ("octets", "coding", "text", "exact"), [row[1:] for row in CODINGS], ids=[row[0] for row in CODINGS]
)
def test_every_data_coding_is_read_as_what_it_is(octets: bytes, coding: int, text: str, exact: bool) -> None:
    found = read(octets, coding)
    assert (found.text, found.is_exact, found.octets) == (text, exact, octets)
    assert (found.source, found.destination, found.data_coding) == ("84912345601", "8088", coding)


def test_data_coding_0_is_the_default_alphabet_beside_another_number_that_the_link_has_for_it() -> None:
    assert [read(b"STOP \x00", coding, gsm_data_coding="1").text for coding in (0, 1)] == ["STOP @"] * 2


def test_a_link_whose_default_alphabet_is_latin_1_says_so() -> None:
    assert read(b"$ _ @", 0).text == "¤ § ¡"
    assert read(b"$ _ @", 0, gsm_alphabet="latin1").text == "$ _ @"


PARTS = [
    ("8 bits", bytes((5, 0, 3, 200, 3, 2)) + b"abc", pdu.ESM_UDHI, b"", MessagePart(200, 2, 3), b"abc"),
    ("16 bits", bytes((6, 8, 4, 1, 44, 3, 2)) + b"abc", pdu.ESM_UDHI, b"", MessagePart(300, 2, 3), b"abc"),
    (
        "behind another element",
        bytes((11, 5, 4, 1, 2, 3, 4, 0, 3, 9, 2, 1)) + b"abc",
        pdu.ESM_UDHI,
        b"",
        MessagePart(9, 1, 2),
        b"abc",
    ),
    (
        "16 bits behind another element",
        bytes((10, 5, 2, 1, 2, 8, 4, 1, 44, 2, 1)) + b"abc",
        pdu.ESM_UDHI,
        b"",
        MessagePart(300, 1, 2),
        b"abc",
    ),
    ("SAR", b"abc", 0, SAR, MessagePart(40_000, 2, 3), b"abc"),
    ("part 4 of 3", bytes((5, 0, 3, 200, 3, 4)) + b"abc", pdu.ESM_UDHI, b"", None, b"abc"),
    ("part 0", bytes((5, 0, 3, 200, 3, 0)) + b"abc", pdu.ESM_UDHI, b"", None, b"abc"),
    ("a header longer than all", b"\x80abc", pdu.ESM_UDHI, b"", None, b"\x80abc"),
    ("an element that has no length", b"\1\0abc", pdu.ESM_UDHI, b"", None, b"abc"),
    ("nothing but the flag", b"", pdu.ESM_UDHI, b"", None, b""),
    ("SAR without its total", b"abc", 0, pdu.tlv(pdu.TAG_SAR_REF, b"\0\1"), None, b"abc"),
]


@pytest.mark.parametrize(
    ("octets", "esm_class", "tlvs", "part", "rest"), [row[1:] for row in PARTS], ids=[row[0] for row in PARTS]
)
def test_a_part_knows_its_place_and_loses_nothing(
    octets: bytes, esm_class: int, tlvs: bytes, part: MessagePart | None, rest: bytes
) -> None:
    found = read(octets, 1, esm_class, tlvs)
    assert (found.part, found.octets) == (part, rest)


@pytest.mark.longer
@given(
    octets=st.binary(max_size=140),
    coding=st.integers(0, 255),
    esm_class=st.sampled_from([0, pdu.ESM_UDHI, 0x08, 0x10, 0x18]),
)
def test_whatever_is_sent_is_a_message_that_a_database_can_keep(
    octets: bytes, coding: int, esm_class: int
) -> None:
    found = read(octets, coding, esm_class)
    assert "\0" not in found.text
    found.text.encode()  # no half of a surrogate pair
    assert octets.endswith(found.octets)
    assert found.part is None or 1 <= found.part.number <= found.part.total <= 255


async def test_without_anybody_to_keep_it_a_message_is_not_taken() -> None:
    async with Peer() as peer, Link(peer.port) as carrier:
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 1, deliver_body(b"TU CHOI", 0))
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
        assert [status for _, status, _, _ in peer.of(pdu.DELIVER_SM_RESP)] == [pdu.ESME_RMSGQFUL]


async def test_a_message_is_answered_when_its_taker_says_so_and_counted() -> None:
    taken: list[InboundMessage] = []
    async with Peer() as peer, Link(peer.port) as carrier:
        assert isinstance(carrier, InboundMessages)
        carrier.messages_to(lambda message, acknowledge: (taken.append(message), acknowledge(True)))  # type: ignore[func-returns-value]
        await carrier.ready()
        peer.wires[0].send(pdu.DELIVER_SM, 7, deliver_body(b"TU CHOI", 0))
        await until(lambda: peer.of(pdu.DELIVER_SM_RESP))
        assert [(status, at) for _, status, at, _ in peer.of(pdu.DELIVER_SM_RESP)] == [(0, 7)]
        assert carrier.stats()["messages"] == 1
    assert [message.text for message in taken] == ["TU CHOI"]
