"""Texts as a PDF/A paper can hold them: letters that its font has, and lines that end somewhere."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

from app.file_import.cells import printable

MOST_MARKS = 4  # on one letter; Vietnamese has two
MOST_BLANKS, MOST_LINE_ENDS = 8, 3  # in a row: thousands take the typesetter many seconds
LONGEST_TITLE = 4000  # letters of what is a bookmark too; PDF/A allows 32,767 bytes
_BLANKS = re.compile(rf"([^\S\n]{{{MOST_BLANKS}}})[^\S\n]+")
_LINE_ENDS = re.compile(rf"((?:\n[^\S\n]*){{{MOST_LINE_ENDS}}})(?:\n[^\S\n]*)+")
# Words longer than any of a language, such as addresses, may end a line at each of so many letters.
_LONG_WORD, _PIECE = re.compile(r"[^\s]{61,}"), re.compile(r"(.{30})(?=.)")


def clean(text: str) -> str:
    """Name letters that the font lacks, such as emoji: PDF/A allows no letter without a picture.

    Longer runs of blanks, line ends and marks on one letter are cut.
    """
    known, marks = _letters(), 0
    named: list[str] = []
    for each in printable(text):
        marks = marks + 1 if unicodedata.combining(each) else 0
        if marks <= MOST_MARKS:
            named.append(each if ord(each) in known else _named(each))
    short = _LINE_ENDS.sub(r"\1", _BLANKS.sub(r"\1", "".join(named)))
    return short.replace("  ", " \u00a0")


def flowing(text: str) -> str:
    """Clean a text of whole lines, in which long words may be broken."""
    return _LONG_WORD.sub(lambda word: _PIECE.sub("\\1\u200b", word[0]), clean(text))


def title(text: str) -> str:
    """Clean a title or heading. It is a bookmark too: it has an end, and PDF/UA wants it not to be empty."""
    said = flowing(text if len(text) <= LONGEST_TITLE else f"{text[:LONGEST_TITLE]} [...]")
    return said if said.strip() else "–"


def _named(letter: str) -> str:
    if letter.isspace():
        return "\n" if letter == "\n" else " "
    return "" if unicodedata.category(letter) == "Cf" else f"[U+{ord(letter):04X}]"


@cache
def _letters() -> frozenset[int]:
    """Return the letters of the paper's font, whose four faces have the same.

    PDF/A-2a knows no letters of private use. Format signs show nothing, but turn the direction of a line.
    """
    letters: set[int] = set()
    for line in (files("app") / "data" / "fonts" / "letters.txt").read_text("ascii").splitlines():
        first, _, last = line.partition("-")
        letters.update(range(int(first, 16), int(last or first, 16) + 1))
    return frozenset(letter for letter in letters if unicodedata.category(chr(letter)) not in ("Co", "Cf"))
