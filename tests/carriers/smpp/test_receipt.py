"""Receipts in every dialect, and ids in every form, against tables and random input."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.contract import LinkOptions, Reason, Receipt, ReceiptLevel, ReceiptStatus
from carriers.smpp import pdu
from carriers.smpp.receipt import (
    STATES,
    PlainReceipts,
    absolute_time,
    canonical,
    is_receipt,
    moment,
    read_answer,
    read_fields,
    read_receipt,
    spellings,
)
from carriers.smpp.settings import read_settings

BASE = {"host": "smsc", "port": 2775, "system_id": "loa", "password": "x", "receipt_level": "handset"}
SETTINGS = read_settings(LinkOptions("vnpt-1", "vnpt", 10, BASE))
PHONE, BRAND = b"84912345601", b"CONGAN"
WHOLE = (
    "id:7f sub:001 dlvrd:001 submit date:2401291005 done date:2401291006 stat:DELIVRD err:000 text:Canh bao"
)
VIETNAM = timezone(timedelta(hours=7))
DONE = datetime(2024, 1, 29, 10, 6, tzinfo=VIETNAM)


def message(
    text: str | bytes = WHOLE, tlvs: dict[int, bytes] | None = None, **fields: object
) -> pdu.ShortMessage:
    octets = text if isinstance(text, bytes) else text.encode("latin-1")
    plain = pdu.ShortMessage(b"", PHONE, BRAND, pdu.ESM_RECEIPT, 0, 0, octets, tlvs or {})
    return plain._replace(**fields)


def read(text: str | bytes = WHOLE, tlvs: dict[int, bytes] | None = None, **fields: object) -> Receipt:
    return read_receipt(message(text, tlvs, **fields), SETTINGS)


# ---- text

DIALECTS = {
    "the specification's": WHOLE,
    "no blank in the dates' names": WHOLE.replace("submit date", "submitdate").replace(
        "done date", "donedate"
    ),
    "seconds in the dates": WHOLE.replace("2401291005", "240129100500").replace("2401291006", "240129100600"),
    "the century as well": WHOLE.replace("2401291006", "20240129100600"),
    "free text as err": WHOLE.replace("err:000", "err:0"),
    "state number as dlvrd": WHOLE.replace("dlvrd:001", "dlvrd:004"),
    "capitals": WHOLE.replace("id:", "ID:").replace("stat:", "Stat:").replace("text:", "Text:"),
    "lower case": WHOLE.replace("DELIVRD", "delivrd"),
    "blank after the colon": WHOLE.replace("id:", "id: ").replace("stat:", "stat: "),
    "no text": WHOLE.partition(" text:")[0],
    "text first": "text:Canh bao " + WHOLE.partition(" text:")[0],
    "line ends": WHOLE.replace(" sub:", "\r\nsub:").replace(" stat:", "\nstat:"),
    "accents": WHOLE + " C\xf4ng an",
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_says_the_same(text: str) -> None:
    receipt = read(text)
    assert receipt.reference == "7f"
    assert receipt.status is ReceiptStatus.DELIVERED
    assert (receipt.reason, receipt.code, receipt.done_at) == (Reason.NONE, "DELIVRD", DONE)


def test_fields_may_come_in_any_order() -> None:
    fields = ("id:7f", "submit date:2401291005", "done date:2401291006", "stat:DELIVRD", "err:000")
    for order in permutations(fields):
        receipt = read(" ".join(order))
        assert (receipt.reference, receipt.code, receipt.done_at) == ("7f", "DELIVRD", DONE)


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("id:7f ", {"reference": None}),
        ("stat:DELIVRD ", {"status": ReceiptStatus.UNKNOWN, "code": ""}),
        ("err:000 ", {"code": "DELIVRD"}),
        ("done date:2401291006 ", {"done_at": None}),
        ("sub:001 dlvrd:001 ", {"reference": "7f"}),
        (WHOLE, {"reference": None, "status": ReceiptStatus.UNKNOWN, "done_at": None}),
    ],
)
def test_any_field_may_be_missing(missing: str, expected: dict[str, object]) -> None:
    receipt = read(WHOLE.replace(missing, ""))
    assert {name: getattr(receipt, name) for name in expected} == expected


@given(
    st.from_regex(r"\A[0-9A-Fa-f-]{1,70}\Z"),
    st.sampled_from(["DELIVRD", "UNDELIV", "expired", "HELD"]),
    st.from_regex(r"\A[0-9A-Z]{0,4}\Z"),
    st.text(st.characters(max_codepoint=255), max_size=20),
)
def test_the_usual_order_is_read_like_any_other(reference: str, stat: str, err: str, quoted: str) -> None:
    usual = (
        f"id:{reference} sub:001 dlvrd:001 submit date:2401291005 done date:2401291006 stat:{stat} err:{err}"
    )
    other = f"stat:{stat} err:{err} done date:2401291006 submit date:2401291005 id:{reference}"
    assert read_fields(f"{usual} text:{quoted}") == read_fields(f"{other} text:{quoted}")


def test_an_empty_field_does_not_take_the_next_one() -> None:
    receipt = read("id:7f done date: stat:UNDELIV err: text:stat:DELIVRD id:99")
    assert (receipt.reference, receipt.code, receipt.done_at) == ("7f", "UNDELIV", None)


def test_the_message_itself_never_overrules_the_receipt() -> None:
    receipt = read("id:7f stat:UNDELIV err:001 text:id:99 stat:DELIVRD err:000")
    assert (receipt.reference, receipt.status) == ("7f", ReceiptStatus.UNDELIVERED)


def test_text_in_ucs2_is_read() -> None:
    assert read(WHOLE.encode("utf-16-be"), data_coding=8).reference == "7f"


def test_the_raw_text_is_kept_bounded_and_printable() -> None:
    receipt = read(WHOLE.encode() + b"\0\x1b" + b"x" * 5000)
    assert receipt.raw.startswith(WHOLE)
    assert len(receipt.raw) == 500
    assert receipt.raw.isprintable()


@pytest.mark.parametrize(
    ("stat", "err", "status", "reason", "code"),
    [
        ("ENROUTE", "000", ReceiptStatus.IN_TRANSIT, Reason.NONE, "ENROUTE"),
        ("ACCEPTD", "000", ReceiptStatus.IN_TRANSIT, Reason.NONE, "ACCEPTD"),
        ("EXPIRED", "000", ReceiptStatus.EXPIRED, Reason.EXPIRED, "EXPIRED"),
        ("EXPIRED", "027", ReceiptStatus.EXPIRED, Reason.EXPIRED, "EXPIRED/027"),
        ("UNDELIV", "001", ReceiptStatus.UNDELIVERED, Reason.NO_SUCH_NUMBER, "UNDELIV/001"),
        ("UNDELIV", "13", ReceiptStatus.UNDELIVERED, Reason.BARRED, "UNDELIV/13"),
        ("UNDELIV", "0E1", ReceiptStatus.UNDELIVERED, Reason.OTHER, "UNDELIV/0E1"),
        ("UNDELIV", "", ReceiptStatus.UNDELIVERED, Reason.OTHER, "UNDELIV"),
        ("DELETED", "0", ReceiptStatus.UNDELIVERED, Reason.OTHER, "DELETED"),
        ("REJECTD", "000", ReceiptStatus.UNDELIVERED, Reason.OTHER, "REJECTD"),
        ("UNKNOWN", "000", ReceiptStatus.UNKNOWN, Reason.NONE, "UNKNOWN"),
        ("HELD", "000", ReceiptStatus.UNKNOWN, Reason.NONE, "HELD"),
    ],
)
def test_state_and_error_become_our_words(
    stat: str, err: str, status: ReceiptStatus, reason: Reason, code: str
) -> None:
    receipt = read(f"id:7f stat:{stat} err:{err}")
    assert (receipt.status, receipt.reason, receipt.code) == (status, reason, code)


def test_a_link_may_name_the_reasons_of_its_own_codes() -> None:
    options = {**BASE, "reasons": {"0E1": "filtered", "001": "other_network"}, "receipt_level": "operator"}
    settings = read_settings(LinkOptions("vnpt-1", "vnpt", 10, options))
    first = read_receipt(message("id:7f stat:UNDELIV err:E1"), settings)
    second = read_receipt(message("id:7f stat:UNDELIV err:1"), settings)
    assert (first.reason, second.reason) == (Reason.FILTERED, Reason.OTHER_NETWORK)
    assert first.level is ReceiptLevel.OPERATOR


# ---- TLVs


def test_tlvs_come_first_and_the_text_second() -> None:
    tlvs = {0x001E: b"AB\0", 0x0427: b"\x05", 0x0423: b"\x03\x00\x06"}
    receipt = read("id:99 stat:DELIVRD err:000", tlvs)
    assert (receipt.reference, receipt.code) == ("ab", "UNDELIV/6")
    assert (receipt.status, receipt.reason) == (ReceiptStatus.UNDELIVERED, Reason.EXPIRED)


def test_a_network_error_of_another_network_type_is_kept_without_a_reason() -> None:
    receipt = read("id:7f stat:UNDELIV", {0x0423: b"\x01\x00\x06"})
    assert (receipt.code, receipt.reason) == ("UNDELIV/6", Reason.OTHER)


def test_both_octets_of_a_network_error_count() -> None:
    assert read("id:7f stat:UNDELIV", {0x0423: b"\x03\x01\x00"}).code == "UNDELIV/256"


def test_tlvs_alone_are_enough_and_are_kept_as_raw() -> None:
    receipt = read(b"", {0x001E: b"ab\0", 0x0427: b"\x02"})
    assert (receipt.reference, receipt.status) == ("ab", ReceiptStatus.DELIVERED)
    assert receipt.raw == "001e=616200 0427=02"


def test_an_absurd_id_is_cut_and_nobody_s() -> None:
    """Without any id the phone would count, and another program's receipt would be taken for ours."""
    assert read("id:" + "7" * 200).reference == "7" * 128
    assert read("id:7f", {0x001E: b"7" * 200}).reference == "7" * 128


