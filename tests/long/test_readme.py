"""The README says the same in both languages."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(file: str) -> list[str]:
    """The lines of its shell examples, without what is said about them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / file).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [re.sub(r"\s+#.*", "", line) for block in blocks for line in block.splitlines()]


def test_both_languages_have_the_same_commands() -> None:
    assert len(commands("README.md")) > 10
    assert commands("README.vi.md") == commands("README.md")
