"""Rows become slices: every line in exactly one place, repeats found in any spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batches.languages import normalise_language
from app.batches.reader import BadLine
from app.batches.sift import Seen, Sifter, shown


def test_one_number_in_all_its_spellings_is_one_subscriber_and_the_rest_repeats() -> None:
    spellings = ["0322000004", "84322000004", "+84322000004", "0084322000004", "01622000004", "322000004"]
    rows = [(line, raw, "", "") for line, raw in enumerate(spellings, 2)]
    (found,) = Sifter(1, "viettel").slices(rows)
    assert found.good == [(1, 2, 84_322_000_004, None, None)]
    assert [bad[2] for bad in found.bad] == ["repeated"] * 5
    assert found.repeated == 5


def test_slices_hold_as_many_lines_as_asked_for() -> None:
    rows = [(line, "" if line % 3 else f"09120{line:05d}", "x", "") for line in range(2, 27)]
    found = list(Sifter(1, "vnpt").slices(rows, size=10))
    assert [each.lines for each in found] == [10, 10, 5]


def test_rows_of_blanks_only_are_no_lines() -> None:
    (found,) = Sifter(1, "vnpt").slices([(2, " ", "", "\t"), (3, "-", "", "")])
    assert found.lines == 0


def test_unknown_areas_and_languages_are_counted_and_reject_nobody() -> None:
    sifter = Sifter(1, "vnpt")
    rows = [(line, f"09120000{line:02d}", "99999", "Klingon") for line in range(10, 13)]
    (found,) = sifter.slices([*rows, (13, "0912000013", " ", "")])
    assert len(found.good) == 4
    assert (sifter.unknown_areas, sifter.unknown_languages) == (3, 3)


@pytest.mark.parametrize(("carrier", "others"), [("vnpt", 2), ("viettel", 1), ("itel", 3), ("lab", 0)])
def test_numbers_of_other_ranges_are_counted_for_carriers_that_hold_ranges(carrier: str, others: int) -> None:
    rows = [(2, "0912000001", "", ""), (3, "0322000001", "", ""), (4, "0322000002", "", "")]
    (found,) = Sifter(1, carrier).slices(rows)
    assert len(found.good) == 3
    assert found.other_range == others


def test_lines_that_the_reader_refused_are_kept_masked() -> None:
    (found,) = Sifter(1, "vnpt").slices([BadLine(7, "quotes", '"0912000001')])
    assert found.bad == [(1, 7, "quotes", '"0912****01')]


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("0912\n34567x", "0912 ***67x"),
        ("\x1b[31m0912000001", " [31m09******01"),
        ("á" * 200, "á" * 80),
        ("9" * 200, "9999" + "*" * 76),
        ("9" * 100_000, "9999" + "*" * 76),
    ],
)
def test_what_a_bad_line_said_is_stored_masked_on_one_line_and_cut(raw: str, stored: str) -> None:
    assert shown(raw) == stored


@given(st.lists(st.integers(84_320_000_000, 84_320_000_100) | st.integers(84_300_000_000, 84_999_999_999)))
def test_seen_answers_as_a_set_would(numbers: list[int]) -> None:
    seen, known = Seen(), set[int]()
    for number in numbers:
        assert seen.add(number) is (number not in known)
        known.add(number)


@pytest.mark.parametrize(
    ("raw", "tag"),
    [
        ("vi", "vi"),
        ("Tiếng Việt", "vi"),
        ("Mông", "hmn"),
        ("H'Mông", "hmn"),
        ("Thái", "blt"),
        ("HMN", "hmn"),
        ("zh_Hans", "zh-hans"),
        ("Klingon", None),
        ("", None),
    ],
)
def test_languages_are_known_by_tag_and_by_name(raw: str, tag: str | None) -> None:
    assert normalise_language(raw) == tag
