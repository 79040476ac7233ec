"""Numbers in every spelling, every reason for refusing one, masks, and another library as the oracle."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from app.core.errors import Invalid
from app.core.phone import HOLDERS, REASONS, mask, normalise, normalise_all, one_mobile, range_holder
from tests.exact import exactly

GOOD = 84_912_345_678


@pytest.mark.parametrize(
    "raw",
    [
        "0912345678",
        "84912345678",
        "+84912345678",
        "0084912345678",
        "912345678",
        "0912 345 678",
        "0912.345.678",
        "0912-345-678",
        "(0912) 345 678",
        "0912\u00a0345\u00a0678",
        "+84 0912345678",
        "+84 (0) 912 345 678",
        "840912345678",
        "912345678.0",
        "84912345678.00",
        "'0912345678",
        "\u202d0912345678\u202c",
        "\ufeff0912345678",
        "  0912345678\t",
        "0912\u2013345\u2011678",
    ],
)
def test_every_usual_spelling_is_the_same_number(raw: str) -> None:
    assert normalise(raw) == GOOD


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("01691234567", "391234567"),
        ("01621234567", "321234567"),
        ("01201234567", "701234567"),
        ("01211234567", "791234567"),
        ("01221234567", "771234567"),
        ("01261234567", "761234567"),
        ("01281234567", "781234567"),
        ("01231234567", "831234567"),
        ("01241234567", "841234567"),
        ("01251234567", "851234567"),
        ("01271234567", "811234567"),
        ("01291234567", "821234567"),
        ("01861234567", "561234567"),
        ("01881234567", "581234567"),
        ("01991234567", "591234567"),
        ("+84 169 123 4567", "391234567"),
        ("841691234567", "391234567"),
        ("1691234567", "391234567"),
    ],
)
def test_numbers_of_before_2018_are_converted(old: str, new: str) -> None:
    assert normalise(old) == int(f"84{new}")


def test_nine_digits_that_begin_with_84_are_a_national_number() -> None:
    assert normalise("841234567") == 84_841_234_567


@pytest.mark.parametrize(
    "raw",
    [
        '="0912345678"',
        '="+84 912 345 678"',
        '= "84912345678" ',
        '="912345678.0"',
        "9.12345678E+08",
        "9,12345678e8",
        "9.1234567800E+08",
        " 8.4912345678E+10",
        "8.4912345678e10",
    ],
)
def test_a_number_that_a_spreadsheet_wraps_or_shortens_without_loss_is_taken(raw: str) -> None:
    assert normalise(raw) == 84_912_345_678
    assert normalise_all(["0912345670", raw, "x"]) == ([84_912_345_670, 84_912_345_678, 0], {2: "letters"})


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ('="0912345678', "letters"),
        ('="0912"&"345678"', "letters"),
        ("=0912345678", "letters"),
        ('="=0912345678"', "letters"),
        ("9.1234567E+08", "scientific"),
        ("9.123456785E+08", "scientific"),
        ("8.4912345678E-10", "scientific"),
        ("", "empty"),
        (" \u00a0 ", "empty"),
        ("-", "empty"),
        ("O912345678", "letters"),
        ("0912345678/0913", "letters"),
        ("không có", "letters"),
        ("+", "letters"),
        ("0912+345678", "letters"),
        ("٠٩١٢٣٤٥٦٧٨", "letters"),
        ("0912345678;ext=1", "letters"),
        ("8.49E+10", "scientific"),
        ("8,49123E+10", "scientific"),
        ("9.12E8", "scientific"),
        ("+8562012345678", "foreign"),
        ("0018005551234", "foreign"),
        ("+0912345678", "foreign"),
        ("113", "short_code"),
        ("5656", "short_code"),
        ("18001090", "short_code"),
        ("1900 545 454", "short_code"),
        ("02123852123", "fixed_line"),
        ("+84 212 3852 123", "fixed_line"),
        ("2123852123", "fixed_line"),
        ("0223852123", "fixed_line"),
        ("0692345678", "fixed_line"),
        ("0140123456", "m2m"),
        ("01401234567", "m2m"),
        ("0671234567", "m2m"),
        ("0301234567", "unassigned_range"),
        ("0311234567", "unassigned_range"),
        ("0511234567", "unassigned_range"),
        ("0951234567", "unassigned_range"),
        ("0551234567", "unassigned_range"),
        ("0891234567", "unassigned_range"),
        ("0992123456", "unassigned_range"),
        ("0521123456", "unassigned_range"),
        ("01111234567", "unassigned_range"),
        ("091234567", "too_short"),
        ("84912345", "too_short"),
        ("12", "too_short"),
        ("09123456789", "too_long"),
        ("084912345678", "too_long"),
        ("9" * 5000, "too_long"),
        ("0912345678 0912345679", "too_long"),
    ],
)
def test_what_is_no_mobile_number_is_refused_with_its_reason(raw: str, reason: str) -> None:
    assert normalise(raw) == reason
    assert reason in REASONS


@pytest.mark.parametrize(
    ("national", "holder"),
    [
        ("0861234567", "viettel"),
        ("0321234567", "viettel"),
        ("0881234567", "vnpt"),
        ("0811234567", "vnpt"),
        ("0901234567", "mobifone"),
        ("0896123456", "mobifone"),
        ("0921234567", "vietnamobile"),
        ("0522123456", "vietnamobile"),
        ("0591234567", "gmobile"),
        ("0993123456", "gmobile"),
        ("0871234567", "itel"),
        ("0559123456", "wintel"),
        ("0998123456", "indochina"),
    ],
)
def test_each_range_has_its_holder(national: str, holder: str) -> None:
    phone = normalise(national)
    assert isinstance(phone, int)
    assert range_holder(phone) == holder
    assert holder in HOLDERS


def test_a_range_that_nobody_holds_has_no_holder() -> None:
    assert range_holder(84_311_234_567) == ""


def _is_mobile(raw: str) -> bool:
    """What the library phonenumbers thinks."""
    number = phonenumbers.parse(raw, "VN")
    mobile = phonenumbers.number_type(number) is PhoneNumberType.MOBILE
    return mobile and phonenumbers.is_valid_number(number)


@pytest.mark.longer
def test_the_oracle_and_we_differ_only_where_no_ordinary_subscriber_is() -> None:
    prefixes = range(100, 1000)
    theirs = {p for p in prefixes if _is_mobile(f"0{p}123456")}
    ours = {p for p in prefixes if isinstance(normalise(f"0{p}123456"), int)}
    devices = {121, 140, 160}
    empty = {*range(300, 320), *range(510, 520), *range(950, 960), 990, 991}
    assert ours <= theirs
    assert theirs - ours == devices | empty


@pytest.mark.parametrize("raw", ["O912345678", "0912345678;ext=1"])
def test_junk_that_the_oracle_takes_is_refused(raw: str) -> None:
    assert phonenumbers.is_valid_number(phonenumbers.parse(raw, "VN"))
    assert normalise(raw) == "letters"


def test_the_oracle_does_not_know_old_numbers() -> None:
    assert not phonenumbers.is_valid_number(phonenumbers.parse("01691234567", "VN"))


@pytest.mark.longer
@given(st.integers(0, 10**9 - 1), st.sampled_from(["0{}", "84{}", "+84{}", "0084{}", "{}", "+84 0{}"]))
def test_a_number_means_the_same_in_every_spelling(national: int, spelling: str) -> None:
    digits = f"{national:09d}"
    if digits[0] in "35789":
        assert normalise(spelling.format(digits)) == normalise(f"0{digits}")


@pytest.mark.longer
@given(st.from_regex(r"0{0,2}(84)?0?[1-9][0-9]{5,10}", fullmatch=True))
def test_bare_digits_mean_what_they_mean_with_blanks_around(digits: str) -> None:
    assert normalise(digits) == normalise(f" {digits} ")


@given(st.text())
def test_any_text_gives_a_number_or_a_known_reason(raw: str) -> None:
    found = normalise(raw)
    if isinstance(found, int):
        assert normalise(str(found)) == found
    else:
        assert found in REASONS


_PIECES = (
    *(
        "0",
        "84",
        "+84",
        "0084",
        "840",
        "(0)",
        "912345678",
        "91234567",
        "345 678",
        "162",
        "1234567",
        "x",
        "é",
        "٩",
    ),
    *("", " ", ".", "-", "\u00a0", "\t", "\x1c", "_", "+", ".0", ".00", ".0 ", "\n", "9" * 30),
)
_CELLS = st.lists(st.lists(st.sampled_from(_PIECES), max_size=5).map("".join) | st.text(max_size=12))


@pytest.mark.longer
@given(_CELLS)
def test_many_at_once_mean_what_each_means_by_itself(cells: list[str]) -> None:
    """A tab behind each keeps the single number from being told by its digits alone."""
    numbers, refused = normalise_all(cells)
    alone = [normalise(f"{cell}\t") for cell in cells]
    assert numbers == [each if isinstance(each, int) else 0 for each in alone]
    assert refused == {place: each for place, each in enumerate(alone) if isinstance(each, str)}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (84_912_345_601, "8491*****01"),
        ("0912345601", "0912****01"),
        ("+84 912 345 601", "+84 91* *** *01"),
        ("113", "113"),
        ("Bà Lan 0912345601", "Bà Lan 0912****01"),
    ],
)
def test_a_mask_leaves_the_first_four_and_the_last_two_digits(text: int | str, masked: str) -> None:
    assert mask(text) == masked


def test_every_reason_is_told_in_both_languages() -> None:
    assert all(sentence.en.endswith(".") and sentence.vi.endswith(".") for sentence in REASONS.values())


def test_one_mobile_number_is_read_as_it_was_typed_and_else_it_is_said_what_to_enter() -> None:
    assert one_mobile(" 0912 345 678\n") == 84_912_345_678
    with pytest.raises(
        Invalid,
        match=exactly(
            "It has too few digits. Enter a Vietnamese mobile number: ten digits starting with 0, "
            "or eleven digits starting with 84."
        ),
    ) as refused:
        one_mobile("0912")
    assert refused.value.field == "phone"
