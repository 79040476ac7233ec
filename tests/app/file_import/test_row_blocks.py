"""No line is ever lost: whatever quotation marks and delimiters stand in a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.file_import.row_blocks import Row, UnreadableLine
from tests.app.file_import.layouts import read_rows

LINE = st.text(st.sampled_from('0912,"; á'), min_size=1, max_size=10)


@pytest.mark.longer
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=20))
def test_every_line_with_anything_in_it_is_found_once_in_order(tmp_path: Path, lines: list[str]) -> None:
    file = tmp_path / "file.csv"
    file.write_text("\n".join(["phone,area", *lines]))
    found = [row.line if isinstance(row, UnreadableLine) else row[0] for row in read_rows(file)]
    filled = {number for number, line in enumerate(lines, 2) if line.strip(', "')}
    assert found == sorted(set(found))
    assert filled <= set(found) <= set(range(2, len(lines) + 2))


def _rows(file: Path, lines: list[str]) -> list[Row | UnreadableLine]:
    file.write_text("\n".join(lines))
    return list(read_rows(file))


@pytest.mark.longer
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["phone", "phone,area", "name,lang,phone"]),
    st.lists(
        st.sampled_from(
            ["0912345678", "0912345678,03646", "Tý,vi,0912", ",", "", " ", " 0, 1", "\u00a0,á", "a,b,c,"]
        )
    ),
)
def test_lines_of_one_width_are_read_as_any_others(tmp_path: Path, header: str, lines: list[str]) -> None:
    """A quotation mark among them keeps lines from being taken apart all at once."""
    file = tmp_path / "file.csv"
    assert _rows(file, [header, *lines, "0"]) == [*_rows(file, [header, *lines, '"0"'])]
