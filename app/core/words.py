"""What a text shows to a reader: letters, and no signs that turn or hide it.

`loa_carrier.py`, which carriers have as one file, has `unseen` too; a test holds the two together.
"""

from __future__ import annotations

import re
import unicodedata

from app.core.masking import CONTROL

# A regular expression's class: what shows nothing, what turns a line round, and what ends it elsewhere.
UNSEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800"
    r"\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e007f"  # not escaped, since not every language would read that
)

# Letters by their class that show nothing: fillers of Hangul.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")


def has_letters(text: str) -> bool:
    """Return whether there is a letter or a digit that can be seen; dots, blanks and fillers are none."""
    return any(unicodedata.category(each)[0] in "LN" and each not in _FILLERS for each in text)


def is_plain(text: str, allowed: str = "") -> bool:
    """Return whether a text has neither control or unseen characters, but those allowed, nor halves.

    A half is what the system makes of an argument that is not UTF-8, and no database or file can hold one.
    """
    other = [each for each in text if each not in allowed]
    plain = not CONTROL.search("".join(other)) and not unseen("".join(other))
    return plain and not any("\ud800" <= each <= "\udfff" for each in other)


def unseen(text: str) -> str:
    """Return the first character that nobody sees or that turns a line round, or "" for none.

    Also the first one of a text that has nothing but marks without a letter.
    """
    found = re.search(f"[{UNSEEN}]", text)
    bare = "".join(text.split())
    marks = bare and all(unicodedata.category(char) in ("Mn", "Me") for char in bare)
    return found[0] if found else bare[:1] if marks else ""
