"""In people's texts and names of files usual spellings of numbers are masked; digests, ids and amounts stay.

LOA_TEST_EXAMPLES=12500 tries a million words.
"""

from __future__ import annotations

import random
import uuid

import pytest
from hypothesis import settings

from app.core.errors import Invalid
from app.core.masking import holds_mobile, holds_person, mask_written, require_no_mobile
from tests.app.core.test_masking import plain
from tests.exact import exactly

ROUNDS = 80 * settings.default.max_examples
NUMBER = "0967123456"
A, B, C = NUMBER[:4], NUMBER[4:7], NUMBER[7:]
SPELT = [
    *(NUMBER, f"{A} {B} {C}", NUMBER[1:], f"+84{NUMBER[1:]}", f"84 {NUMBER[1:]}", f"({A}){B}{C}"),
    *(mark.join((A, B, C)) for mark in (",", "_", "/", ":", ";", "*", "|", "...", " - ", " , ", "=", "~")),
    *(mark.join(NUMBER) for mark in (" ", ".", "-", ",", "*", "\u200b", "\u00a0", "\u2060")),
    *(f"{A}{mark}{B}{C}" for mark in (",", "*", "|", "\u2013", "\u00b7", "\n")),
    *(f"so{NUMBER}nhe", f"so{NUMBER[1:]}nhe", f"x{A}.{B}.{C}y", f"KH{A} {B} {C}", f"so{A},{B},{C}"),
    *(f"{A} \u00a7 {B} {C}", f"{A}......{B}{C}", f"{A}.....{B}.....{C}", f"{A}-{B} {C}"),
    *(f"5,{A},{B},{C}", f"5;{NUMBER};7"),
    *(f"{NUMBER[1:4]}{mark}{NUMBER[4:7]}{mark}{NUMBER[7:]}" for mark in (" ", "-")),
    *(f"{NUMBER[1:3]} {NUMBER[3:6]} {NUMBER[6:]}", f"{A}     {B}     {C}", f"{A}.{B},{C}", f"({A}){B},{C}"),
    *(f"{A}:{B}.{C}", f"{A}.{B}*{C}", f"{A} ... {B} ... {C}", f"{A} - - {B} - - {C}"),
    *(mark.join(f"84{NUMBER[1:]}") for mark in (" ", ".", "-")),
    *(f"+8 4 {NUMBER[1:4]} {B} {C}", f"01/02/2026 {NUMBER}", f"{NUMBER} 01/02/2026 0800"),
    *(f"30/11/2026{mark}{A} {B} {C}" for mark in (" ", "\n", " - ", ", ")),
    *(f"1-30/11/2026 {A}.{B}.{C}", f"30/11/2026 {A} {B}{C}", f"2026-11-30 09:12 {A} {B} {C}"),
    " ".join("".join("⓪①②③④⑤⑥⑦⑧⑨"[int(digit)] for digit in each) for each in (A, B, C)),
    " ".join("".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in each) for each in (A, B, C)),
    *("".join(chr(zero + int(digit)) for digit in NUMBER) for zero in (0xFF10, 0x660, 0x1D7CE)),
    "".join(f"{digit}\ufe0f\u20e3" for digit in NUMBER),
    "".join("⓪①②③④⑤⑥⑦⑧⑨"[int(digit)] for digit in NUMBER),
]


@pytest.mark.parametrize("number", SPELT)
@pytest.mark.parametrize("sentence", ["{}", "goi {} nhe", "({})", "danh sach {}.csv"])
def test_a_number_is_masked_in_the_usual_spellings(number: str, sentence: str) -> None:
    masked = mask_written(sentence.replace("{}", number))
    assert NUMBER[1:] not in plain(masked), masked
    assert "*" in masked
    assert mask_written(masked) == masked


@pytest.mark.parametrize("name", [f"a{NUMBER}", f"{NUMBER}d.csv", f"DC{NUMBER}.xlsx", f"bad{NUMBER}fed"])
def test_a_name_has_no_number_beside_letters_of_hexadecimal_digits(name: str) -> None:
    assert NUMBER[1:] not in plain(mask_written(name))


TOUCHED = [f"a{NUMBER}", f"ad{NUMBER}", f"LD ad{NUMBER} lua dao", f"fb84{NUMBER[1:]}", f"{NUMBER}abc"]


