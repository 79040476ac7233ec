"""Tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; what would end a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n"


def sentence(words: str | None) -> str:
    """Return the words on one line, with a capital and a full stop."""
    flat = " ".join((words or "").split())
    if not flat:
        return ""
    capital = flat[0] if "://" in flat.split()[0] else flat[0].upper()
    return capital + flat[1:] + ("" if flat[-1] in ".:!?" else ".")
