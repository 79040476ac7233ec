"""What stood in a file is stored and handed out so that it harms nobody."""

from __future__ import annotations

import csv
import io

import pytest

from app.tables.cells import csv_pieces, safe, shown


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


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_that_looks_like_a_formula_is_text(start: str) -> None:
    assert safe(f"{start}1") == f"'{start}1"
    assert safe(f"1{start}") == f"1{start}"


def test_a_long_table_comes_in_pieces_that_make_one_file() -> None:
    pieces = list(csv_pieces(("n", "word"), ([n, f"Chữ {n}"] for n in range(1201))))
    assert len(pieces) == 3
    rows = list(csv.reader(io.StringIO("".join(pieces).removeprefix("\ufeff"))))
    assert rows == [["n", "word"], *([str(n), f"Chữ {n}"] for n in range(1201))]
