"""The fix-it list for what is pasted into a text."""

import unicodedata

import pytest
from hypothesis import given

from carriers.contract import Encoding
from carriers.text import apply_fixes, encoding_of, fixes, nfc, unaccent
from tests.carriers.text import alphabets

NO_COST_HERE = "costs nothing beside accented letters, but turns the unaccented form into UCS-2"


@pytest.mark.parametrize(
    ("pasted", "plain"),
    [
        ("“a” ‘b’ „c‟ «d» 5′ 6″", '"a" \'b\' "c" "d" 5\' 6"'),
        ("a – b — c − d ‑ e", "a - b - c - d - e"),
        ("…", "..."),
        ("• một", "- một"),
        ("a\u00a0b\u2009c\u3000d\te", "a b c d e"),
        ("a\u200bb\ufeffc\u2060d\u00ade", "abcde"),
        ("5.000₫", "5.000VND"),
        ("37°C, 37℃", "37oC, 37oC"),
        ("2 × 3 ÷ 4 ± 5 ≤ 6 ≥ 7", "2 x 3 : 4 +/- 5 <= 6 >= 7"),
        ("m² ½ № 5", "m2 1/2 No 5"),
        ("® © ™", "(R) (C) TM"),
        ("`a´", "'a'"),
        ("a → b", "a -> b"),
        ("ＯＴＰ １２", "OTP 12"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("Nguy hiểm 🚨👮🏽\u200d♂\ufe0f!", "Nguy hiểm !"),
        ("1\ufe0f\u20e3", "1"),
        ("a\ufe00b", "ab"),
        ("👮\U0001f3fb👮\U0001f3ff!", "!"),
        ("Ðã ðổi", "Đã đổi"),
        ("a\x00b\x1bc", "abc"),
    ],
)
def test_what_is_pasted_becomes_what_can_be_typed(pasted: str, plain: str) -> None:
    assert apply_fixes(pasted) == plain
    assert encoding_of(unaccent(apply_fixes(pasted))) is Encoding.GSM7
    assert fixes(pasted)
    assert fixes(plain) == []


def test_a_fix_names_place_character_and_replacement() -> None:
    first, second = fixes(unicodedata.normalize("NFD", "Cảnh báo “"))[0], fixes("a\tb")[0]
    assert (first.position, first.character, first.replacement) == (9, "“", '"')
    assert first.name == "LEFT DOUBLE QUOTATION MARK"
    assert second.name == "TAB"


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("canh bao – a", "turns the text into UCS-2: 70 units in an SMS in place of 160"),
        ("cảnh báo – a", NO_COST_HERE),
        ("cảnh báo \u200b", "adds 1 unit, and turns the unaccented form into UCS-2"),
        ("cảnh báo 🚨", "adds 2 units, and turns the unaccented form into UCS-2"),
        ("canh bao\r\n", "adds 1 unit"),
        ("cảnh báo\r", "costs nothing, but phones show it in different ways"),
    ],
)
def test_the_cost_is_what_the_character_costs_in_this_text(text: str, cost: str) -> None:
    assert [fix.cost for fix in fixes(text)] == [cost]


@pytest.mark.parametrize("text", ["Cảnh báo: KHÔNG đọc OTP!", "đ {a} [b] 5€", "ꪼꪕ ꪁꪫꪱꪣ", "о", ""])
def test_letters_of_any_script_and_the_gsm_alphabet_are_left_alone(text: str) -> None:
    assert fixes(text) == []
    assert apply_fixes(text) == text


@pytest.mark.longer
@given(alphabets.anything)
def test_a_fixed_text_has_nothing_left_to_fix_and_is_composed(text: str) -> None:
    fixed = apply_fixes(text)
    assert fixes(fixed) == []
    assert nfc(fixed) == fixed


@given(alphabets.anything)
def test_making_each_fix_by_its_place_gives_the_fixed_text(text: str) -> None:
    made = nfc(text)
    for fix in reversed(fixes(text)):
        end = fix.position + len(fix.character)
        assert made[fix.position : end] == fix.character
        made = made[: fix.position] + fix.replacement + made[end:]
    assert nfc(made) == apply_fixes(text)
