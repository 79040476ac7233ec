"""Compare a pasted text to the texts that were sent: the same, a part of one, altered, or unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import pairwise

from app.text_verification.pasted_parts import PastedParts
from app.text_verification.tokens import Word, words

MOST_WORDS = 800  # ten SMS parts have fewer
_MOST_LINES = 20  # that may be parts of one text, some of them pasted twice
_FEWEST = 5  # words of a text below which similarity means nothing
_ALIKE = 0.4  # least share of common word pairs, of those of the shorter text
_PREFIXES = (("tb",), ("qc",), ("thong", "bao"))  # what carriers put before a text
_FORWARDED = (("fwd",), ("fw",), ("chuyen", "tiep"))  # and who passes it on
_NEAR = (("hom", "nay"), ("hom", "qua"), ("am",), ("pm",), ("sa",), ("ch",))  # words beside a time
_FROM = ("tin", "nhan", "tu")  # the sender's name behind it
# The time and the day that messengers put beside the sender; no telephone number is written so.
_TIME = r"(?:[01]?\d|2[0-3])(?:[:h][0-5]\d|:[0-5]\d:[0-5]\d)"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])([/.-])(?:0?[1-9]|1[0-2])\1(?:20)?\d\d|20\d\d-(?:0[1-9]|1[0-2])-[0-3]\d"
_WHEN = {"time": re.compile(_TIME), "day": re.compile(_DAY)}
_PREFIXES_AT_ONCE = (
    6  # a day, a time and a word beside it, a sender, what the carrier and who forwards it add
)
_READ_TOGETHER = 4  # words that a day or a time before them is read with
_MOST_TIMES = 20  # that one text is pasted on end


class TextVerdict(StrEnum):
    GENUINE = "genuine"  # word for word one that was sent
    WITHDRAWN = "withdrawn"  # the same, but its sending was cancelled each time
    # The start or end of a sent text is missing, and nothing else differs. Phones cut at a length, so the end
    # may be missing from the middle of a word on.
    INCOMPLETE = "incomplete"
    ALTERED = "altered"  # similar to a sent text, but not the same: probably a forgery
    UNKNOWN = "unknown"


class WordChange(StrEnum):
    SAME = "same"
    ADDED = "added"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some words of the pasted text; or `…` where words of the original are missing in it.

    Which words these are is never shown: a stranger who types a few would learn the rest.
    """

    change: WordChange
    text: str


Ends = tuple[bool, bool]  # whether words are missing before, and behind
_GAP = TextPart(WordChange.MISSING, "…")


@dataclass(frozen=True, slots=True)
class TextUse:
    """One campaign that sent a text. Days of Vietnam; last_day None: it is still being sent.

    withdrawn: its sending was cancelled before the end.
    """

    first_day: date
    sender: str
    last_day: date | None
    withdrawn: bool = False


def in_order(uses: Iterable[TextUse]) -> tuple[TextUse, ...]:
    return tuple(sorted(set(uses), key=lambda use: (use.first_day, use.sender, use.last_day or date.max)))


@dataclass(frozen=True, slots=True)
class Known:
    """A text that was sent, with its uses.

    copies: its words as its SMS parts show them, if they are others; parts: the words of each part.
    """

    words: tuple[Word, ...]
    uses: tuple[TextUse, ...]
    copies: tuple[tuple[Word, ...], ...] = ()
    parts: tuple[tuple[Word, ...], ...] = ()
    bare: tuple[str, ...] = field(init=False)
    pairs: frozenset[tuple[str, str]] = field(init=False)
    plain: bool = field(init=False)  # sent without diacritics, which people who copy it may add

    def __post_init__(self) -> None:
        bare = tuple(word.bare for word in self.words)
        object.__setattr__(self, "bare", bare)
        object.__setattr__(self, "pairs", _pairs(bare))
        object.__setattr__(self, "plain", all(word.plain for word in self.words))

    def same(self, word: Word, original: Word) -> bool:
        return word.stands_for(original, self.plain)

    def part(self, pasted: Sequence[Word]) -> Ends | None:
        """Return what is missing before and behind these words if they are a part of the text, never all.

        The first and the last of them may be cut; five words or more have to be whole.
        """
        for at in self._places(pasted):
            if sum(map(self.same, pasted, self.words[at:])) >= _FEWEST and (
                found := self._missing(at, pasted)
            ):
                return found
        return None

    def has(self, pasted: Sequence[Word]) -> bool:
        """Return whether these words stand in the text, the first and the last of them maybe cut."""
        return next(self._places(pasted), None) is not None

    def _places(self, pasted: Sequence[Word]) -> Iterator[int]:
        inner = tuple(word.bare for word in pasted[1:-1])
        for at in range(len(self.bare) - len(pasted) + 1):
            if self.bare[at + 1 : at + 1 + len(inner)] == inner and self._stands_at(at, pasted):
                yield at

    def _stands_at(self, at: int, pasted: Sequence[Word]) -> bool:
        own = self.words[at : at + len(pasted)]
        same = list(map(self.same, pasted, own))
        first = same[0] or pasted[0].ends(own[0], self.plain)
        return all(same[1:-1]) and first and (same[-1] or pasted[-1].begins(own[-1], self.plain))

    def _missing(self, at: int, pasted: Sequence[Word]) -> Ends | None:
        end = at + len(pasted)
        before = at > 0 or not self.same(pasted[0], self.words[at])
        behind = end < len(self.words) or not self.same(pasted[-1], self.words[end - 1])
        return (before, behind) if before or behind else None


