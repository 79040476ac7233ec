"""The bad lines as a file: in pieces, complete."""

from __future__ import annotations

import csv
import io

from app.batches.queries import HEADER, BadLine, bad_lines_csv
from app.batches.row_parser import KEPT


def test_a_long_list_comes_in_pieces_that_make_one_file() -> None:
    lines = [BadLine(n, "letters", "Words.", "Chữ.", f"@{n}") for n in range(1, 1202)]
    pieces = list(bad_lines_csv(lines, len(lines)))
    assert len(pieces) == 3
    rows = list(csv.reader(io.StringIO("".join(pieces).removeprefix("\ufeff"))))
    assert rows[0] == list(HEADER)
    assert [row[4] for row in rows[1:]] == [f"'@{n}" for n in range(1, 1202)]


def test_an_empty_list_is_a_file_with_its_header() -> None:
    assert list(bad_lines_csv([], 0)) == ["\ufeff" + ",".join(HEADER) + "\r\n"]


def test_what_is_counted_and_not_kept_is_said_at_the_end() -> None:
    told = "".join(bad_lines_csv([BadLine(1, "letters", "Words.", "Chữ.", "x")], KEPT + 7))
    assert ',,7 more bad lines were counted but not stored.,"Còn 7 dòng lỗi nữa' in told.splitlines()[-1]
