"""A tutorial's commands, who types them, and what they answer, as they stand in the document."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ANYTHING = "…"  # in an answer: any text, also none
YOU = "you"  # the account of a block that names none
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ACCOUNT = re.compile(r"# as ([a-z]+)\n")


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
    for language, content in _FENCE.findall(document.read_text("utf-8")):
        if language == "sh":
            account = _ACCOUNT.match(content)
            found.append(Block(account[1] if account else YOU, content))
        elif language == "text":
            found[-1].answer += content
    return found