@dataclass(frozen=True, slots=True)
class TextComparison:
    """The verdict, the uses of the text that it is or resembles, and what differs."""

    verdict: TextVerdict
    uses: tuple[TextUse, ...] = ()
    parts: tuple[TextPart, ...] = ()


class Texts:
    """All texts that were sent, found by their exact words or by similarity."""

    def __init__(self, known: Iterable[Known]) -> None:
        self._known = [each for each in known if each.words]
        self._copies = [Known(copy, each.uses) for each in self._known for copy in each.copies]
        self._exact: dict[tuple[str, ...], list[Known]] = {}
        for each in (*self._known, *self._copies):
            self._exact.setdefault(each.bare, []).append(each)
        self._parts = PastedParts(each.parts for each in self._known)
        senders = {tuple(w.bare for w in words(use.sender)) for each in self._known for use in each.uses}
        introduced = {(*_FROM, *sender) for sender in senders}
        self._prefixes = sorted({*senders, *introduced, *_PREFIXES, *_FORWARDED, *_NEAR} - {()})

    def look(self, text: str) -> TextComparison:
        pasted = words(text)[: MOST_WORDS + 1]
        if not pasted:
            return TextComparison(TextVerdict.UNKNOWN)
        for some in self._without_prefix(pasted):
            uses = in_order(use for known in self._same(some) or self._repeated(some) for use in known.uses)
            if uses:
                return TextComparison(_by_uses(uses), uses)
        for some in self._without_prefix(pasted):
            if cut := self._cut(some):
                return cut
        if parts := self._of_parts(text):
            return parts
        near = self._nearest(pasted)
        found = TextComparison(TextVerdict.UNKNOWN) if near is None else _compared(near, pasted)
        if found.verdict is TextVerdict.ALTERED and self._is_scrap(pasted):
            return TextComparison(TextVerdict.UNKNOWN)
        return found

    def _is_scrap(self, pasted: list[Word]) -> bool:
        """Return whether it is some words of a text, with a cut one: too few to say anything of them."""
        known = (*self._known, *self._copies)
        return any(some and each.has(some) for some in self._without_prefix(pasted) for each in known)

    def _same(self, pasted: Sequence[Word]) -> list[Known]:
        found = self._exact.get(tuple(word.bare for word in pasted), ())
        return [known for known in found if all(map(known.same, pasted, known.words))]

    def _repeated(self, pasted: Sequence[Word]) -> list[Known]:
        """Return the texts that stand there several times on end, and nothing else."""
        for times in range(2, _MOST_TIMES + 1):
            size, rest = divmod(len(pasted), times)
            if size and not rest:
                found = [self._same(pasted[at : at + size]) for at in range(0, len(pasted), size)]
                if every := [each for each in found[0] if all(each in other for other in found)]:
                    return every
        return []

    def _cut(self, pasted: Sequence[Word]) -> TextComparison | None:
        if len(pasted) <= _FEWEST:
            return None
        found = [(each, ends) for each in self._known if (ends := each.part(pasted))]
        found = found or [(each, ends) for each in self._copies if (ends := each.part(pasted))]
        if not found:
            return None
        before, behind = (any(ends[side] for _, ends in found) for side in (0, 1))
        parts = (*[_GAP] * before, TextPart(WordChange.SAME, _joined(pasted)), *[_GAP] * behind)
        uses = in_order(use for each, _ in found for use in each.uses)
        return TextComparison(TextVerdict.INCOMPLETE, uses, parts)

    def _of_parts(self, text: str) -> TextComparison | None:
        """Judge lines of which each is an SMS part of the same text."""
        lines = [line for each in text.splitlines() if (line := words(each))]
        if not 1 < len(lines) <= _MOST_LINES:
            return None
        found = self._parts.look(map(self._without_prefix, lines))
        whole = [number for number, own in found.items() if len(own) == len(self._known[number].parts)]
        if whole:
            uses = in_order(use for number in whole for use in self._known[number].uses)
            return TextComparison(_by_uses(uses), uses)
        for number, own in sorted(found.items()):
            if max(map(len, own.values())) > _FEWEST:
                shown = tuple(_shown(own, len(self._known[number].parts)))
                return TextComparison(TextVerdict.INCOMPLETE, self._known[number].uses, shown)
        return None

    def _without_prefix(self, pasted: list[Word]) -> Iterator[list[Word]]:
        """Yield the text as it is, then without what carriers, phones or messengers have put before it.

        One day and one time at the most: several might be a telephone number. Nor may figures be among the
        first words of what is left: the day or time would be read with them.
        """
        yield pasted
        when = dict(_WHEN)
        for _ in range(_PREFIXES_AT_ONCE):
            bare = tuple(word.bare for word in pasted)
            own = [len(prefix) for prefix in self._prefixes if bare[: len(prefix)] == prefix]
            found = next((kind for kind, form in when.items() if bare and form.fullmatch(bare[0])), None)
            if found:
                del when[found]
                own.append(1)
            if not own:
                return
            pasted = pasted[max(own) :]
            if not (found and any(word.bare[0].isdecimal() for word in pasted[:_READ_TOGETHER])):
                yield pasted

    def _nearest(self, pasted: Sequence[Word]) -> Known | None:
        mine = _pairs([word.bare for word in pasted])
        if len(pasted) < _FEWEST:
            return None
        best, found = 0.0, None
        for known in self._known:
            shorter = min(len(mine), len(known.pairs))
            alike = len(mine & known.pairs) / shorter if len(known.words) >= _FEWEST and shorter else 0.0
            if alike > best:
                best, found = alike, known
        return found if best >= _ALIKE else None