@pytest.mark.parametrize("written", [*TOUCHED, f"cd{NUMBER} chuyen tien", f"bad{NUMBER}fed"])
def test_nor_have_a_citizen_s_words(written: str) -> None:
    """fb, ad, ba and da stand before numbers, as zalo does."""
    assert NUMBER[1:] not in plain(mask_written(written))


GROUPS = [
    *(f"{mark.join((A, B, C))}{letter}" for mark in (" ", ".", "-") for letter in "bcdf"),
    *(f"{letter}{A} {B} {C}" for letter in ("d", "ad", "fb")),
    *(f"0x{NUMBER}", f"0xab{NUMBER}", f"ma {NUMBER[1:]}a"),
]


@pytest.mark.parametrize("written", GROUPS)
def test_nor_has_what_looks_like_a_word_of_hexadecimal_digits(written: str) -> None:
    masked = plain(mask_written(written))
    assert NUMBER[1:] not in masked
    assert "987654321" not in masked


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (f"so{NUMBER}nhe", "so8496*****56nhe"),
        (f"{A},{B},{C}!", "8496*****56!"),
        ("x02123856789y", "x8421******89y"),
    ],
)
def test_it_is_shown_by_its_first_and_last_digits(written: str, read: str) -> None:
    assert mask_written(written) == read


@pytest.mark.parametrize(
    "written",
    [
        *("84.912.345.678 đồng", "84,912,345,678 VND", "84.912.345.678đ nop phat"),
        *("Oi 12345678", "kho 0l2 34 o", "OOOOOlllll", "0Oo0Il 1234", "so 1O912345678"),
        *(
            "0212 3 852 123",
            "02123852123",
            "(0212) 3852123",
            "+84 212 3852 123",
            "1900 1234",
            "05/02 -- 09/02",
        ),
    ],
)
def test_amounts_fixed_lines_and_words_are_nobody(written: str) -> None:
    assert not holds_mobile(written)
    assert not holds_person(written)


OFFICES = [
    *("Đợt 14/03 - 20/03/2026", "Tuyên truyền 08-12/12/2026", "Đợt 05.09 - 07.09.2026", "07/09-09/09/2026"),
    *("Báo cáo 07/03/2026 1530", "07/03/2026 15h30", "20-08-2026 - 0912/CV", "2026-08-07 0912/CV"),
    *(
        "Tổng dự toán 84.350.000.000,00 đồng",
        "84.350.000.000 (tám mươi tư tỷ) đồng",
        "84 350 000 000 đồng",
    ),
]


@pytest.mark.parametrize("written", OFFICES)
def test_dates_and_amounts_of_an_office_are_taken_and_read(written: str) -> None:
    assert not holds_mobile(written)
    assert not holds_person(written)
    assert mask_written(written) == written


IN_VAIN = [
    *("09-10-11-12-13/12/2026", "Đợt 03-05-09/09/2026", "09 12 2026 10:00", "Họp 09 12 2026 07h30"),
    *("03-09-26 05-09-26", "03/09/26 - 05/09/26", "09.12.26 – 10.12.26"),
    *(
        "84.912.345.678 người",
        "Gửi 84.912.345.678 tin.",
        "84.912.345.678 thuê bao, 2 đợt",
        "84.912.345.678 VND",
    ),
    "84.912.345.678 đồng chi thường xuyên",
]


@pytest.mark.parametrize("written", IN_VAIN)
def test_days_in_a_row_short_years_and_counts_are_nobody(written: str) -> None:
    assert not holds_mobile(written)
    assert not holds_person(written)


REAL = [
    *("09-12-13-14-15 - 05/09/2026", "09-12-13-14-15-16/12/2026", "09 12 20 26 10"),
    *("03-09-26-05-09 26", "09-12-26 45 67 05-09-26 09-12-26-45-67", "03-09-26 05-09-26 0912345678"),
    *("84.912.345.678 đồng chí Ba", "84.912.345.678 dong chi Ba", "84912345678 đồng", "0912.345.678 người"),
]


@pytest.mark.parametrize("written", REAL)
def test_but_a_number_that_looks_like_them_is_found(written: str) -> None:
    assert holds_mobile(written)


APART = [
    "0912 30/11/2026 345678",
    "08 05/09/2026 12345678",
    "+84 2026-11-30 912345678",
    "0912 84.000.000.000 345678",
]


@pytest.mark.parametrize("written", APART)
def test_what_stands_on_both_sides_of_a_date_or_amount_is_no_number(written: str) -> None:
    assert not holds_mobile(written)
    assert not holds_person(written)


