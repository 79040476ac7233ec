"""Suggest plain characters for what Word and phones paste into a text, with what each costs."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from carriers.contract import Encoding
from carriers.text.alphabet import encoding_of, name_of, nfc, septets
from carriers.text.parts import units

_PLAIN = {
    **dict.fromkeys("‘’‚‛′`´ʼ", "'"),
    **dict.fromkeys("“”„‟″«»", '"'),
    **dict.fromkeys("‐‑‒–—―−•·▪●◦‣", "-"),
    **dict.fromkeys("\t\u00a0\u3000", " "),
    **dict.fromkeys("\v\x85\u2028\u2029", "\n"),
    # Legacy Vietnamese fonts leave Icelandic and African letters that look like đ; unaccent() knows only đ.
    **dict.fromkeys("ðɖ", "đ"),
    **dict.fromkeys("ÐƉ", "Đ"),
    **dict.fromkeys(("\r\n", "\r"), "\n"),
    "₫": "VND",
    "°": "o",
    "×": "x",
    "÷": ":",
    "®": "(R)",
    "©": "(C)",
    "→": "->",
    "⇒": "=>",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "±": "+/-",
    "⁄": "/",  # inside ½ and its like
}
_NAMES = {
    "\t": "TAB",
    "\v": "LINE TABULATION",
    "\r": "CARRIAGE RETURN",
    "\r\n": "CARRIAGE RETURN, LINE FEED",
    "\x85": "NEXT LINE",
}
_CHARACTERS = re.compile("\r\n|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fix:
    """One suggested replacement; `position` counts characters of the normal form from 0.

    replacement: what apply_fixes writes, "" to drop the character; cost: a sentence.
    """

    position: int
    character: str
    name: str
    replacement: str
    cost: str


def fixes(text: str) -> list[Fix]:
    """List every character with a plain replacement, in order of position; accented letters have none."""
    found = [(m.start(), m[0], r) for m in _matches(text) if (r := _replacement(m[0])) is not None]
    gsm7_after = bool(found) and encoding_of(apply_fixes(text)) is Encoding.GSM7
    return [
        Fix(at, c, _NAMES.get(c) or name_of(c), plain, _cost(c, plain, gsm7_after)) for at, c, plain in found
    ]


def apply_fixes(text: str) -> str:
    """Return the normal form with every fix applied."""
    return nfc("".join(_fixed(m[0]) for m in _matches(text)))


def _matches(text: str) -> list[re.Match[str]]:
    return list(_CHARACTERS.finditer(nfc(text)))


def _fixed(character: str) -> str:
    plain = _replacement(character)
    return character if plain is None else plain


@lru_cache(maxsize=4096)
def _replacement(character: str) -> str | None:
    if (plain := _PLAIN.get(character)) is not None:
        return plain
    if septets(character):
        return None
    # Compatibility forms: ² is 2, … is three dots, full-width letters are letters.
    folded = "".join(_PLAIN.get(c, c) for c in unicodedata.normalize("NFKC", character))
    if all(septets(c) for c in folded):
        return folded
    return "" if _ornament(character) else None


def _ornament(character: str) -> bool:
    """Whether it is invisible, an emoji or an emoji modifier: nothing to read is lost without it."""
    category = unicodedata.category(character)
    return category in ("Cc", "Cf", "So", "Me") or "\ufe00" <= character <= "\ufe0f" or _skin(character)


def _skin(character: str) -> bool:
    return "\U0001f3fb" <= character <= "\U0001f3ff"


def _cost(character: str, plain: str, gsm7_after: bool) -> str:
    if gsm7_after and not all(septets(c) for c in character):
        return "turns the text into UCS-2: 70 units in an SMS in place of 160"
    encoding = Encoding.GSM7 if gsm7_after else Encoding.UCS2
    extra = units(character, encoding) - units(plain, encoding)
    added = f"adds {extra} unit{'s' if extra > 1 else ''}"
    if all(septets(c) for c in character):
        return added if extra > 0 else "costs nothing, but phones show it in different ways"
    if extra > 0:
        return f"{added}, and turns the unaccented form into UCS-2"
    return "costs nothing beside accented letters, but turns the unaccented form into UCS-2"
