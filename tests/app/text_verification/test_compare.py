"""Any copy of a text is recognised, and nothing that was put into it is ever called genuine."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest

from app.text_verification.compare import Known, Texts, TextUse, TextVerdict, WordChange
from app.text_verification.tokens import words
from carriers.text import unaccent

USE = TextUse(date(2024, 1, 29), "CA SONLA", date(2024, 2, 9))
ACCENTED = (
    "Công an tỉnh cảnh báo: kẻ gian gọi điện xưng công an, viện kiểm sát, dọa bắt để ép chuyển tiền. Công an "
    "KHÔNG làm vậy. Hãy tắt máy, báo công an gần nhất."
)
BARE = unaccent(ACCENTED)


def known(*all_texts: str) -> Texts:
    return Texts([Known(tuple(words(text)), (USE,)) for text in all_texts])


def verdict(pasted: str, *of: str) -> TextVerdict:
    return known(*(of or (ACCENTED,))).look(pasted).verdict


COPIES = {
    "as it was": lambda t: t,
    "without marks": unaccent,
    "decomposed": lambda t: unicodedata.normalize("NFD", t),
    "in capitals": str.upper,
    "in small letters": str.lower,
    "in quotes": lambda t: f"“{t}”",
    "in other quotes": lambda t: f"'{t}'\n",
    "with a carrier's word before it": lambda t: f"(TB) {t}",
    "with another": lambda t: f"[TB]{t}",
    "with the sender before it": lambda t: f"CA SONLA: {t}",
    "with both": lambda t: f"(TB) CA SONLA: {t}",
    "with wide spaces": lambda t: t.replace(" ", "\u00a0 \t"),
    "on many lines": lambda t: t.replace(" ", "\n"),
    "quoted by a mail": lambda t: "> " + t.replace(", ", ",\n> "),
    "with invisible characters": lambda t: t.replace("o", "o\u200b").replace(" ", " \ufeff"),
    "with its last full stop lost": lambda t: t.rstrip("."),
    "with the tone on the other vowel": lambda t: t.replace("dọa", "doạ"),
    "with some marks lost, as GSM 03.38 has them": lambda t: t.replace("ỉ", "i").replace("ế", "e"),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("text", [ACCENTED, BARE])
def test_a_copy_is_recognised(how: str, text: str) -> None:
    found = known(text).look(COPIES[how](text))
    assert found.verdict is TextVerdict.GENUINE
    assert found.uses == (USE,)
    assert found.parts == ()


def test_a_text_that_was_sent_without_marks_is_recognised_with_them() -> None:
    assert verdict(ACCENTED, BARE) is TextVerdict.GENUINE


@pytest.mark.parametrize(
    "altered",
    [
        ACCENTED.replace("gần nhất.", "gần nhất. Xem https://congan-sonla.vn/bao"),
        ACCENTED.replace("gần nhất.", "gần nhất 0912345678."),
        ACCENTED.replace("KHÔNG làm vậy", "làm vậy"),
        ACCENTED.replace("KHÔNG", "luôn"),
        ACCENTED.replace("kẻ gian", "kẻ.gian"),  # a full stop between letters makes a link of them
        ACCENTED.replace("tắt máy, báo", "tắt/báo"),
        ACCENTED.replace("bắt", "bát"),
        ACCENTED.replace("Công an tỉnh", "С\u00f4ng an tỉnh"),  # a letter of another alphabet
        f"{ACCENTED} 113",
        f"{ACCENTED} 113 {ACCENTED}",
        f"{ACCENTED} {ACCENTED.replace('KHÔNG', 'luôn')}",
        f"13:11 {ACCENTED.replace('KHÔNG', 'luôn')}",
        f"113/114/115 {ACCENTED}",
        f"3/2 {ACCENTED}",
        *(f"{when} {ACCENTED}" for when in ("24/7/365", "19.00.1234", "1.9.1234", "09/12/3456 07:08")),
        *(f"{when} {ACCENTED}" for when in ("09:12 03:45 06:07", "09/12/34 09/10/11", "07:08 0912345678")),
        f"{ACCENTED}\n24/7/365\n{ACCENTED}",
        *(f"{number} {ACCENTED}" for number in ("1.900.9999", "18.00.9090", "1-800-1234", "12.34.5678")),
        *(f"{number} {ACCENTED}" for number in ("12/11-26", "24:00", "19:60", "9.12.345", "29/13/2026")),
        f"29/11/2026 gọi 113 {ACCENTED}",
        ACCENTED.replace("dọa", "dòa"),
        f"1900 {ACCENTED}",
        f"bit.ly/x {ACCENTED}",
        ACCENTED.replace(" tiền", " tiền ①②③"),
        ACCENTED.replace("Hãy", "☎ Hãy"),
        f"\u202e{ACCENTED}",  # shown from right to left
        ACCENTED.replace("gần nhất", "\u2067gần nhất\u2069"),
        ACCENTED.replace(" tiền", " \u202b tiền"),
    ],
)
def test_a_near_copy_is_probably_forged_and_shows_what_differs(altered: str) -> None:
    found = known(ACCENTED).look(altered)
    assert found.verdict is TextVerdict.ALTERED
    assert found.uses == (USE,)
    assert {part.change for part in found.parts} & {WordChange.ADDED, WordChange.MISSING}


def test_what_differs_is_shown_in_its_place() -> None:
    found = known(ACCENTED).look(ACCENTED.replace("KHÔNG làm vậy", "mời vào a.vn"))
    assert [(part.change.value, part.text) for part in found.parts[1:3]] == [
        ("missing", "…"),
        ("added", "mời vào a.vn"),
    ]


@pytest.mark.parametrize("part", [ACCENTED[:100].rsplit(" ", 1)[0], ACCENTED[60:].split(" ", 1)[1]])
def test_a_part_of_a_text_is_not_called_genuine_nor_forged(part: str) -> None:
    assert verdict(part) is TextVerdict.INCOMPLETE


@pytest.mark.longer
@pytest.mark.parametrize("sent", [ACCENTED, BARE])
@pytest.mark.parametrize("before", ["", "(TB) ", "CA SONLA: "])
def test_a_text_that_is_cut_off_anywhere_is_incomplete(sent: str, before: str) -> None:
    """As a phone does with one of 160 letters behind `KT `."""
    texts = known(sent)
    for length in range(len("Công an tỉnh cảnh báo: k"), len(sent.rstrip("."))):
        found = texts.look(before + sent[:length])
        assert found.verdict is TextVerdict.INCOMPLETE, sent[:length]
        assert (found.uses, [part.change.value for part in found.parts]) == ((USE,), ["same", "missing"])
        assert texts.look(unaccent(before + sent[:length])).verdict is TextVerdict.INCOMPLETE


def test_a_cut_text_that_was_sent_without_marks_may_have_them() -> None:
    assert verdict(ACCENTED[:100], BARE) is TextVerdict.INCOMPLETE


ENDING = "Công an tỉnh cảnh báo kẻ gian, xem congan.sonla.gov.vn/bao hoặc gọi 0692680188"


@pytest.mark.parametrize(
    ("pasted", "sent"),
    [
        (ACCENTED[:99] + "o", ACCENTED),  # one letter of the half word is another
        (ACCENTED[:99] + "q", ACCENTED),
        (ACCENTED[:99].replace("cảnh", "cành"), ACCENTED),
        ("Công an tỉnh cảnh báo: kẻ gián", ACCENTED),  # all letters of the word, other marks
        ("Công an tỉnh cảnh báo: kẻ giàn", ACCENTED),
        ("Công an tỉnh cảnh báo: kẻ già", ACCENTED),
        ("Công an tỉnh cảnh báo: kẻ giang", ACCENTED),  # longer than the word
        ("Công an tỉnh cảnh báo kẻ gian, xem congan.sonla", ENDING),  # may be an address of its own
        ("Công an tỉnh cảnh báo kẻ gian, xem congan.sonla.gov.vn", ENDING),
        (ENDING[:-3] + "9", ENDING),
        (ENDING + "1", ENDING),
        ("Công an tỉnh cảnh bá", ENDING[:28]),  # too few words before it
    ],
)
def test_a_last_word_that_is_no_beginning_of_the_true_one_is_another(pasted: str, sent: str) -> None:
    assert verdict(pasted, sent) in (TextVerdict.ALTERED, TextVerdict.UNKNOWN)
    if len(pasted.split()) > 5:
        assert verdict(pasted, sent) is TextVerdict.ALTERED


@pytest.mark.parametrize("pasted", ["101#", "*101", "**101#", "*101*2#", "#101#", "*101##", "*#101#"])
def test_a_dialled_code_is_another_one_without_its_signs(pasted: str) -> None:
    sent = "Kiểm tra thuê bao chính chủ: bấm *101# rồi gọi, miễn phí, theo hướng dẫn của nhà mạng"
    assert verdict(sent, sent) is TextVerdict.GENUINE
    assert verdict(sent.replace("*101#", "*101#,"), sent) is TextVerdict.GENUINE
    assert verdict(sent.replace("*101#", pasted), sent) is TextVerdict.ALTERED


def test_a_time_before_a_text_that_begins_with_one_is_another_time() -> None:
    sent = "19:00 ngày 12/02 mời bà con họp tại nhà văn hóa bản"
    assert verdict(f"20:00 {sent}", sent) is TextVerdict.ALTERED
    dated = "Ngày 12/02 cấm đường qua cầu Bản Lầm, bà con đi lối khác"
    assert verdict(f"13/02/2026 {dated}", dated) is TextVerdict.ALTERED
    assert verdict(f"CA SONLA 07:05: {sent}", sent) is not TextVerdict.GENUINE


@pytest.mark.parametrize(
    ("old", "new", "dangerous"),
    [
        ("KHÔNG", "luôn", False),
        ("kẻ gian", "kẻ xấu", False),
        ("gần nhất.", "gần nhất 0912345678.", True),
        ("gần nhất.", "gần nhất 0912.345.678.", True),
        ("gần nhất.", "gần nhất 0 9 1 2 3 4 5 6 7 8.", True),
        ("gần nhất.", "gần nhất a.vn", True),
        ("gần nhất.", "gần nhất evil[.]top", True),
        ("gần nhất.", "gần nhất evil (.) top", True),
        ("báo công an", "báo 113", True),
        ("Công an tỉnh", "13:11 Công an tỉnh", False),
    ],
)
def test_a_different_link_or_number_is_named(old: str, new: str, dangerous: bool) -> None:
    found = known(ACCENTED).look(ACCENTED.replace(old, new))
    assert (found.verdict, found.link_or_number) == (TextVerdict.ALTERED, dangerous)


@pytest.mark.parametrize(
    ("written", "dangerous"),
    [("0212.3852.113", False), ("02123852113", False), ("0212 38 52 113", False), ("0212.3852.114", True)],
)
def test_the_same_number_with_other_gaps_is_not_called_another_one(written: str, dangerous: bool) -> None:
    sent = "Bà con gọi ngay số 0212 3852 113 nếu có người lạ đòi chuyển tiền"
    found = known(sent).look(sent.replace("0212 3852 113", written))
    assert (found.verdict, found.link_or_number) == (TextVerdict.ALTERED, dangerous)


def test_a_number_that_was_left_out_in_the_middle_is_named() -> None:
    sent = "Bà con gọi ngay số 0692680188 nếu có người lạ đòi chuyển tiền"
    assert known(sent).look(sent.replace(" 0692680188", "")).link_or_number
    assert not known(sent).look("").link_or_number


@pytest.mark.parametrize("how", ["{0} {0}", "[29/11/2026, 13:11] CA SONLA: {0}", "Fwd: {0}", "(1/2) {0}"])
def test_what_a_messenger_adds_is_shown_and_called_no_forgery(how: str) -> None:
    found = known(ACCENTED).look(how.format(ACCENTED))
    assert (found.verdict, found.link_or_number) == (TextVerdict.ALTERED, False)
    assert WordChange.ADDED in {part.change for part in found.parts}


def test_a_scrap_of_a_text_is_no_forgery() -> None:
    """Of a last part there may be a few words, the first of them cut: nothing can be said of so little."""
    assert verdict("n nhất.", ACCENTED) is TextVerdict.UNKNOWN
    assert verdict("áy, báo công an gần", ACCENTED) is TextVerdict.UNKNOWN


ADDRESSES = (
    "Bieu mau tai https://loa.vn/AbCd?x=1 hoac viet cho a.b@loa.vn, xem congan.gov.vn va/hoac hoi cong an xa"
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(("https://loa.vn", f"https://{host}") for host in ("lòa.vn", "loạ.vn", "lơa.vn", "loã.vn")),
        *(("@loa.vn", f"@{host}") for host in ("lòa.vn", "loạ.vn")),
        *(("a.b@", f"{sign}a.b@") for sign in ("_", "-", "__")),
        *(("congan.gov.vn", host) for host in ("cóngan.gov.vn", "congàn.gov.vn", "congan.gòv.vn")),
    ],
)
def test_marks_make_another_host_of_a_text_that_was_sent_without(old: str, new: str) -> None:
    """Such a name can be registered by somebody else. Words may be typed with marks, as before."""
    assert verdict(ADDRESSES, ADDRESSES) is TextVerdict.GENUINE
    typed = ADDRESSES.replace("va/hoac hoi cong an xa", "và/hoặc hỏi công an xã").replace(
        "Tai bieu", "Tải biểu"
    )
    assert verdict(typed, ADDRESSES) is TextVerdict.GENUINE
    for text in (ADDRESSES, typed):
        forged = text.replace(old, new)
        assert forged != text
        assert verdict(forged, ADDRESSES) is TextVerdict.ALTERED