# ---- addresses


@pytest.mark.parametrize(
    ("source", "destination", "phone"),
    [
        (PHONE, BRAND, "84912345601"),
        (BRAND, PHONE, "84912345601"),
        (b"+84912345601", b"", "84912345601"),
        (b"0912345601", BRAND, "84912345601"),
        (b"", b"0084912345601", "84912345601"),
        (BRAND, b"9012", None),
        (b"\xff", b"", None),
    ],
)
def test_the_phone_is_whichever_address_is_one(source: bytes, destination: bytes, phone: str | None) -> None:
    assert read(source=source, destination=destination).phone == phone


# ---- what is a receipt


@pytest.mark.parametrize(
    ("esm_class", "tlvs", "is_one"),
    [(0x04, {}, True), (0x44, {}, True), (0x20, {}, True), (0x00, {0x1E: b"7f"}, True), (0x00, {}, False),
     (0x00, {0x427: b"\2"}, False), (0x00, {0x1E: b"\0"}, False), (0x08, {}, False), (0x40, {}, False)],
)  # fmt: skip
def test_the_carrier_s_own_marks_make_a_receipt(esm_class: int, tlvs: dict[int, bytes], is_one: bool) -> None:
    assert is_receipt(message("Cam on", tlvs, esm_class=esm_class)) is is_one


