"""Long lists of cases of one kind: some of them in every run, all of them in `make prove`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def each_third(cases: Iterable[Any]) -> list[Any]:
    """Return the cases as parameters, of which the first of each three are not left to `make prove`."""
    return [
        case if not number % 3 else pytest.param(*_values(case), marks=pytest.mark.prove)
        for number, case in enumerate(cases)
    ]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
