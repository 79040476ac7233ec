"""Any copy of a text is recognised, and nothing that was put into it is ever called genuine."""

from __future__ import annotations

import unicodedata
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.campaigns import texts
from app.text_verification.compare import Known, Texts, TextUse, TextVerdict, WordChange
from app.text_verification.part_copies import copied
from app.text_verification.tokens import words
from carriers.text import split, unaccent

USE = TextUse(date(2024, 1, 29), "CA SONLA", date(2024, 2, 9))
ACCENTED = (
    "Công an tỉnh cảnh báo: kẻ gian gọi điện xưng công an, viện kiểm sát, dọa bắt để ép chuyển tiền. Công an "
    "KHÔNG làm vậy. Hãy tắt máy, báo công an gần nhất."
)
BARE = unaccent(ACCENTED)


def known(*all_texts: str) -> Texts:
    return Texts([Known(tuple(words(text)), (USE,), copied(text)) for text in all_texts])


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


LONG = (
    "Công an tỉnh cảnh báo: kẻ gian gọi điện xưng công an, dọa bắt (gọi 113) để ép chuyển tiền 1,5 triệu. "
    "Công an KHÔNG làm vậy, và khôngchuyển tiền qua điện thoại bao giờ, xin mọi người nhớ cho kỹ."
)
COUNTED = {
    "lines": "{part}\n",
    "blanks": "{part} ",
    "Windows": "{part}\r\n",
    "brackets": "({nth}/{n}) {part}\n",
    "colons": "{nth}/{n}: {part} ",
    "behind": "{part} ({nth}/{n})\n",
}


@pytest.mark.parametrize("how", COUNTED)
@pytest.mark.parametrize("sent", [LONG, unaccent(LONG)])
@pytest.mark.parametrize("before", ["", "(TB) ", "Tin nhan tu CA SONLA: "])
@pytest.mark.parametrize(
    "shift", [0, 5, *(pytest.param(n, marks=pytest.mark.prove) for n in range(12) if n not in {0, 5})]
)
def test_a_copy_of_the_parts_is_genuine_wherever_one_ends(
    shift: int, before: str, sent: str, how: str
) -> None:
    sent = "x" * shift + sent
    parts = split(sent).parts
    n = len(parts)
    assert n > 1
    copied_parts = [COUNTED[how].format(part=part, nth=nth, n=n) for nth, part in enumerate(parts, 1)]
    assert verdict(before + "".join(copied_parts), sent) is TextVerdict.GENUINE
    if words(parts[-1]):
        assert verdict(before + "".join(copied_parts[:-1]), sent) is not TextVerdict.GENUINE


@pytest.mark.longer
@pytest.mark.parametrize("sent", [LONG, unaccent(LONG)])
def test_a_break_anywhere_else_is_no_copy(sent: str) -> None:
    ends = {sum(map(len, split(sent).parts[:nth])) for nth in range(len(split(sent).parts))}
    texts = known(sent)
    for at in range(1, len(sent)):
        if sent[at - 1].isalnum() and sent[at].isalnum():
            found = texts.look(f"{sent[:at]}\n{sent[at:]}").verdict
            assert (found is TextVerdict.GENUINE) == (at in ends), sent[:at]
    assert texts.look(f"(1/3) {sent}").verdict is TextVerdict.ALTERED


LINKED = "Công an tỉnh cảnh báo kẻ gian, xem (https://Bit.ly/aBcD9) để biết thêm."


@pytest.mark.parametrize(
    "link",
    [
        "https://bit.ly/AbCd9",
        "https://bit.ly/abcd9",
        "https://Bit.ly/aBcD9?",
        "https://Bit.ly/aBcD9?a",
        "https://Bit.ly/aBcD9/",
        "https://Bit.ly/aBcD9-",
        "https://Bit.ly/aBcD9#x",
        "https://Bit.ly/aBcD\u200b9",  # phones end the link here
        "https://Bit.ly/aBcD\uff19",  # the sign of full width is another one in a path
        "https://Bit.ly/aBçD9",
    ],
)
def test_a_link_to_another_place_is_no_copy(link: str) -> None:
    """Path and query know case: another case leads to another place."""
    for sent in (LINKED, unaccent(LINKED)):
        assert verdict(sent.replace("https://Bit.ly/aBcD9", link), sent) is TextVerdict.ALTERED


