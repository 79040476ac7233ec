"""Rows become slices: every line in exactly one place, repeats found in any spelling."""

from __future__ import annotations

import pytest

from app.batches.row_parser import RowParser
from app.file_import.row_blocks import Block, UnreadableLine

Row = tuple[int, str, str, str]


def block(*rows: Row) -> Block:
    numbers, *cells = zip(*rows, strict=True)
    return Block(numbers, tuple(cells))


def test_one_number_in_all_its_spellings_is_one_subscriber_and_the_rest_repeats() -> None:
    spellings = ["0322000004", "84322000004", "+84322000004", "0084322000004", "01622000004", "322000004"]
    rows = [(line, raw, "", "") for line, raw in enumerate(spellings, 2)]
    (found,) = RowParser(1, "viettel").slices([block(*rows)])
    assert found.good.columns(1) == ([1], [2], [84_322_000_004], [None])
    assert [bad[2] for bad in found.bad] == ["repeated"] * 5
    assert found.repeated == 5


def test_slices_hold_as_many_lines_as_asked_for() -> None:
    rows = [(line, "" if line % 3 else f"09120{line:05d}", "x", "") for line in range(2, 27)]
    found = list(RowParser(1, "vnpt").slices([block(*rows)], size=10))
    assert [each.lines for each in found] == [10, 10, 5]


def test_slices_go_across_blocks_and_lines_that_the_reader_refused() -> None:
    blocks = [
        block((2, "0912000002", "", "")),
        UnreadableLine(3, "quotes", '"'),
        block((4, "x", "", ""), (5, "", "", "vi")),
    ]
    found = list(RowParser(1, "vnpt").slices(blocks, size=3))
    assert [(len(each.good), [bad[1] for bad in each.bad]) for each in found] == [(1, [3, 4]), (0, [5])]


def test_a_number_that_is_met_again_in_a_later_block_is_a_repeat() -> None:
    (found,) = RowParser(1, "vnpt").slices(
        [block((2, "0912000002", "", "")), block((3, "84912000002", "", ""))]
    )
    assert (len(found.good), found.bad) == (1, [(1, 3, "repeated", "8491*****02")])


@pytest.mark.longer
def test_the_hash_of_the_rows_is_the_same_in_slices_of_any_size() -> None:
    rows = [(line, "x" if line % 5 else f"09120{line:05d}", "", "") for line in range(2, 60)]
    hashes = set()
    for size in (1, 7, 100):
        sifter = RowParser(1, "vnpt")
        assert sum(len(each.good) for each in sifter.slices([block(*rows)], size)) == 11
        hashes.add(sifter.rows_sha256)
    assert len(hashes) == 1
    changed = RowParser(1, "vnpt")
    assert list(changed.slices([block(*rows[:-1], (59, "0912000059", "", ""))]))
    assert changed.rows_sha256 not in hashes


def test_a_row_without_a_number_is_a_line_that_says_so() -> None:
    """The reader gives no blank rows."""
    (found,) = RowParser(1, "vnpt").slices([block((2, "", "", ""), (3, "-", "", ""))])
    assert found.bad == [(1, 2, "empty", ""), (1, 3, "empty", "-")]


def test_unknown_areas_and_languages_that_nobody_keeps_are_counted_and_reject_nobody() -> None:
    sifter = RowParser(1, "vnpt")
    rows = [(line, f"09120000{line:02d}", "99999", "Klingon") for line in range(10, 13)]
    (found,) = sifter.slices([block(*rows, (13, "0912000013", " ", ""))])
    assert len(found.good) == 4
    assert (sifter.unknown_areas, sifter.languages_ignored) == (3, 3)


@pytest.mark.parametrize(("carrier", "others"), [("vnpt", 2), ("viettel", 1), ("itel", 3), ("lab", 0)])
def test_numbers_of_other_ranges_are_counted_for_carriers_that_hold_ranges(carrier: str, others: int) -> None:
    rows = [(2, "0912000001", "", ""), (3, "0322000001", "", ""), (4, "0322000002", "", "")]
    (found,) = RowParser(1, carrier).slices([block(*rows)])
    assert len(found.good) == 3
    assert found.other_range == others


def test_lines_that_the_reader_refused_are_kept_masked() -> None:
    (found,) = RowParser(1, "vnpt").slices([UnreadableLine(7, "quotes", '"0912000001')])
    assert found.bad == [(1, 7, "quotes", '"0912****01')]
