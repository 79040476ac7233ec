"""Find and mask phone numbers in any text.

A number is recognized by its form: 0, 84, +84 or 0084 and nine digits (ten before 2018 and on fixed lines),
spaced in any usual way, or a foreign number behind a plus. It must stand alone, not touching a digit or an
ASCII letter, so digests, keys and hexadecimal words contain none. Anything of this form is masked, number or
not: a bare ten-digit id starting with 0 looks like somebody's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# Terminal control characters, line ends, and marks that change the writing direction.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Between digits: up to four dots, quotes, blanks, hyphens, brackets of any kind and invisible characters; a
# plus, as URLs encode a blank; and other encodings in URLs and string literals.
_SPACING = "\\s.\u00b7\uff0e'()\uff08\uff09\\-\u2010-\u2015\u2212\uff0d"
_UNSEEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\u20e3\ufeff"
_CLOSE = rf"(?:[{_SPACING}{_UNSEEN}]{{1,4}}|\+)?"
_WIDE = rf"(?:[{_SPACING}{_UNSEEN}]{{1,4}}|[+_/])?"  # not after a bare 84: ids in paths look like this
_CODED = r"%(?:20|2[89DdEe]|[Cc]2%[Aa]0)|\\xa0|\\u00a0|&(?:nbsp|#160);"
# No digit before, and nine possible characters of a number ahead. Stands after the first character, since a
# pattern that begins with a literal character is searched for faster.
_ALONE = "(?<![0-9].)(?=[^A-Za-z:,]{9})"
_ALONE_CODED = r"(?:(?<![0-9].)|(?<=%[0-9A-Fa-f][0-9].)|(?<=\\x[0-9a-f][0-9].)|(?<=\\u[0-9a-f]{3}[0-9].))"


def _number(alone: str, close: str, wide: str) -> re.Pattern[str]:
    """Match 0, 84, 0084 or +84 and a national number, or a plus and a foreign number."""

    def national(gap: str) -> str:
        return rf"((?:[12](?:{gap}[0-9]){{9}}|[1-9](?:{gap}[0-9]){{8}}[0-9]?))"

    code = rf"84{close}(?:0{close})?"
    return re.compile(
        rf"(?:0{alone}(?:0?{close}{code}|{close}){national(wide)}"
        rf"|8{alone}{code[1:]}{national(close)}"
        rf"|[+\uff0b]{close}{code}{national(wide)}"
        r"|\+(?<![0-9A-Za-z].)([1-9][0-9]{8,14}))(?![0-9A-Za-z])"
    )


_NUMBER = _number(_ALONE, _CLOSE, _WIDE)
_NUMBER_CODED = _number(_ALONE_CODED, f"(?:{_CODED}|{_CLOSE})", f"(?:{_CODED}|{_WIDE})")
# In thousands, with letters behind it, and as a spreadsheet shortens it: 0987,654,321 0987654321a 9.87E+08.
_OTHER_SPELLINGS = re.compile(
    r"(?<![0-9A-Za-z.,])(?:0[35789][0-9]{2},[0-9]{3},[0-9]{3}(?![0-9,])"
    r"|0[35789][0-9]{8}(?=[A-Za-z]{1,12}(?![0-9A-Za-z]))"
    r"|(?:[35789]\.[0-9]{1,8}[Ee]\+?0?8|8\.4[35789][0-9]{0,8}[Ee]\+?10)(?![0-9A-Za-z]))"
)
# Not numbers in spite of their form: host addresses, amounts in groups of three, fractions, times.
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_OTHER = re.compile(
    r"(?:84|0)(?:\.[12][0-9]{2}){3}(?!\.?[0-9])"  # a number in such groups would begin with 3 to 9
    r"|84(?:[0-9](?:\.[0-9]{3}){3,}|(?:\.[0-9]{3}){4,})(?!\.?[0-9])"
    r"|(?<=[0-9]\.)[0-9]{3}(?:\.[0-9]{3}){3}(?!\.?[0-9])|840[3-9][0-9]{9}(?![0-9])"
    r"|0\.[0-9]{9,}(?![0-9])|(?<=(?<![0-9])0\.)[0-9]|(?<=:[0-9]{2}\.)[0-9]"
    r"|(?<=[0-9]:)0[0-9](?:\.[0-9]{9}(?![0-9])|\s[0-9]{1,2}[-./][0-9]{1,2}[-./](?:19|20)[0-9]{2}(?![0-9]))"
    r"|0[1-9]([-./])(?:0[1-9]|1[0-2])\1(?:19|20)[0-9]{2}(?![0-9])"
    r"|(?<=[0-9][-./])0[1-9][-./](?:19|20)[0-9]{2}(?![0-9]|[-. ][0-9]{4}(?![0-9]))"
    rf"|(?<=(?:19|20)[0-9]{{2}}[-./])0[1-9][-./]{_DAY}(?![0-9])"
    r"|(?<=20[0-9]{6}[-_ ])0[0-9]{5}(?![0-9])"
)
_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_UUID_LENGTH = 36
# Letters that may touch a number: words that introduce one, or a character written by its code.
_BEFORE = re.compile(
    r"(?:(?<![^\W\d_])(?:tel|phone|mobile|msisdn|number|no|to|from|addr|sms|fax|hotline|call|sdt|sđt|đt|lh"
    r"|goi|so|zalo|viber|whatsapp)|%[0-9a-f]{2}|\\[nrtvf]|\\x[0-9a-f]{2}|\\u[0-9a-f]{4})\Z",
    re.IGNORECASE,
)
_LONGEST_BEFORE = 12
_OTHER_DIGIT = re.compile("[^\\D0-9]")
_NO_DIGITS = re.compile(rf"{_CODED}|[^0-9]")


def mask_numbers(text: str) -> str:
    """Mask each phone number as 8491*****01, foreign ones as +8562*****01."""
    text = _OTHER_SPELLINGS.sub(_masked_other, text)
    number = _NUMBER_CODED if "%" in text or "\\" in text or "&" in text else _NUMBER
    plain = text if text.isascii() else _in_plain_digits(text)
    first = number.search(plain)
    if first is None:  # the usual case, which must be cheap
        return text
    pieces, end = list[str](), 0
    for found in _numbers(first):
        pieces += (text[end : found.start()], _masked(found))
        end = found.end()
    return "".join((*pieces, text[end:]))


def _masked_other(found: re.Match[str]) -> str:
    if "." not in found[0]:
        digits = f"84{_NO_DIGITS.sub('', found[0])[1:]}"
    else:
        whole = str(round(float(found[0])))
        digits = whole if whole.startswith("84") and len(whole) == 11 else f"84{whole}"
    return f"{digits[:4]}{'*' * (len(digits) - 6)}{digits[-2:]}"


def mask_values(value: Any) -> Any:
    """Return JSON with each phone number in its texts masked; names of fields stay as they are."""
    if isinstance(value, str):
        return mask_numbers(value)
    if isinstance(value, dict):
        return {name: mask_values(each) for name, each in value.items()}
    return [mask_values(each) for each in value] if isinstance(value, list | tuple) else value


def holds_number(text: str) -> bool:
    return next(_numbers(_NUMBER_CODED.search(_in_plain_digits(text))), None) is not None


def numbers_in(text: str) -> Iterator[str]:
    """Yield the digits of each phone number in a text: 84 before a national one, + before a foreign one."""
    for found in _numbers(_NUMBER_CODED.search(_in_plain_digits(text))):
        yield _digits(found)


def _in_plain_digits(text: str) -> str:
    """Replace digits of other scripts and full-width digits by ASCII, keeping the length."""
    return _OTHER_DIGIT.sub(lambda digit: str(int(digit[0])), text) if _OTHER_DIGIT.search(text) else text


def _numbers(found: re.Match[str] | None) -> Iterator[re.Match[str]]:
    """Yield the matches that are numbers, from this one on; a rejected match may contain another's start."""
    while found:
        is_number = _is_number(found)
        if is_number:
            yield found
        found = found.re.search(found.string, found.end() if is_number else found.start() + 1)


