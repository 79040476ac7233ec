"""No line is ever lost: whatever quotation marks and delimiters stand in a file."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.batches.reader import BadLine, read_rows

LINE = st.text(st.sampled_from('0912,"; á'), min_size=1, max_size=10)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINE, max_size=20))
def test_every_line_gives_exactly_one_row_under_its_own_number(tmp_path: Path, lines: list[str]) -> None:
    file = tmp_path / "file.csv"
    file.write_text("\n".join(["phone,area", *lines]))
    found = [row.line if isinstance(row, BadLine) else row[0] for row in read_rows(file)]
    assert found == list(range(2, len(lines) + 2))
