"""Whether an approved text stands among the words of a page, and which of its words do not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from app.reports.figures.publications import PublicationState, PublishedDifference
from app.text_verification.tokens import Word, words

MOST_WORDS = 300_000
MOST_DIFFERENCES = 30
_ALIKE = 0.5  # of the text's words, in a row of about its length: below, it is another text
_DIGIT = re.compile(r"\d")
Found = tuple[PublicationState, tuple[PublishedDifference, ...]]


def compare(page: str, forms: Sequence[str]) -> Found:
    """Compare with each form of the text; the one that is nearest counts."""
    seen = words(page)[:MOST_WORDS]
    found = [_compare(seen, words(form)) for form in dict.fromkeys(forms)]
    return min(found, key=lambda each: (_RANK[each[0]], len(each[1])))


_RANK = {PublicationState.PUBLISHED: 0, PublicationState.CHANGED: 1, PublicationState.GONE: 2}


def _compare(seen: Sequence[Word], text: Sequence[Word]) -> Found:
    wanted, page = [word.letters for word in text], [word.letters for word in seen]
    if _has(page, wanted):
        return PublicationState.PUBLISHED, ()
    at = _nearest([word.bare for word in seen], [word.bare for word in text])
    if at is None:
        return PublicationState.GONE, ()
    part = seen[at[0] : at[1]]
    differences = tuple(_differences(text, part))
    return PublicationState.CHANGED, differences[:MOST_DIFFERENCES]


def _has(page: Sequence[object], wanted: Sequence[object]) -> bool:
    size = len(wanted)
    return any(page[at] == wanted[0] and page[at : at + size] == wanted for at in range(len(page) - size + 1))


def _nearest(page: Sequence[str], text: Sequence[str]) -> tuple[int, int] | None:
    """Return where the most of the text's words stand near each other; None if it is nowhere."""
    size = len(text) + len(text) // 4 + 4
    left, inside, best, at = Counter(text), 0, 0, 0
    for end, word in enumerate(page):
        inside += left[word] > 0
        left[word] -= 1
        if end >= size:
            old = page[end - size]
            left[old] += 1
            inside -= left[old] > 0
        if inside > best:
            best, at = inside, end + 1
    if best < max(2, _ALIKE * len(text)) and best < len(text):
        return None
    return max(0, at - size - len(text)), min(len(page), at + len(text))


def _differences(text: Sequence[Word], part: Sequence[Word]) -> Iterator[PublishedDifference]:
    """Yield what differs; words before and after the text on the page are not of it."""
    matcher = SequenceMatcher(
        None, [word.letters for word in text], [word.letters for word in part], autojunk=False
    )
    steps = matcher.get_opcodes()
    for nth, (kind, i1, i2, j1, j2) in enumerate(steps):
        if kind == "equal":
            continue
        mine = part[j1:j2]
        if nth == 0:
            mine = mine[len(mine) - (i2 - i1) :] if len(mine) > i2 - i1 else mine
        if nth == len(steps) - 1:
            mine = mine[: i2 - i1]
        if i1 == i2 and not mine:
            continue
        yield PublishedDifference(_joined(text[i1:i2]), _DIGIT.sub("*", _joined(mine)))


def _joined(some: Sequence[Word]) -> str:
    return " ".join(word.raw for word in some)[:500]
