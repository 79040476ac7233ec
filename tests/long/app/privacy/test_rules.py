"""Rules of retention stand on certificates in Vietnamese, with their numbers."""

from __future__ import annotations

import pytest

from app.core.phone import Sentence
from app.privacy import erasable

VALUES = {"days": 90, "months": 24, "report": 7}


@pytest.mark.parametrize("rule", erasable.ALL, ids=lambda rule: rule.en)
def test_each_rule_is_said_in_vietnamese_with_its_numbers(rule: Sentence) -> None:
    said = erasable.vietnamese(rule.en.format(**VALUES))
    assert said == rule.vi.format(**VALUES)
    assert "{" not in said


def test_what_is_no_rule_stays_as_it_is() -> None:
    assert erasable.vietnamese("Cảnh báo Tết {0}") == "Cảnh báo Tết {0}"
