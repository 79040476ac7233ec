"""How a text reads that was copied from its SMS parts one by one: broken where a part ends, or counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from app.text_verification.tokens import Word, words
from carriers.text import split

_MOST_BREAKS = 4  # within words; of more, only all at once


def copied(text: str) -> tuple[tuple[Word, ...], ...]:
    """Return the words of each such copy that are others than the text's own."""
    parts = split(text).parts
    if len(parts) == 1:
        return ()
    own = tuple(words(text))
    found = dict.fromkeys(tuple(words(copy)) for copy in (*_broken(parts, own), *_counted(parts)))
    return tuple(each for each in found if each != own)


def parts_of(text: str) -> tuple[tuple[Word, ...], ...]:
    """Return the words of each SMS part."""
    return tuple(tuple(words(part)) for part in split(text).parts)


def _broken(parts: Sequence[str], own: tuple[Word, ...]) -> Iterator[str]:
    """Yield the text with line ends between parts, wherever one of them changes a word."""
    within = [end for end in range(1, len(parts)) if tuple(words(_joined(parts, (end,)))) != own]
    least = 1 if len(within) <= _MOST_BREAKS else len(within)
    for size in range(least, len(within) + 1):
        for ends in combinations(within, size):
            yield _joined(parts, ends)


def _joined(parts: Sequence[str], ends: Sequence[int]) -> str:
    return "".join(f"\n{part}" if nth in ends else part for nth, part in enumerate(parts))


def _counted(parts: Sequence[str]) -> Iterator[str]:
    """Yield the text as phones and carriers number its parts, before or behind each."""
    counts = [f"{nth}/{len(parts)}" for nth in range(1, len(parts) + 1)]
    yield "\n".join(f"{count} {part}" for count, part in zip(counts, parts, strict=True))
    yield "\n".join(f"{part} {count}" for count, part in zip(counts, parts, strict=True))