WITHOUT_A_MARK = {
    WHOLE: True,
    "id:123 sub:001 dlvrd:001 submit date:2602090800 done date:2602090801 stat:DELIVRD err:000 text:x": True,
    "id:123 sub:001 dlvrd:000 submitdate:2602090800 donedate:2602090801 stat:UNDELIV err:0E1": True,
    "ID: 7F-a stat:expired err:027": True,
    "id:123 done date: stat:ENROUTE": True,
    "id:123 stat:DELIVRD": False,
    "id:123 err:000 stat:FINE": False,
    "id: sub:001 stat:DELIVRD err:000": False,
    "stat:DELIVRD err:000 done date:2602090801": False,
    "toi nhan tin id:123 sub:001 stat:DELIVRD err:000": False,
    "id:123 la gi? err:000 text:stat:DELIVRD": False,
    "id:123 sub:001 text:id:123 sub:001 stat:DELIVRD err:000": False,
    "": False,
}


@pytest.mark.parametrize(("text", "is_one"), WITHOUT_A_MARK.items(), ids=range(len(WITHOUT_A_MARK)))
def test_without_a_mark_the_whole_form_of_appendix_b_makes_a_receipt(text: str, is_one: bool) -> None:
    assert is_receipt(message(text, esm_class=0)) is is_one
    for other in (0x08, 0x10, 0x18, 0x40):  # what telephones send by themselves, and what has a header
        assert not is_receipt(message(text, esm_class=other))


# ---- ids

