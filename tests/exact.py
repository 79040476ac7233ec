"""The pattern of one sentence and no other, for `pytest.raises(match=...)`."""

from __future__ import annotations

import re


def exactly(sentence: str) -> str:
    return rf"\A{re.escape(sentence)}\Z"
