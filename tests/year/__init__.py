"""A year in ten minutes: rounds of real work, after each of which every stored time is moved back."""

import pytest

pytest.register_assert_rewrite("tests.year.checks", "tests.year.life")