def _is_number(found: re.Match[str]) -> bool:
    text, start, end = found.string, found.start(), found.end()
    before = text[max(0, start - _LONGEST_BEFORE) : start]
    joined = before[-1:].isascii() and before[-1:].isalnum() and text[start] not in "+\uff0b"
    if joined and not _BEFORE.search(before):
        return False
    if _OTHER.match(text, start):
        return False
    around = max(0, start - _UUID_LENGTH), end + _UUID_LENGTH
    if text.find("-", *around) < 0:
        return True
    return not any(uuid.start() < end and start < uuid.end() for uuid in _UUID.finditer(text, *around))


def _masked(found: re.Match[str]) -> str:
    whole, digits = found[0], _digits(found)
    shown = 5 if digits.startswith("+") else 4
    brackets = whole.count(")") - whole.count("(")
    return f"{digits[:shown]}{'*' * (len(digits) - shown - 2)}{digits[-2:]}{')' * brackets}{'(' * -brackets}"


def _digits(found: re.Match[str]) -> str:
    national = found[found.lastindex or 0]
    lead = "+" if found.lastindex == found.re.groups else "84"
    return lead + (national if national.isdecimal() else _NO_DIGITS.sub("", national))


def one_line(text: str) -> str:
    """Return the text on one line, without control characters: no field writes lines of a mail."""
    return escaped(" ".join(text.split()))


def escaped(text: str, of: re.Pattern[str] = CONTROL) -> str:
    """Return the text on one line, with control characters written as escapes."""
    return of.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