@pytest.mark.parametrize(
    "link", ["HTTPS://BIT.LY/aBcD9", "https://bit.ly/aBcD9", "\u200bhttps://bit.ly/aBcD9."]
)
def test_scheme_and_host_know_no_case(link: str) -> None:
    assert verdict(LINKED.replace("https://Bit.ly/aBcD9", link), LINKED) is TextVerdict.GENUINE
    assert (
        verdict(unaccent(LINKED).upper().replace("HTTPS://BIT.LY/ABCD9", link), LINKED) is TextVerdict.GENUINE
    )


@pytest.mark.parametrize("address", ["congan.vn:8080/aB", "10.0.0.1/aB", "congan.vn?aB", "http://congan/aB"])
def test_the_path_of_any_address_knows_case(address: str) -> None:
    sent = f"Công an tỉnh cảnh báo kẻ gian, xem {address} nhé"
    assert verdict(sent, sent) is TextVerdict.GENUINE
    assert verdict(sent.replace("aB", "ab"), sent) is TextVerdict.ALTERED


AMOUNT = "Công an tỉnh cảnh báo kẻ gian đòi nộp 1,5 triệu đồng (phạt), gọi 113, 114 báo ngay"


@pytest.mark.parametrize("other", ["1 5", "1;5", "1(5)", "1'5", "1, 5", "1\n5", "15", "1.5", '1"5', "1\x075"])
@pytest.mark.parametrize("sent", [AMOUNT, unaccent(AMOUNT)])
def test_a_sign_between_two_digits_belongs_to_the_number(sent: str, other: str) -> None:
    assert verdict(sent.replace("1,5", other), sent) is TextVerdict.ALTERED
    assert verdict(sent.replace("113, 114", "113,114"), sent) is TextVerdict.ALTERED
    assert verdict(sent.replace("(phạt)", "phạt").replace("(phat)", "'phat'"), sent) is TextVerdict.GENUINE


DATED = "Công an tỉnh cảnh báo từ ngày 24/02/2034 nộp phạt 1.500.000 đồng lúc 07:30, số 0692680188"


@pytest.mark.parametrize("sent", [DATED, unaccent(DATED)])
def test_a_text_that_is_cut_within_a_date_or_a_word_is_incomplete(sent: str) -> None:
    texts = known(sent)
    for length in range(len("Công an tỉnh cảnh báo t"), len(sent)):
        assert texts.look(sent[:length]).verdict is TextVerdict.INCOMPLETE, sent[:length]
    for start in range(1, 60):
        if sent[start:][0] not in ".:/":
            found = texts.look(sent[start:])
            assert found.verdict is TextVerdict.INCOMPLETE, sent[start:]
            assert [part.change.value for part in found.parts] == ["missing", "same"]


@pytest.mark.parametrize(
    "altered",
    ["1.500.00", "1.500", "150.000", "1.500.000.000", "500.000"],
)
def test_a_shortened_amount_within_a_text_is_a_forgery(altered: str) -> None:
    assert verdict(DATED.replace("1.500.000", altered), DATED) is TextVerdict.ALTERED
    sent = DATED[: DATED.index(" đồng")]
    assert verdict(sent.replace("1.500.000", altered), sent) is not TextVerdict.GENUINE


@pytest.mark.parametrize(
    "other", ["", "   ", "....", "Chúc mừng năm mới, an khang thịnh vượng!", "công an", "a" * 2000]
)
def test_anything_else_is_unknown(other: str) -> None:
    assert verdict(other) is TextVerdict.UNKNOWN


def test_nothing_is_like_anything_where_nothing_was_sent() -> None:
    assert Texts([]).look(ACCENTED).verdict is TextVerdict.UNKNOWN
    assert known("").look("").verdict is TextVerdict.UNKNOWN


