"""The codec: whole PDUs off a stream in pieces, and bodies that are cut, odd or noise."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.smpp import pdu
from tests.carriers.smpp.peer import deliver_body

STREAM = b"".join(
    (
        pdu.frame(pdu.BIND_TRANSCEIVER | pdu.RESPONSE, 1, b"peer\0"),
        pdu.frame(pdu.ENQUIRE_LINK, 2),
        pdu.frame(pdu.DELIVER_SM, pdu.MAX_SEQUENCE, deliver_body()),
        pdu.frame(pdu.SUBMIT_SM_RESP, 3, status=0x450),
    )
)
WHOLE = list(pdu.frames(bytearray(STREAM)))


def test_a_stream_cut_at_every_byte_gives_the_same_pdus() -> None:
    assert [one[:3] for one in WHOLE] == [
        (0x80000009, 0, 1), (0x15, 0, 2), (5, 0, 0x7FFFFFFF), (0x80000004, 0x450, 3)
    ]  # fmt: skip
    for cut in range(len(STREAM) + 1):
        buffer = bytearray(STREAM[:cut])
        first = list(pdu.frames(buffer))
        buffer += STREAM[cut:]
        assert first + list(pdu.frames(buffer)) == WHOLE
        assert not buffer


@pytest.mark.longer
@given(st.lists(st.integers(1, 40), min_size=1))
def test_a_stream_in_any_pieces_gives_the_same_pdus(sizes: list[int]) -> None:
    buffer, found, at, turn = bytearray(), [], 0, 0
    while at < len(STREAM):
        step = sizes[turn % len(sizes)]
        buffer += STREAM[at : at + step]
        found += pdu.frames(buffer)
        at, turn = at + step, turn + 1
    assert found == WHOLE


@pytest.mark.parametrize("length", [0, 15, pdu.MAX_LENGTH + 1, 0xFFFFFFFF])
def test_an_impossible_length_is_known_from_its_four_bytes(length: int) -> None:
    with pytest.raises(pdu.FrameError, match=f"command_length {length} is outside 16 to 131072"):
        list(pdu.frames(bytearray(length.to_bytes(4, "big"))))


def test_a_buffer_never_holds_more_than_one_whole_pdu_and_what_came_last() -> None:
    buffer = bytearray(pdu.MAX_LENGTH.to_bytes(4, "big") + b"\0" * (pdu.MAX_LENGTH - 5))
    assert list(pdu.frames(buffer)) == []
    buffer += b"\0"
    assert len(list(pdu.frames(buffer))) == 1
    assert not buffer


@pytest.mark.longer
def test_every_cut_of_a_body_is_refused_or_read_and_never_raises_anything_else() -> None:
    body = deliver_body(tlvs=pdu.tlv(0x1E, b"7f\0"))
    mandatory = len(deliver_body())
    for cut in range(len(body)):
        if cut < mandatory:
            with pytest.raises(pdu.PduError):
                pdu.read_short_message(body[:cut])
        else:
            assert pdu.read_short_message(body[:cut]).tlvs == {}
    assert pdu.read_short_message(body).tlvs == {0x1E: b"7f\0"}


@given(st.binary(max_size=400))
def test_noise_is_refused_or_read_and_never_raises_anything_else(noise: bytes) -> None:
    for read in (pdu.read_short_message, pdu.read_bind, pdu.read_query_resp):
        with suppress(pdu.PduError):
            read(noise)  # type: ignore[operator]
    assert len(pdu.message_id(noise)) <= pdu.MESSAGE_ID_LIMIT


addresses = st.binary(max_size=21).map(lambda octets: octets.replace(b"\0", b"1"))


@pytest.mark.longer
@given(addresses, addresses, st.binary(max_size=254), st.binary(min_size=1, max_size=600))
def test_what_is_written_is_read_again(source: bytes, to: bytes, message: bytes, payload: bytes) -> None:
    envelope = pdu.Envelope((5, 0, source), (1, 1), b"QC", b"000002000000000R", 1)
    content = pdu.Content(message, 8, pdu.ESM_UDHI, pdu.tlv(pdu.TAG_MESSAGE_PAYLOAD, payload))
    read = pdu.read_short_message(pdu.short_message_body(envelope, to, content))
    assert (read.source, read.destination, read.source_ton) == (source, to, 5)
    assert (read.service_type, read.data_coding, read.registered_delivery) == (b"QC", 8, 1)
    assert read.message == (message or payload)
    assert read.tlvs == {pdu.TAG_MESSAGE_PAYLOAD: payload}


def test_a_short_message_that_is_too_long_is_refused() -> None:
    with pytest.raises(pdu.PduError, match="254 fit, use message_payload"):
        pdu.short_message_template(pdu.Envelope((5, 0, b"X")), pdu.Content(b"x" * 255))


def test_a_bind_is_read_as_it_was_written() -> None:
    bind = pdu.Bind("loa", "s3cr3t", "SMPP", 1, 1, "vnpt")
    assert pdu.read_bind(bind.body()) == ("loa", "s3cr3t", "SMPP")
    assert bind.body().endswith(b"\x34\x01\x01vnpt\0")


def test_a_question_and_its_answer_are_read_as_they_were_written() -> None:
    assert pdu.query_body(b"7f", (5, 0, b"CONGAN")) == b"7f\0\x05\0CONGAN\0"
    assert pdu.read_query_resp(b"7f\x00240129100500028+\0\x02\0") == (b"7f", b"240129100500028+", 2, 0)


def test_the_id_of_an_answer_ends_with_its_nul_or_with_the_body_and_has_a_length() -> None:
    assert pdu.message_id(b"m17\0") == pdu.message_id(b"m17") == pdu.message_id(b"m17\0more\0") == b"m17"
    assert pdu.message_id(b"") == pdu.message_id(b"\0m17") == b""
    longest = b"7" * pdu.MESSAGE_ID_LIMIT
    assert pdu.message_id(longest + b"\0") == longest
    assert pdu.message_id(longest + b"7\0") == b""


def test_a_string_ends_within_256_octets_with_its_nul() -> None:
    assert pdu.cstring(b"x" + b"a" * 255 + b"\0", 1) == (b"a" * 255, 257)
    with pytest.raises(pdu.PduError, match="no end of the string at byte 1"):
        pdu.cstring(b"x" + b"a" * 256 + b"\0", 1)


def test_the_numbers_on_the_wire_are_those_of_the_specification() -> None:
    """SMPP v3.4 issue 1.2, tables 5-1, 5-2 and 5-7, and section 5.2.12."""
    assert (pdu.BIND_RECEIVER, pdu.BIND_TRANSMITTER, pdu.BIND_TRANSCEIVER) == (0x01, 0x02, 0x09)
    assert (pdu.QUERY_SM, pdu.SUBMIT_SM, pdu.DELIVER_SM, pdu.UNBIND, pdu.ENQUIRE_LINK) == (3, 4, 5, 6, 0x15)
    assert (pdu.RESPONSE, pdu.GENERIC_NACK, pdu.MAX_SEQUENCE) == (0x80000000, 0x80000000, 0x7FFFFFFF)
    answers = (pdu.SUBMIT_SM_RESP, pdu.DELIVER_SM_RESP, pdu.QUERY_SM_RESP)
    assert answers == (0x80000004, 0x80000005, 0x80000003)
    assert (pdu.TAG_RECEIPTED_MESSAGE_ID, pdu.TAG_MESSAGE_STATE) == (0x001E, 0x0427)
    assert (pdu.TAG_MESSAGE_PAYLOAD, pdu.TAG_NETWORK_ERROR_CODE) == (0x0424, 0x0423)
    assert (pdu.TAG_SAR_REF, pdu.TAG_SAR_TOTAL, pdu.TAG_SAR_SEQ) == (0x020C, 0x020E, 0x020F)
    assert (pdu.ESM_UDHI, pdu.ESM_RECEIPT_MASK, pdu.ESM_RECEIPT, pdu.ESM_NOTIFICATION) == (
        0x40,
        0x3C,
        4,
        0x20,
    )
    assert (pdu.ESME_ROK, pdu.ESME_RINVMSGLEN, pdu.ESME_RINVCMDLEN, pdu.ESME_RINVCMDID) == (0, 1, 2, 3)
    assert (pdu.ESME_RINVBNDSTS, pdu.ESME_RSYSERR, pdu.ESME_RINVSRCADR, pdu.ESME_RINVDSTADR) == (
        4,
        8,
        0x0A,
        0x0B,
    )
    assert (pdu.ESME_RBINDFAIL, pdu.ESME_RINVPASWD, pdu.ESME_RINVSYSID) == (0x0D, 0x0E, 0x0F)
    assert (pdu.ESME_RMSGQFUL, pdu.ESME_RTHROTTLED, pdu.ESME_RX_T_APPN) == (0x14, 0x58, 0x64)
