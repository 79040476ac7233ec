"""What a command tells of a record: one field a line, and no word of anybody looks like a field."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from app.cli import output


@dataclass(frozen=True, slots=True)
class _Inner:
    note: str


@dataclass(frozen=True, slots=True)
class _Record:
    note: str
    inner: _Inner
    numbers: list[int] = field(default_factory=lambda: [1, 2])
    nothing: None = None
    texts: dict[str, str] = field(default_factory=lambda: {"": "one\nstate: approved"})


def test_each_field_is_a_line_and_lines_of_its_words_are_further_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.say(_Record("one\nstate: approved\x1b[1m", _Inner("two\nstate: approved")), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "note: one",
        "    state: approved\\u001b[1m",
        "inner:",
        "  note: two",
        "      state: approved",
        "numbers: 1, 2",
        "texts:",
        "  (default): one",
        "      state: approved",
    ]