def test_the_same_text_of_two_campaigns_has_the_days_of_both() -> None:
    later = TextUse(date(2025, 1, 2), "CA SONLA", None)
    both = Texts([Known(tuple(words(ACCENTED)), (USE,)), Known(tuple(words(BARE)), (later,))])
    assert both.look(BARE).uses == (USE, later)
    with_marks = both.look(ACCENTED)
    assert with_marks.uses == (USE, later)


CATALOGUE = [form for text in texts.all_texts() for form in (text.unaccented, text.accented)]
SENT = known(*CATALOGUE)
SPACES = (" ", "  ", "\n", "\t", "\u00a0", " \u200b ", "\r\n")
AROUND = (("", ""), ("“", "”"), ("'", "'"), ("(TB) ", ""), ("\n[TB] ", "\n"))


@pytest.mark.longer
@given(st.sampled_from(CATALOGUE), st.randoms(use_true_random=False))
def test_any_recopy_is_recognised(text: str, chance: Random) -> None:
    copied = "".join(chance.choice(SPACES) if char == " " else _copied(char, chance) for char in text)
    before, after = chance.choice(AROUND)
    form = chance.choice(["NFC", "NFD", "NFKC"])
    pasted = before + unicodedata.normalize(form, copied) + after
    assert SENT.look(pasted).verdict is TextVerdict.GENUINE


def _copied(char: str, chance: Random) -> str:
    """The character in another case, or without its marks."""
    return chance.choice([char, char, char.lower(), char.upper(), unaccent(char)])


digits = st.text("0123456789٠١٢①②０１２", min_size=1, max_size=12)
hosts = st.from_regex(r"[a-z]{1,8}\.(vn|com|xyz|top)(/[a-z0-9]{1,6})?", fullmatch=True)
links = st.one_of(hosts, hosts.map("https://{}".format), hosts.map("HTTP://{}".format))


@pytest.mark.longer
@given(st.sampled_from(CATALOGUE), st.one_of(digits, links), st.data())
def test_nothing_with_an_inserted_link_or_number_is_called_genuine(
    text: str, inserted: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(text)))
    gap = data.draw(st.sampled_from(["", " ", "\u200b", "\n"]))
    pasted = text[:place] + gap + inserted + gap + text[place:]
    assert SENT.look(pasted).verdict is not TextVerdict.GENUINE


@pytest.mark.longer
@given(st.text(max_size=300))
def test_any_text_at_all_gets_an_answer(pasted: str) -> None:
    assert SENT.look(pasted).verdict in TextVerdict


LONG = (
    "Canh bao lua dao qua mang: khong chuyen tien cho nguoi la, khong doc ma OTP, khong bam vao duong link "
    "la, khong cai ung dung la vao dien thoai cua minh nhe ba con. Dt 113."
)
MARKED = ACCENTED.replace(
    "gần nhất.", "gần nhất. Không chuyển tiền cho người lạ, không đọc mã OTP cho ai. Gọi 113."
)


@pytest.mark.parametrize("text", [LONG, MARKED])
@pytest.mark.parametrize("before", ["", "CA SONLA: ", "(TB) "])
def test_parts_in_any_order_are_the_text_or_a_part_of_it(text: str, before: str) -> None:
    """Phones that list parts apart may show the newest first."""
    parts = split(text).parts
    assert len(parts) > 1
    told = [f"{before}{part}" for part in parts]
    assert verdict("\n".join(reversed(told)), text) is TextVerdict.GENUINE
    assert verdict("\n".join([*told, *told]), text) is TextVerdict.GENUINE
    forged = [*told[:-1], told[-1].replace("113", "0912"), "hay goi so 0912"]
    assert verdict("\n".join(forged), text) is TextVerdict.ALTERED


def test_the_first_and_the_last_of_three_parts_are_incomplete() -> None:
    first, _, *others = split(MARKED).parts
    assert others
    assert verdict("\n".join([*others, first]), MARKED) is TextVerdict.INCOMPLETE


def test_a_scrap_of_a_text_is_no_forgery() -> None:
    """Of a last part there may be a few words, the first of them cut: nothing can be said of so little."""
    assert verdict("he ba con. Dt 113.", LONG) is TextVerdict.UNKNOWN
    assert verdict("he ba con. Dt 114.", LONG) is TextVerdict.ALTERED