NUMBERS = [0x7F, 0xBEEF, 0x7FFFFFFF, 0x1234, 2**63 + 5, 2**80 + 1, int("9" * 64)]
BASES = {
    "same": ((lambda n: f"{n:x}"), (lambda n: f"{n:x}")),
    "hex_dec": ((lambda n: f"{n:x}"), str),
    "dec_hex": (str, (lambda n: f"{n:x}")),
}
SHAPES = {
    "as it is": str,
    "capitals": str.upper,
    "padded to 8": lambda text: text.zfill(8),
    "padded to 10": lambda text: text.upper().zfill(10),
    "padded to 65": lambda text: text.zfill(65),
}


@pytest.mark.parametrize("mode", BASES)
@pytest.mark.parametrize("answered", SHAPES)
@pytest.mark.parametrize("reported", SHAPES)
def test_every_form_of_an_id_matches_and_none_matches_another(
    mode: str, answered: str, reported: str
) -> None:
    response, receipt = BASES[mode]
    left = [canonical(SHAPES[answered](response(n)), mode, "response") for n in NUMBERS]
    right = [canonical(SHAPES[reported](receipt(n)), mode, "receipt") for n in NUMBERS]
    assert left == right
    assert len(set(left)) == len(NUMBERS)


@pytest.mark.parametrize("mode", BASES)
def test_ids_that_are_no_numbers_stay_text(mode: str) -> None:
    for side in ("response", "receipt"):
        assert canonical("00-Ab_z.9", mode, side) == "-ab_z.9"
        assert canonical("0000", mode, side) == "0"
        assert canonical("\xb2", mode, side) == "\xb2"
        assert canonical("", mode, side) == ""


def test_a_tlv_in_the_form_of_the_answer_is_recognised_by_the_text_beside_it() -> None:
    settings = replace(SETTINGS, id_mode="hex_dec")
    both = message("id:4660 stat:DELIVRD", {0x001E: b"1234\0"})
    assert read_receipt(both, settings).reference == "1234"
    decimal = message("id:4660 stat:DELIVRD", {0x001E: b"4660\0"})
    assert read_receipt(decimal, settings).reference == "1234"


@pytest.mark.parametrize("mode", BASES)
@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "padded to 65"])
def test_a_question_tries_the_spelling_that_the_carrier_gave(mode: str, shape: str) -> None:
    written = SHAPES[shape](BASES[mode][0](0xBEEF))
    assert written in spellings(canonical(written, mode, "response"), mode)


# ---- times


@pytest.mark.parametrize("digits", ["", "240129", "2413291005", "24012910\xb25", "ngay 29-01", "9" * 12])
def test_what_is_no_date_is_none(digits: str) -> None:
    assert moment(digits, VIETNAM) is None


def test_dates_are_in_the_zone_of_the_link() -> None:
    assert moment("2401291006", UTC) == datetime(2024, 1, 29, 10, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("240129100500028+", "2024-01-29T10:05:00+07:00"),
        ("240129100500004-", "2024-01-29T10:05:00-01:00"),
        ("000002000000000R", None),
        ("", None),
    ],
)
def test_absolute_times_carry_their_zone(text: str, iso: str | None) -> None:
    at = absolute_time(text)
    assert (at and at.isoformat()) == iso


@pytest.mark.parametrize(
    ("state", "error", "code", "reason"),
    [
        (2, 0, "DELIVRD", Reason.NONE),
        (5, 1, "UNDELIV/1", Reason.NO_SUCH_NUMBER),
        (99, 0, "state 99", Reason.NONE),
    ],
)
def test_the_answer_of_a_question_reads_as_a_receipt(
    state: int, error: int, code: str, reason: Reason
) -> None:
    receipt = read_answer(b"7f\0\0" + bytes((state, error)), "7f", SETTINGS)
    assert receipt is not None
    assert (receipt.code, receipt.reason, receipt.raw) == (code, reason, f"query_sm: {code}")
    assert receipt.level is ReceiptLevel.HANDSET


def test_the_answer_of_a_question_has_the_reasons_of_the_links_own_codes() -> None:
    own = replace(SETTINGS, reasons={"1": Reason.BARRED})
    assert read_receipt(message(WHOLE.replace("DELIVRD err:000", "UNDELIV err:001")), own).reason is (
        Reason.BARRED
    )
    asked = [read_answer(b"7f\0\0" + bytes((5, error)), "7f", own) for error in (1, 27)]
    assert [each and each.reason for each in asked] == [Reason.BARRED, Reason.EXPIRED]


# ---- anything


