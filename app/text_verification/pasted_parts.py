"""Find the SMS parts of texts in pasted lines: phones list parts apart, maybe the newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.text_verification.tokens import Word

Found = dict[int, dict[int, Sequence[Word]]]  # by number of the text: the words of each part that is there


@dataclass(frozen=True, slots=True)
class SmsPart:
    """One part: the number of its text, its place there from 0, and `2/3` if it is the second of three."""

    text: int
    nth: int
    count: str
    words: tuple[Word, ...]

    def is_same(self, pasted: Sequence[Word]) -> bool:
        """Compare with words that have the same letters without marks."""
        plain = all(word.plain for word in self.words)
        return all(map(lambda mine, its: mine.stands_for(its, plain), pasted, self.words))


class PastedParts:
    """The parts of all texts, by their words; texts: the words of each part of each text."""

    def __init__(self, texts: Iterable[Sequence[tuple[Word, ...]]]) -> None:
        self._by_words: defaultdict[tuple[str, ...], list[SmsPart]] = defaultdict(list)
        for number, parts in enumerate(texts):
            for nth, part in enumerate(parts):
                found = SmsPart(number, nth, f"{nth + 1}/{len(parts)}", part)
                self._by_words[_bare(part)].append(found)

    def look(self, lines: Iterable[Iterable[Sequence[Word]]]) -> Found:
        """Return the texts of which every line is a part, with the parts that are there.

        Each line comes as it is, then without its prefixes. One that is nothing but prefixes, such as the
        sender's name, counts for nothing.
        """
        of_all: Found | None = None
        for line in lines:
            forms = list(line)
            if not forms[-1]:
                continue
            own = {part.text: {part.nth: some} for part, some in self._parts(forms)}
            known = own if of_all is None else of_all
            of_all = {text: known[text] | own[text] for text in known.keys() & own.keys()}
        return of_all or {}

    def _parts(self, forms: Iterable[Sequence[Word]]) -> Iterator[tuple[SmsPart, Sequence[Word]]]:
        for some in forms:
            # A count may stand before or behind the part.
            for within, count in ((some, ()), (some[1:], some[:1]), (some[:-1], some[-1:])):
                for part in self._by_words.get(_bare(within), ()):
                    if _bare(count) in ((), (part.count,)) and part.is_same(within):
                        yield part, within


def _bare(some: Sequence[Word]) -> tuple[str, ...]:
    return tuple(word.bare for word in some)
