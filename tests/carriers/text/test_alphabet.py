"""Normal form, unaccenting, GSM-7 and UCS-2."""

import unicodedata

import pytest
from hypothesis import given

from carriers.contract import Encoding
from carriers.text import NotGsm7, NotUcs2, encoding_of, gsm7, nfc, ucs2, unaccent, ungsm7
from carriers.text.alphabet import VIETNAMESE
from tests.carriers.text import alphabets


def test_vietnamese_has_134_letters_beyond_ascii() -> None:
    assert len(alphabets.LETTERS) == 134
    assert frozenset(alphabets.LETTERS) == VIETNAMESE


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_every_letter_becomes_one_ascii_letter_of_its_case_and_never_a_question_mark(form: str) -> None:
    for letter in alphabets.LETTERS:
        plain = unaccent(unicodedata.normalize(form, letter))
        assert plain.isascii()
        assert plain.isalpha()
        assert len(plain) == 1
        assert plain.isupper() == letter.isupper()


@pytest.mark.parametrize(
    ("accented", "plain"),
    [
        ("người lạ", "nguoi la"),
        ("được hỗ trợ", "duoc ho tro"),
        ("ĐẶT CỌC TRƯỚC TẾT", "DAT COC TRUOC TET"),
        ("Đường dẫn đã bị đổi", "Duong dan da bi doi"),
        ("ꪼꪕ ꪁꪫꪱꪣ", "ꪼꪕ ꪁꪫꪱꪣ"),  # Tai Viet: its marks are letters, not accents
        ("й ё ά", "й ё ά"),
        ("", ""),
    ],
)
def test_unaccenting_keeps_the_base_letters_and_leaves_other_scripts_alone(accented: str, plain: str) -> None:
    assert unaccent(accented) == plain
    assert unaccent(unicodedata.normalize("NFD", accented)) == unicodedata.normalize("NFC", plain)


@pytest.mark.longer
@given(alphabets.vietnamese | alphabets.decomposed)
def test_unaccented_vietnamese_is_ascii_of_the_same_length_and_stays_so(text: str) -> None:
    plain = unaccent(text)
    assert plain.isascii()
    assert len(plain) == len(nfc(text))
    assert unaccent(plain) == plain


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("", Encoding.GSM7),
        ("Cong an canh bao {1} 5€", Encoding.GSM7),
        ("cafe\u0301", Encoding.GSM7),  # composed, é is in the alphabet
        ("Ω at 5 \u2126", Encoding.GSM7),  # the ohm sign composes to omega
        ("à è é ì ò ù É", Encoding.GSM7),
        ("á", Encoding.UCS2),
        ("đ", Encoding.UCS2),
        ("ç", Encoding.UCS2),  # only the capital is in the alphabet
        ("“a”", Encoding.UCS2),
        ("\x1b", Encoding.UCS2),  # the escape itself is no character
        ("`", Encoding.UCS2),
    ],
)
def test_gsm7_is_chosen_exactly_when_every_character_is_in_the_alphabet(
    text: str, encoding: Encoding
) -> None:
    assert encoding_of(text) is encoding


def test_only_seven_accented_letters_of_vietnamese_are_in_gsm7() -> None:
    assert {c for c in VIETNAMESE if encoding_of(c) is Encoding.GSM7} == set("àèéìòùÉ")


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("@", b"\x00"),
        ("Hi 1", b"Hi 1"),
        ("$_§à", b"\x02\x11\x5f\x7f"),
        ("Ç\n\r", b"\x09\x0a\x0d"),
        ("¡¿ÄÖÑÜ", b"\x40\x60\x5b\x5c\x5d\x5e"),
        ("€^{}\\[~]|\f", bytes.fromhex("1b651b141b281b291b2f1b3c1b3d1b3e1b401b0a")),
    ],
)
def test_gsm7_octets_are_those_of_the_standard(text: str, octets: bytes) -> None:
    assert gsm7(text) == octets
    assert ungsm7(octets) == text


def test_the_whole_basic_alphabet_is_in_the_order_of_the_standard() -> None:
    codes = [code for code in range(128) if code != 0x1B]
    assert gsm7(alphabets.GSM_BASIC) == bytes(codes)


@pytest.mark.longer
@given(alphabets.gsm)
def test_gsm7_reads_back_and_each_octet_is_a_septet(text: str) -> None:
    assert ungsm7(gsm7(text)) == nfc(text)
    assert max(gsm7(text), default=0) < 0x80


@pytest.mark.parametrize(
    ("octets", "text"),
    [(b"a\x1b", "a "), (b"\x1b\x1ba", " a"), (b"\x1bA", "A")],
)
def test_an_escape_that_leads_nowhere_reads_as_a_handset_shows_it(octets: bytes, text: str) -> None:
    assert ungsm7(octets) == text


@pytest.mark.parametrize("octets", [b"\x80", b"\x1b\xff"])
def test_an_octet_with_the_top_bit_is_refused(octets: bytes) -> None:
    with pytest.raises(NotGsm7, match="top bit"):
        ungsm7(octets)


def test_a_character_outside_gsm7_is_refused_by_place_and_name() -> None:
    with pytest.raises(NotGsm7, match="Character 3, LATIN SMALL LETTER D WITH STROKE"):
        gsm7("a đ")


def test_ucs2_is_big_endian_with_surrogate_pairs() -> None:
    assert ucs2("ạ") == b"\x1e\xa1"
    assert ucs2("a\u0323") == b"\x1e\xa1"
    assert ucs2("🚨") == b"\xd8\x3d\xde\xa8"


def test_half_of_a_surrogate_pair_is_refused_in_words() -> None:
    with pytest.raises(NotUcs2, match="Character 2 is half"):
        ucs2("a\ud83d")
