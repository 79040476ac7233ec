"""Split a text into words, ignoring what copying changes: spaces, quotes, case, accents, hidden marks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from carriers.text import unaccent

# Between words; between two digits part of the number: 1,5 is neither 1 5 nor 1;5. Never part of
# an address, so nothing that can be tapped hides behind them.
_SIGNS = ",;!?\"'()\\[\\]{}<>|`*\u00b4\u2018-\u201f\u2022\u2039\u203a\u00ab\u00bb\u00b7"
_DIALLED = r"(?<![\w*#])\*[0-9][0-9*]*#"  # a code that a telephone dials: *101# is none without its star
_PIECE = re.compile(rf"{_DIALLED}|(?:[^\s{_SIGNS}]|(?<=\d)[{_SIGNS}]+(?=\d))+")
_DASHES = re.compile("[\u2010-\u2015\u2212\u00ad\ufe58\ufe63\uff0d]")
_EDGES = ".:-_/"
_DISGUISED = re.compile(
    r"\s?[\[({]\.[\])}]\s?"
)  # evil[.]top, which people are asked to type without brackets
_SPACE = re.compile("[\\s\\x00-\\x1f\\x7f]+")
# What stands before the path of a link: a scheme and a host, or a host alone.
_HOST = re.compile(
    r"(?:://[^\s/?#]+|\w\.[^\W\d_][\w-]+|(?<![\w.])[0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]+)?(?=[/?#])"
)
_AFTER_LINK = ".:,;!\"')]}>|*`\u00b4\u2018\u2019\u201c\u201d\u203a\u00bb"  # at its end, no part of it
_OF_ADDRESSES = frozenset(".:/@")
_TAPPED = re.compile(r"\w\.\w|@|://")  # a host, a mail address, a scheme; va/hoac is none
_NUMERIC = re.compile(r"[0-9]+(?:[-./:,][0-9]+)*")  # a date, a time, an amount: half of it is no address
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_EITHER = frozenset({("o", "a"), ("o", "e"), ("u", "y")})  # vowels of which either may bear the tone
_BAR = "\u0335"  # stands for the bar of đ, which Unicode does not decompose
_MARKS = frozenset("\u0300\u0301\u0303\u0309\u0323\u0302\u0306\u031b" + _BAR)
# Invisible too, but they show what follows from right to left: a number would read as another one.
_TURNING = dict.fromkeys((0x202B, 0x202E, 0x2067), "\ufffd")
_VARIANTS = range(0xFE00, 0xFE10)  # variation selectors, which are invisible


Letter = tuple[str, frozenset[str]]


class Word(NamedTuple):
    """One word. raw: as written; bare: lower-case without marks; letters: each with its marks.

    Path and query of a link stay as they are written, for another case leads to another place.
    """

    raw: str
    bare: str
    letters: tuple[Letter, ...]

    @property
    def plain(self) -> bool:
        return not any(marks for _, marks in self.letters)

    @property
    def is_address(self) -> bool:
        """Whether it may be tapped: another mark makes another host of it, which is somebody else's."""
        return not _NUMERIC.fullmatch(self.raw) and _TAPPED.search(self.raw) is not None

    @property
    def vietnamese(self) -> bool:
        return all(marks <= _MARKS for _, marks in self.letters)

    def copies(self, original: Word) -> bool:
        """Return whether it has the same letters, each with the original's marks or none, as in copies."""
        pairs = zip(self.letters, original.letters, strict=False)
        return self.bare == original.bare and all(not mine[1] or mine[1] == its[1] for mine, its in pairs)

    def stands_for(self, original: Word, plain: bool) -> bool:
        """Return whether it is a copy; plain: of a text sent without diacritics, which a copy may have.

        Not in an address.
        """
        if plain and not original.is_address:
            return self.bare == original.bare and self.vietnamese
        return self.copies(original)

    def begins(self, original: Word, plain: bool) -> bool:
        """Return whether it is the beginning of a longer word; plain: of a text sent without diacritics.

        Half of an address is none: what has a full stop may be the whole address of somebody else.
        """
        return self._is_half(original, original.letters[: len(self.letters)], plain)

    def ends(self, original: Word, plain: bool) -> bool:
        """Return whether it is the end of a longer word, likewise."""
        return self._is_half(original, original.letters[len(original.letters) - len(self.letters) :], plain)

    def _is_half(self, original: Word, half: tuple[Letter, ...], plain: bool) -> bool:
        if len(self.letters) >= len(original.letters):
            return False
        if not _NUMERIC.fullmatch(original.raw) and not _OF_ADDRESSES.isdisjoint(self.raw):
            return False
        plain = plain and not original.is_address
        return all(
            mine == its and (marks <= _MARKS if plain else not marks or marks == other)
            for (mine, marks), (its, other) in zip(self.letters, half, strict=False)
        )


def words(text: str) -> list[Word]:
    """Return the words of a text in order; whatever is visible and no separator belongs to one."""
    shown = _DISGUISED.sub(".", text.translate(_TURNING))
    return [word for written in _SPACE.split(shown) for word in _between_spaces(written)]


def _between_spaces(written: str) -> Iterator[Word]:
    visible = "".join(char for char in written if not _invisible(char))
    normal = _DASHES.sub("-", unicodedata.normalize("NFKC", visible))
    host = _HOST.search(normal)
    path = _path(normal[host.end() :], written) if host else ""
    if not host or not path:
        yield from _plain_words(_PIECE.findall(normal))
        return
    *before, first = _PIECE.findall(normal[: host.end()]) or [""]
    yield from _plain_words(before)
    yield _word(first.lstrip(_EDGES), path)


def _plain_words(pieces: Iterable[str]) -> Iterator[Word]:
    return (_word(raw) for piece in pieces if (raw := _without_edges(piece)))


def _without_edges(piece: str) -> str:
    """Remove what touches a word; not a sign before a mail address, which makes another one of it."""
    return piece.rstrip(_EDGES).lstrip(".:/" if "@" in piece else _EDGES)


def _path(rest: str, written: str) -> str:
    """Return the path and query with which a link goes on; another one if copying has changed its signs."""
    path = rest.rstrip(_AFTER_LINK)
    if path in ("", "/", "?", "#"):
        return ""
    return path if path in unicodedata.normalize("NFC", written) else f"\ufffd{written}"


def _invisible(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or ord(char) in _VARIANTS


def _word(raw: str, path: str = "") -> Word:
    small = unicodedata.normalize("NFC", raw.casefold())
    return Word(raw + path, unaccent(small) + path, tuple(_one_spelling([*_letters(small + path)])))


def _one_spelling(letters: list[Letter]) -> list[Letter]:
    """Move the tone of doạ to where dọa has it: both are in use, and keyboards change one into the other."""
    for n, ((first, marks), (second, more)) in enumerate(pairwise(letters)):
        tone = more & _TONES
        if tone and (first, second) in _EITHER and not marks & _TONES:
            letters[n], letters[n + 1] = (first, marks | tone), (second, more - tone)
    return letters


def _letters(small: str) -> Iterator[Letter]:
    letter, marks = "", set[str]()
    for char in unicodedata.normalize("NFD", small.replace("đ", "d" + _BAR)):
        if unicodedata.combining(char):
            marks.add(char)
            continue
        if letter:
            yield letter, frozenset(marks)
        letter, marks = char, set()
    if letter:
        yield letter, frozenset(marks)
