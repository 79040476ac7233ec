"""A tutorial's commands, who types them, and what they answer, as they stand in the document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ANYTHING = "…"  # in an answer: any text, also none
_FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(slots=True)
class Block:
    """Commands of one account; answer: lines that their output must have, in this order."""

    account: str
    commands: str
    answer: str = ""

    def missing(self, output: str) -> str | None:
        """Return the first line of the answer that the output does not have, None if all are there."""
        lines = iter(output.splitlines())
        for wanted in self.answer.splitlines():
            pattern = ".*".join(re.escape(part) for part in wanted.rstrip().split(ANYTHING))
            if not any(re.fullmatch(pattern, line.rstrip()) for line in lines):
                return wanted
        return None


def blocks(document: Path) -> list[Block]:
    """Return the `sh` blocks, each with the `text` block behind it."""
    found: list[Block] = []
    for language, account, content in _read(document):
        if language == "sh":
            found.append(Block(account, content))
        elif language == "text":
            found[-1].answer += content
    return found


def _read(document: Path) -> Iterator[tuple[str, str, str]]:
    for match in _FENCE.finditer(document.read_text("utf-8")):
        yield match[1], match[2] or "", match[3]
