"""Compare a pasted text to the texts that were sent: the same, a part of one, altered, or unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import groupby, pairwise

from app.text_verification.tokens import Word, words

MOST_WORDS = 800  # ten SMS parts have fewer
_FEWEST = 5  # words of a text below which similarity means nothing
_ALIKE = 0.4  # least share of common word pairs, of those of the shorter text
_PREFIXES = (("tb",), ("qc",), ("thong", "bao"))  # what carriers put before a text
_MOST_PREFIXES = 2  # a carrier's and the sender's name
# A word that a telephone may dial, or that may be an account; a day is neither.
_NUMBER = re.compile(r"[0-9]+(?:[.,-][0-9]+)*")
_SHORTEST = 8  # digits of a telephone number, however they are spaced
_DIALLED = re.compile(r"(?![0-9]{1,2}([/.-])[0-9]{1,2}\1(?:20)?[0-9]{2}$).*[0-9](?:[.,-]?[0-9]){2}")


class TextVerdict(StrEnum):
    GENUINE = "genuine"  # word for word one that was sent
    WITHDRAWN = "withdrawn"  # the same, but its sending was cancelled each time
    # The start or end of a sent text is missing, and nothing else differs. Phones cut at a length, so the end
    # may be missing from the middle of a word on.
    INCOMPLETE = "incomplete"
    ALTERED = "altered"  # similar to a sent text, but not the same
    UNKNOWN = "unknown"


class WordChange(StrEnum):
    SAME = "same"
    ADDED = "added"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some words of a text. Of a pasted one `…` stands for words of the original that are missing in it.

    Which words these are is never shown: a stranger who types a few would learn the rest.
    """

    change: WordChange
    text: str


def word_by_word(before: str, now: str) -> Iterator[TextPart]:
    """Yield the words of two texts in order: those that are the same, missing now, and added now."""
    old, new = before.split(), now.split()
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield TextPart(WordChange.SAME, " ".join(new[j1:j2]))
            continue
        if i1 < i2:
            yield TextPart(WordChange.MISSING, " ".join(old[i1:i2]))
        if j1 < j2:
            yield TextPart(WordChange.ADDED, " ".join(new[j1:j2]))


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
    """A text that was sent, with its uses."""

    words: tuple[Word, ...]
    uses: tuple[TextUse, ...]
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
        """Return what is missing before and behind these words, if they stand in the text.

        The first and the last of them may be cut.
        """
        inner = tuple(word.bare for word in pasted[1:-1])
        for at in range(len(self.bare) - len(pasted) + 1):
            end = at + len(pasted)
            if self.bare[at + 1 : end - 1] == inner and self._stands_at(at, pasted):
                before = at > 0 or not self.same(pasted[0], self.words[at])
                return before, end < len(self.words) or not self.same(pasted[-1], self.words[end - 1])
        return None

    def _stands_at(self, at: int, pasted: Sequence[Word]) -> bool:
        own = self.words[at : at + len(pasted)]
        same = list(map(self.same, pasted, own))
        first = same[0] or pasted[0].ends(own[0], self.plain)
        return all(same[1:-1]) and first and (same[-1] or pasted[-1].begins(own[-1], self.plain))


@dataclass(frozen=True, slots=True)
class TextComparison:
    """The verdict, the uses of the text that it is or resembles, and what differs.

    link_or_number: a link, a telephone number or an account number is among what differs.
    """

    verdict: TextVerdict
    uses: tuple[TextUse, ...] = ()
    parts: tuple[TextPart, ...] = ()
    link_or_number: bool = False


