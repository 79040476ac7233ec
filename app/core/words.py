"""What a text shows to a reader: letters, and no signs that turn or hide it."""

from __future__ import annotations

import unicodedata

from app.core.masking import CONTROL

# Letters by their class that show nothing: fillers of Hangul.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")


def has_letters(text: str) -> bool:
    """Return whether there is a letter or a digit that can be seen; dots, blanks and fillers are none."""
    return any(unicodedata.category(each)[0] in "LN" and each not in _FILLERS for each in text)


def is_plain(text: str, allowed: str = "") -> bool:
    """Return whether a text has neither control characters, but those allowed, nor halves of characters.

    A half is what the system makes of an argument that is not UTF-8, and no database or file can hold one.
    """
    other = [each for each in text if each not in allowed]
    return not CONTROL.search("".join(other)) and not any("\ud800" <= each <= "\udfff" for each in other)