@given(
    st.binary(max_size=300),
    st.dictionaries(st.sampled_from([0x1E, 0x427, 0x423, 0x1401]), st.binary(max_size=80)),
)
def test_nothing_that_a_receipt_holds_raises_or_grows(octets: bytes, tlvs: dict[int, bytes]) -> None:
    for coding in (0, 8):
        receipt = read(octets, tlvs, data_coding=coding)
        assert len(receipt.raw) <= 500
        assert len(receipt.code) <= 80
        assert len(receipt.reference or "") <= 128
        assert f"{receipt.raw}{receipt.code}{receipt.reference or ''}".isprintable()


def test_an_id_given_again_abroad_names_another_phone() -> None:
    assert read(source=b"66812345678", destination=b"X").phone == "66812345678"
    assert read(source=b"+66812345678", destination=BRAND).phone == "66812345678"
    assert read(source=b"19001234567", destination=BRAND).phone is None, "a hotline is no phone"


def test_a_receipt_names_its_sender_and_says_whether_a_subscriber_may_have_written_it() -> None:
    ours = read(source=PHONE, destination=BRAND)
    assert (ours.sender, ours.by_id_only) == (BRAND.decode(), False)
    assert read(source=PHONE, destination=b"8088").sender == ""
    written = message("id:12345 stat:DELIVRD err:000", {}, esm_class=0)
    assert is_receipt(written)
    assert read_receipt(written, SETTINGS).by_id_only


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("stat:DELIVRD id:12 text:err:045 done date:2402051200", ("12", "DELIVRD", "", "")),
        ("id:12 text:stat:UNDELIV err:045", ("12", "UNDELIV", "045", "")),
        ("stat:DELIVRD text:id:12 stat:UNDELIV", ("12", "DELIVRD", "", "")),
        ("id:12 text:Nhan text: moi stat:UNDELIV err:045", ("12", "UNDELIV", "045", "")),
    ],
)
def test_the_quoted_message_is_asked_only_for_what_the_carrier_left_out(
    text: str, fields: tuple[str, str, str, str]
) -> None:
    assert tuple(read_fields(text)) == fields


def test_each_message_state_of_the_specification_has_the_word_of_its_appendix() -> None:
    words = ("ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
    assert dict(enumerate(words, 1)) == STATES


# ---- the form that nearly all have

PLAIN = PlainReceipts(SETTINGS)
STATED = st.sampled_from(["DELIVRD", "UNDELIV", "EXPIRED", "ACCEPTD", "delivrd", "UNKNOWN", "X", ""])
ENDS = st.sampled_from(["", " text:", " text:Canh bao", " text:id:8 stat:UNDELIV", "0", "\n", " C\xf4ng an"])
TIMES = st.sampled_from(["", "2401291006", "240129100605", "\xb2"])
IDS = st.text(st.sampled_from("0123456789abcXYZ-:. \t\x00\xa0\xb2"), max_size=140)


@given(
    IDS, st.sampled_from(["", "2401291006", "240129100605", "\xb2"]), STATED, st.from_regex(r"\w{0,3}"), ENDS
)
def test_a_receipt_in_the_plain_form_says_what_it_says_to_the_general_reader(
    number: str, done: str, stat: str, err: str, end: str
) -> None:
    head = f"id:{number} sub:001 dlvrd:001 submit date:2401291005 done date:{done} stat:{stat} err:{err}"
    given_to = message((head + end).encode("latin-1", "replace"))
    found = PLAIN.read(given_to)
    assert found is None or found == read_receipt(given_to, SETTINGS)


@pytest.mark.parametrize(
    "text", [WHOLE, WHOLE.replace("err:000", "err:6"), WHOLE.replace("DELIVRD", "UNDELIV")]
)
@pytest.mark.parametrize("mode", ["same", "hex_dec", "dec_hex"])
def test_the_plain_form_is_read_without_the_general_reader(text: str, mode: str) -> None:
    settings = read_settings(LinkOptions("vnpt-1", "vnpt", 10, BASE | {"id_mode": mode}))
    found = PlainReceipts(settings).read(message(text))
    assert found is not None
    assert found == read_receipt(message(text), settings)


@pytest.mark.parametrize(
    "changed",
    [
        {"esm_class": 0},
        {"data_coding": 8},
        {"tlvs": {pdu.TAG_RECEIPTED_MESSAGE_ID: b"7f\0"}},
        {"source": b"0912345601"},
        {"source": BRAND, "destination": PHONE},
    ],
)
def test_any_other_form_is_left_to_the_general_reader(changed: dict[str, object]) -> None:
    assert PLAIN.read(message(**changed)) is None
