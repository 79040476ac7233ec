"""Phone numbers inside any text: where one stands, and what is shown in its place.

A number is told by its form: 0, 84, +84 or 0084 and nine digits (ten before 2018 and on fixed lines), spaced
in any way that people use, or another country's behind a plus. It stands alone: no digit touches it, nor a
letter of those that ids have (ASCII), so a digest, a key or a hexadecimal word holds none. What has the form
is masked, be it a number or not: a bare id of ten digits that begins with 0 looks like somebody's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Orders to a terminal, ends of lines, and what turns the direction of writing.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# What stands between digits: up to four points, quotes, blanks, hyphens and brackets of any kind, and what
# nobody sees; a plus, as addresses write a blank; and what else they and the literals of strings write.
_SPACING = "\\s.\u00b7\uff0e'()\uff08\uff09\\-\u2010-\u2015\u2212\uff0d"
_UNSEEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\u20e3\ufeff"
_CLOSE = rf"(?:[{_SPACING}{_UNSEEN}]{{1,4}}|\+)?"
_WIDE = rf"(?:[{_SPACING}{_UNSEEN}]{{1,4}}|[+_/])?"  # not behind a bare 84: ids in a path are joined so
_CODED = r"%(?:20|2[89DdEe]|[Cc]2%[Aa]0)|\\xa0|\\u00a0|&(?:nbsp|#160);"
# No digit before it, and nine characters to come that a number may have. Stands behind the first character: a
# pattern that begins with some is searched for faster.
_ALONE = "(?<![0-9].)(?=[^A-Za-z:,]{9})"
_ALONE_CODED = r"(?:(?<![0-9].)|(?<=%[0-9A-Fa-f][0-9].)|(?<=\\x[0-9a-f][0-9].)|(?<=\\u[0-9a-f]{3}[0-9].))"


def _number(alone: str, close: str, wide: str) -> re.Pattern[str]:
    """0, 84, 0084 or +84 and a national number, or a plus and another country's number."""

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
# What has the form of a number and is none: addresses of hosts, amounts in groups of three, fractions, times.
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
# Letters that may touch a number: a word for it, or a character that is written by its code.
_BEFORE = re.compile(
    r"(?:(?<![^\W\d_])(?:tel|phone|mobile|msisdn|number|no|to|from|addr|sms|fax|hotline|call|sdt|sđt|đt|lh"
    r"|goi|so|zalo|viber|whatsapp)|%[0-9a-f]{2}|\\[nrtvf]|\\x[0-9a-f]{2}|\\u[0-9a-f]{4})\Z",
    re.IGNORECASE,
)
_LONGEST_BEFORE = 12
_OTHER_DIGIT = re.compile("[^\\D0-9]")
_NO_DIGITS = re.compile(rf"{_CODED}|[^0-9]")


def mask_numbers(text: str) -> str:
    """The text with every phone number in it as 8491*****01; one of another country as +8562*****01."""
    plain = text if text.isascii() else _in_plain_digits(text)
    number = _NUMBER_CODED if "%" in text or "\\" in text or "&" in text else _NUMBER
    first = number.search(plain)
    if first is None:  # nearly always, and then it is to cost little
        return text
    pieces, end = list[str](), 0
    for found in _numbers(first):
        pieces += (text[end : found.start()], _masked(found))
        end = found.end()
    return "".join((*pieces, text[end:]))


def holds_number(text: str) -> bool:
    """Whether a phone number stands in it."""
    return next(_numbers(_NUMBER_CODED.search(_in_plain_digits(text))), None) is not None


def _in_plain_digits(text: str) -> str:
    """The text of the same length with digits of other alphabets, and full-width ones, as ASCII."""
    return _OTHER_DIGIT.sub(lambda digit: str(int(digit[0])), text) if _OTHER_DIGIT.search(text) else text


def _numbers(found: re.Match[str] | None) -> Iterator[re.Match[str]]:
    """What stands as a number, from this match on; in what only has the form another may begin."""
    while found:
        stands = _stands(found)
        if stands:
            yield found
        found = found.re.search(found.string, found.end() if stands else found.start() + 1)


def _stands(found: re.Match[str]) -> bool:
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
    whole = found[0]
    national = found[found.lastindex or 0]
    lead = "+" if found.lastindex == found.re.groups else "84"
    digits = lead + (national if national.isdecimal() else _NO_DIGITS.sub("", national))
    shown = 4 if lead == "84" else 5
    brackets = whole.count(")") - whole.count("(")
    return f"{digits[:shown]}{'*' * (len(digits) - shown - 2)}{digits[-2:]}{')' * brackets}{'(' * -brackets}"


def escaped(text: str, of: re.Pattern[str] = CONTROL) -> str:
    """The text on one line, without what a terminal obeys: such a character is shown by its number."""
    return of.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