@pytest.mark.parametrize("between", ["30/11/2026", "2026-11-30", "84.000.000.000", "84.912.345.678 đồng"])
def test_nor_does_it_hide_one(between: str) -> None:
    assert holds_mobile(f"0900 {between} {A}/{B}/{C}")


@pytest.mark.longer
@pytest.mark.parametrize(
    "form", ["{d:02}/{m:02} - {e:02}/{m:02}/2026", "{d:02}-{e:02}/{m:02}/2026", "{d}.{m}.2026"]
)
def test_no_date_of_a_year_reads_like_a_number(form: str) -> None:
    for month in range(1, 13):
        for day in range(1, 28):
            said = form.format(d=day, e=day + 1, m=month)
            assert not holds_mobile(said)
            assert mask_written(said) == said


FOREIGN = [
    *("+856 20 5555 1234", "00856 20 5555 1234", "00856205551234", "00 856 20 5555 1234"),
    *("+856-20-5555-1234", "+856 (20) 55 551 234", "+86-138-1234-5678", "+1 (202) 555-0134"),
    *("+44 20 7946 0958", "+66.812.345.678", "+66 812 345 000", "+66 812 345 001"),
    "\uff0b\uff18\uff15\uff16 20 5555 1234",
]


@pytest.mark.parametrize("number", FOREIGN)
@pytest.mark.parametrize("sentence", ["{}", "goi {} nhe", "05/09/2026 {}, 12 tin", "{} 1.500.000 dong"])
def test_a_number_of_another_country_is_masked_as_one(number: str, sentence: str) -> None:
    digits = plain(number).removeprefix("00")
    masked = f"+{digits[:4]}{'*' * (len(digits) - 6)}{digits[-2:]}"
    said = mask_written(sentence.replace("{}", number))
    assert said == sentence.replace("{}", masked)
    assert mask_written(said) == said


OWN = [
    *(NUMBER, f"{A} {B} {C}", f"{A}.{B}.{C}", f"84 {NUMBER[1:]}", f"+84{NUMBER[1:]}", " ".join(NUMBER)),
    *(
        "-".join(NUMBER),
        "09/67/12/34/56",
        "09 67 12 34 56",
        "09,67,12,34,56",
        "0 96712 3456",
        "09.67.12.34.56",
    ),
]


@pytest.mark.parametrize("own", OWN)
def test_nor_does_one_hide_a_part_of_our_own(own: str) -> None:
    for foreign in ("+66 81 234 5678", "+856 20 5555 1234", "00856205551234"):
        for said in (f"{foreign} {own}", f"{own} {foreign}", f"{foreign} {foreign} {own}"):
            masked = mask_written(said)
            assert not any(
                part in plain(masked) for part in ("5678", "1234", "5512", NUMBER[4:8], NUMBER[6:])
            )
            assert mask_written(masked) == masked


PLUS = [
    *("+350 000 000 đồng", "+1.500.000.000", "tang +12 345 678 dong", "+856.205.551.234 VND"),
    *("+1 202 555 tin", "2026-08-17T15:43:55+07:00 856", "1+2345678901", "00 123", "0012 5"),
    *("00:00 20/10/2026", "00123456-7890-1234-5678-123456789012", f"00-{'1234567890abcdef' * 2}-01"),
]


@pytest.mark.parametrize("written", PLUS)
def test_a_plus_before_an_amount_or_time_makes_it_no_number(written: str) -> None:
    assert mask_written(written) == written


@pytest.mark.parametrize("written", ["tỷ lệ 0,351234567", "Hệ số 0,912345678"])
def test_a_fraction_is_nobody(written: str) -> None:
    assert not holds_mobile(written)


@pytest.mark.parametrize("written", [f"Gọi {NUMBER}", "+85620555512", "0912 --- 345 678"])
def test_what_may_be_somebody_is_found(written: str) -> None:
    assert holds_person(written)


LEFT = [
    "chuyen 350000000d va 1.500.000.000 dong",
    "84,912,345,678 dong",
    "05/02/2024 07:30:15",
    "ngay09.11.2026 15h",
    "20261109150312",
    "2020-08-17T15:43:55.847356123+07:00",
    "12345678-0912-3456-8412-841234567890",
    "f0143856475b",
    "8496*****56 12 34",
    "",
    "1800 1234 and 1900 1234 56",
    "ds-so-12-2026-11-27.csv",
]


