"""Numbers met before are known again, at one bit each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.file_import.bulk_insert import PhoneBitmap

NUMBERS = st.lists(
    st.just(0) | st.integers(84_320_000_000, 84_320_000_100) | st.integers(84_300_000_000, 84_999_999_999)
)


@pytest.mark.longer
@given(st.lists(NUMBERS))
def test_seen_answers_as_a_set_would_and_takes_0_for_no_number(lists: list[list[int]]) -> None:
    seen, known = PhoneBitmap(), {0}
    for numbers in lists:
        expected = []
        for number in numbers:
            expected.append(number not in known)
            known.add(number)
        assert seen.add_all(numbers) == expected