class Texts:
    """All texts that were sent, found by their exact words or by similarity."""

    def __init__(self, texts: Iterable[Known]) -> None:
        self._known = [each for each in texts if each.words]
        self._exact: dict[tuple[str, ...], list[Known]] = {}
        for each in self._known:
            self._exact.setdefault(each.bare, []).append(each)
        senders = {tuple(w.bare for w in words(use.sender)) for each in self._known for use in each.uses}
        self._prefixes = sorted({*senders, *_PREFIXES} - {()})

    def look(self, text: str) -> TextComparison:
        pasted = words(text)[: MOST_WORDS + 1]
        forms = list(self._without_prefix(pasted))
        for form in forms:
            if uses := in_order(use for known in self._same(form) for use in known.uses):
                withdrawn = all(use.withdrawn for use in uses)
                return TextComparison(TextVerdict.WITHDRAWN if withdrawn else TextVerdict.GENUINE, uses)
        for form in forms:
            if cut := self._cut(form):
                return cut
        near = self._nearest(pasted)
        return TextComparison(TextVerdict.UNKNOWN) if near is None else _altered(near, pasted)

    def _same(self, pasted: Sequence[Word]) -> list[Known]:
        found = self._exact.get(tuple(word.bare for word in pasted), ())
        return [known for known in found if all(map(known.same, pasted, known.words))]

    def _cut(self, pasted: Sequence[Word]) -> TextComparison | None:
        """Judge words that stand in a text; of so few that one of them is cut, nothing can be said."""
        found = [(known, ends) for known in self._known if pasted and (ends := known.part(pasted))]
        if not found:
            return None
        if len(pasted) <= _FEWEST:
            return TextComparison(TextVerdict.UNKNOWN)
        before, behind = (any(ends[side] for _, ends in found) for side in (0, 1))
        parts = (*[_GAP] * before, TextPart(WordChange.SAME, _joined(pasted)), *[_GAP] * behind)
        return TextComparison(
            TextVerdict.INCOMPLETE, in_order(use for each, _ in found for use in each.uses), parts
        )

    def _without_prefix(self, pasted: list[Word]) -> Iterator[list[Word]]:
        """Yield the text as it is, then without what carriers and telephones put before it."""
        yield pasted
        for _ in range(_MOST_PREFIXES):
            bare = tuple(word.bare for word in pasted)
            own = [len(prefix) for prefix in self._prefixes if bare[: len(prefix)] == prefix]
            if not own:
                return
            pasted = pasted[max(own) :]
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


def _pairs(bare: Sequence[str]) -> frozenset[tuple[str, str]]:
    return frozenset(pairwise(bare))


def _altered(sent_text: Known, pasted: Sequence[Word]) -> TextComparison:
    """Show the pasted words in order, with a gap where words of the original are missing.

    Words of the same letters with other diacritics count as other words.
    """
    parts, different = list[TextPart](), list[Word]()
    matcher = SequenceMatcher(None, sent_text.bare, [word.bare for word in pasted], autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        original, mine = sent_text.words[i1:i2], pasted[j1:j2]
        if kind == "equal":
            for word, its in zip(mine, original, strict=True):
                if sent_text.same(word, its):
                    _add(parts, WordChange.SAME, word)
                else:
                    parts.append(_GAP)
                    _add(parts, WordChange.ADDED, word)
                    different += (word, its)
            continue
        if original:
            parts.append(_GAP)
        for word in mine:
            _add(parts, WordChange.ADDED, word)
        different += (*original, *mine)
    odd = dict(_numbers(sent_text.words)).items() ^ dict(_numbers(pasted)).items()
    dangerous = any(word.is_address for word in different) or any(dialled for _, dialled in odd)
    return TextComparison(TextVerdict.ALTERED, sent_text.uses, tuple(parts), dangerous)


def _numbers(words: Sequence[Word]) -> Iterator[tuple[str, bool]]:
    """Yield numbers, however they are spaced or dotted, and whether a telephone may dial them."""
    for numeric, group in groupby(words, lambda word: _NUMBER.fullmatch(word.raw) is not None):
        written = [word.raw for word in group]
        dialled = any(map(_DIALLED.match, written))
        digits = re.sub("[^0-9]", "", "".join(written))
        if numeric:
            yield digits, dialled or (len(written) > 1 and len(digits) >= _SHORTEST)
        else:
            yield from ((raw, True) for raw in written if _DIALLED.match(raw))


def _add(parts: list[TextPart], change: WordChange, word: Word) -> None:
    """Append a word to the last part if it is of the same kind."""
    if parts and parts[-1].change is change:
        parts[-1] = TextPart(change, f"{parts[-1].text} {word.raw}")
    else:
        parts.append(TextPart(change, word.raw))


def _joined(words: Iterable[Word]) -> str:
    return " ".join(word.raw for word in words)