def _shown(own: Mapping[int, Sequence[Word]], count: int) -> Iterator[TextPart]:
    """Yield the parts that are there in their order, with a gap where others are missing."""
    for nth in range(count):
        if nth in own:
            yield TextPart(WordChange.SAME, _joined(own[nth]))
        elif nth == 0 or nth - 1 in own:
            yield _GAP


def _by_uses(uses: Sequence[TextUse]) -> TextVerdict:
    return TextVerdict.WITHDRAWN if all(use.withdrawn for use in uses) else TextVerdict.GENUINE


def _pairs(bare: Sequence[str]) -> frozenset[tuple[str, str]]:
    return frozenset(pairwise(bare))


def _compared(known: Known, pasted: Sequence[Word]) -> TextComparison:
    parts = tuple(_parts(known, pasted))
    kinds = [part.change for part in parts]
    inside = kinds[1:-1] if len(kinds) > 1 else kinds
    whole = WordChange.ADDED not in kinds and WordChange.MISSING not in inside
    return TextComparison(TextVerdict.INCOMPLETE if whole else TextVerdict.ALTERED, known.uses, parts)


def _parts(known: Known, pasted: Sequence[Word]) -> Iterator[TextPart]:
    """Yield the pasted words in order, with a gap where words of the original are missing."""
    matcher = SequenceMatcher(None, known.bare, [word.bare for word in pasted], autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        original, mine = known.words[i1:i2], pasted[j1:j2]
        if kind == "equal":
            yield from _matched(known, original, mine)
            continue
        if original:
            yield _GAP
        if mine:
            yield TextPart(WordChange.ADDED, _joined(mine))


def _matched(known: Known, original: Sequence[Word], pasted: Sequence[Word]) -> Iterator[TextPart]:
    """Yield words of the same letters: those with other diacritics count as other words."""
    run: list[Word] = []
    for mine, its in zip(pasted, original, strict=True):
        if known.same(mine, its):
            run.append(mine)
            continue
        if run:
            yield TextPart(WordChange.SAME, _joined(run))
        run = []
        yield _GAP
        yield TextPart(WordChange.ADDED, mine.raw)
    if run:
        yield TextPart(WordChange.SAME, _joined(run))


def _joined(some: Iterable[Word]) -> str:
    return " ".join(word.raw for word in some)
