"""The characters of an SMS: normal form, Vietnamese without accents, GSM-7 and UCS-2 octets."""

from __future__ import annotations

import re
import unicodedata

from carriers.contract import Encoding

# GSM 03.38 / 3GPP TS 23.038 section 6.2.1; "\x1b" (27) is the escape to the extension table, not a character.
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Section 6.2.1.1: each costs two septets, the escape and its own.
_EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
_ESCAPE = 0x1B
_OCTETS = {c: bytes([code]) for code, c in enumerate(_BASIC) if code != _ESCAPE} | {
    c: bytes([_ESCAPE, code]) for c, code in _EXTENSION.items()
}
_EXTENDED = {code: c for c, code in _EXTENSION.items()}

_TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
_ACCENTED = {unicodedata.normalize("NFC", v + t) for v in "aăâeêioôơuưy" for t in _TONES} | {"đ"}
#: The 134 letters of Vietnamese that ASCII lacks.
VIETNAMESE = frozenset(c for small in _ACCENTED if small > "z" for c in (small, small.upper()))

_BARRED = {ord("đ"): "d", ord("Đ"): "D"}  # NFD does not decompose the bar
_MARKS = re.compile(r"(?<=[A-Za-z])[\u0300-\u036f]+")


class NotGsm7(ValueError):
    """A character that the GSM-7 alphabet lacks, or an octet that encodes none."""


class NotUcs2(ValueError):
    """Half of a surrogate pair, which is not a character."""


def nfc(text: str) -> str:
    """Return the composed form, one character per Vietnamese letter: what is counted, shown and sent."""
    return unicodedata.normalize("NFC", text)


def unaccent(text: str) -> str:
    """Remove accents: each Latin letter keeps its base (ở -> o, Đ -> D); other scripts stay as they are."""
    return nfc(_MARKS.sub("", unicodedata.normalize("NFD", text).translate(_BARRED)))


def septets(character: str) -> int:
    """Return what one character costs in GSM-7: 1, 2 for the extension table, 0 if the alphabet lacks it."""
    return len(_OCTETS.get(character, b""))


def encoding_of(text: str) -> Encoding:
    """Return the encoding of the text in normal form: GSM-7 if every character allows it, else UCS-2."""
    return Encoding.GSM7 if all(c in _OCTETS for c in nfc(text)) else Encoding.UCS2


def gsm7(text: str) -> bytes:
    """Encode the normal form as unpacked GSM-7, one septet per octet; NotGsm7 if a character has none."""
    composed = nfc(text)
    try:
        return b"".join([_OCTETS[c] for c in composed])
    except KeyError as error:
        at = composed.index(error.args[0])
        raise NotGsm7(
            f"Character {at + 1}, {name_of(composed[at])}, is not in the GSM-7 alphabet: "
            "send the text as UCS-2 or without accents."
        ) from None


def ungsm7(octets: bytes) -> str:
    """Decode unpacked GSM-7; an escape without a character becomes a blank, as handsets show it."""
    text, codes = [], iter(octets)
    for code in codes:
        if code == _ESCAPE:
            text.append(_escaped(next(codes, _ESCAPE)))
        else:
            text.append(_basic(code))
    return "".join(text)


def _basic(code: int) -> str:
    if code >= len(_BASIC):
        raise NotGsm7(f"Octet 0x{code:02X} is no septet: the top bit must be 0.")
    return _BASIC[code]


def _escaped(code: int) -> str:
    if code == _ESCAPE:
        return " "
    return _EXTENDED.get(code) or _basic(code)


def ucs2(text: str) -> bytes:
    """Encode the normal form as UTF-16BE, two octets per unit; NotUcs2 for a lone surrogate."""
    try:
        return nfc(text).encode("utf-16-be")
    except UnicodeEncodeError as error:
        raise NotUcs2(
            f"Character {error.start + 1} is half of a surrogate pair: type that character again."
        ) from None


def name_of(character: str) -> str:
    return unicodedata.name(character, f"U+{ord(character):04X}")