@pytest.mark.parametrize("text", LEFT)
def test_what_is_no_number_is_left_as_it_is(text: str) -> None:
    assert mask_written(text) == text


def _word(chance: random.Random) -> str:
    hexadecimal = f"{chance.getrandbits(160):040x}"[: chance.randint(24, 40)]
    return chance.choice(
        [
            hexadecimal if not hexadecimal.isdecimal() else f"{hexadecimal}f",
            chance.randbytes(chance.choice([16, 20, 32])).hex() + "f",
            f"sha256:{chance.randbytes(32).hex()}a",
            f"00-{chance.randbytes(16).hex()}f-01",
            str(uuid.UUID(int=chance.getrandbits(128))),
            f"{{{uuid.UUID(int=chance.getrandbits(128))}}}".upper(),
        ]
    )


@pytest.mark.longer
@pytest.mark.parametrize("seeded", [True, False])
def test_no_digest_hexadecimal_word_or_uuid_is_touched(seeded: bool) -> None:
    seed = 13 if seeded else random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)
    words = (chance.choice(["{}", "ma {} nhe", "a={};"]).replace("{}", _word(chance)) for _ in range(ROUNDS))
    touched = [word for word in words if mask_written(word) != word]
    assert not touched, f"seed {seed}: {touched[:9]}"


@pytest.mark.longer
@pytest.mark.parametrize(
    ("piece", "length"),
    [
        ("0 8 4 ", 200_000),
        ("0912345678a ", 200_000),
        pytest.param("0,9,1,2,", 60_000, marks=pytest.mark.prove),
        ("0" * 9, 200_000),
        pytest.param("0967*", 200_000, marks=pytest.mark.prove),
        ("1,", 20_000),
        pytest.param("1,", 60_000, marks=pytest.mark.prove),
        ("0912-3456-8412-", 200_000),
    ],
)
def test_a_long_text_costs_as_many_steps_as_it_has_characters(piece: str, length: int) -> None:
    masked = mask_written(piece * (length // len(piece)))
    assert "0912345678 " not in masked


@pytest.mark.parametrize(
    "written",
    [
        *(
            f"Gọi {NUMBER}",
            f"goi {A}.{B}.{C} nhe",
            f"+84 {NUMBER[1:]}",
            f"84{NUMBER[1:]}",
            f"0084{NUMBER[1:]}",
        ),
        *(f"so{NUMBER}nhe", f"a{NUMBER}", f"key-{NUMBER}", f"{A}_{B}_{C}", f"{A}/{B}/{C}"),
        " ".join(NUMBER),
        "".join(chr(0xFF10 + int(digit)) for digit in NUMBER),
        f"hotline 1900 1234, hoặc {NUMBER}",
        "01267123456",  # as it was before 2018
        *(f"{A} {mark * 3} {B} {C}" for mark in "-.*=~_"),
        *(f"84.{NUMBER[1:4]}.{B}.{C}", f"{A}.{B}.{C} dong chi Ba", "1.500.000 đồng, 84 967123456"),
    ],
)
def test_a_whole_mobile_number_is_found_in_what_is_kept(written: str) -> None:
    assert holds_mobile(written)
    with pytest.raises(
        Invalid,
        match=exactly(
            "reason contains a mobile number, which is personal data. This field is kept for "
            "years and shown to others. Remove the number. Hotlines and landlines are allowed."
        ),
    ) as refused:
        require_no_mobile(written, "reason")
    assert refused.value.field == "reason"
    assert NUMBER[4:] not in refused.value.detail


@pytest.mark.parametrize(
    "written",
    [
        *(
            "113",
            "1900 1234",
            "18001234",
            "1800 599 920",
            "0212 3852 321",
            "(0212) 3.852.321",
            "069 2680 188",
        ),
        *(
            "303/CAT-PA05",
            "138/CV-2024",
            "28/11/2026 08:30",
            "09/02/2026",
            "01/2026 - 12/2026",
            "+85620551234",
        ),
        *("10.000.000.000", "1.967.123.456 đồng", "967123456", "20261128 1234", f"{NUMBER}123456", A + B),
        f"sha256 {'0123456789abcdef' * 4}",
        f"3f2b8a6e-0912-4345-9678-{NUMBER}ab",
    ],
)
def test_hotlines_amounts_days_and_digests_are_no_mobile_number(written: str) -> None:
    assert not holds_mobile(written)
    require_no_mobile(written, "reason")
