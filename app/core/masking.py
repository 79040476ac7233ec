"""Find and mask phone numbers in any text, in the usual spellings.

A number is 0, 84, +84 or 0084 and a national number of an assigned range or a fixed line, or a plus and a
foreign number, in digits of any script. In logs blanks, dots, hyphens, brackets, apostrophes, slashes,
underscores and codes of URLs may stand between its digits; in what people write up to six marks of any kind,
and letters may touch it. Dates, times, amounts of money, UUIDs and hexadecimal words contain none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from app.core.errors import Invalid
from app.core.phone import mask, normalise

# Terminal control characters, line ends, and marks that change the writing direction.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
NO_MOBILE = (
    "{field} contains a mobile number, which is personal data. This field is kept for years and "
    "shown to others. Remove the number. Hotlines and landlines are allowed."
)
_CODED = r"%(?:20|2[89DdEe]|[Cc]2%[Aa]0)|\\xa0|\\u00a0|&(?:nbsp|#160);"
_UNSEEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\u20e3\ufeff"
_CLOSE = rf"[\s.\u00b7\uff0e'()\uff08\uff09\-\u2010-\u2015\u2212\uff0d{_UNSEEN}]{{1,4}}|\+"
_ANY = r"[^0-9A-Za-z]{0,6}"
_FEW = r"[ \t\u00a0.()\u2010-\u2015-]{0,3}"
# Behind the first character, since a pattern that begins with a literal one is searched for faster.
_ALONE = r"(?:(?<![0-9].)|(?<=%[0-9A-Fa-f][0-9].)|(?<=\\xa0.)|(?<=\\u00a0.))"


def _number(close: str, wide: str, ahead: str = "") -> re.Pattern[str]:
    mobile = rf"(?:[35789](?:{wide}[0-9]){{8}}|[12](?:{wide}[0-9]){{9}}|69(?:{wide}[0-9]){{6}})(?![0-9])"
    code = rf"4{close}(?:0{close})?"
    return re.compile(
        rf"(?:0{_ALONE}{ahead}(?:0?{close}8{close}{code}|{close})|8{_ALONE}{ahead}{close}{code}"
        rf"|\+{close}8{close}{code}){mobile}"
    )


_IN_LOGS = _number(f"(?:{_CLOSE})?", f"(?:{_CLOSE}|[_/])?", "(?=[^A-Za-z:,]{8})")
_IN_URLS = _number(f"(?:{_CLOSE}|{_CODED})?", f"(?:{_CLOSE}|{_CODED}|[_/])?")
_IN_WORDS = _number(_ANY, _ANY)
_FOREIGN = re.compile(
    rf"(?:\+(?<![0-9A-Za-z].){_FEW}|00(?<![0-9]..) ?)(?!84)[1-9](?:{_FEW}[0-9]){{8,14}}(?<!000.000)(?![0-9])"
)
_BARE = re.compile(
    r"(?<![0-9.,+*])[35789](?:[0-9]([ -]?)[0-9]{3}\1[0-9]{4}|[0-9]{2}([ -])[0-9]{3}\2[0-9]{3})"
    r"(?<!0{5})(?![0-9])"
)
_OTHER = re.compile("[\u00b2-\u00b9\u0660-\u1dff\u2070-\U0001ffff]")  # no letter of Vietnamese
_DAY, _MONTH, _YEAR = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])", "(?:19|20)[0-9]{2}"
_UNIT = r"(?:đồng(?!\s+chí\b)|dong(?!\s+chi\b)|vn[dđ]|[dđ]|₫|người|nguoi|tin|thuê bao|thue bao)(?!\w)"
_NO_NUMBERS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # first, since its head may look like a day
    rf"|(?<![0-9]){_DAY}(?P<a>[/. -]){_MONTH}(?P=a){_YEAR}(?![0-9])"
    rf"|(?<![0-9]){_YEAR}-[01][0-9]-[0-3][0-9](?![0-9])"
    rf"|(?<![0-9]){_DAY}(?P<b>[/.-]){_MONTH}(?P=b)[23][0-9](?!(?P=b)?[0-9])"
    r"|(?<![0-9%])20[0-9]{6}[-_ ]?[0-9]{4,6}(?![0-9])"
    r"|(?<![0-9])[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?![0-9])"
    rf"|(?<![0-9.,])[1-9][0-9]{{0,2}}(?P<c>[., ])[0-9]{{3}}(?:(?P=c)[0-9]{{3}})+(?:,[0-9]+)?(?=\s*{_UNIT})"
    r"|(?<![0-9.,])0[.,][0-9]{5,}(?![0-9])|(?<![0-9.,+])84(?P<d>[. ])[0-9]{3}(?:(?P=d)000)+(?!(?P=d)?[0-9])"
    r"|(?<![0-9.,])(?:[1-9][0-9]{0,2}(?:\.[0-9]{3}){4,}|84[0-9](?:\.[0-9]{3}){3})(?![0-9])"
    r"|(?<![0-9])(?:[0-9]{1,3}\.){3}[0-9]{1,3}:[0-9]+"
    r"|(?<![0-9a-z%])(?=[0-9]*[a-f])(?![a-f]*(?:0|84)[0-9]{9}[a-f]*(?![0-9a-z]))[0-9a-f]{11,}(?![0-9a-z])",
    re.IGNORECASE,
)


def mask_numbers(text: str) -> str:
    """Mask each phone number as 8491*****01, foreign ones as +8562*****01."""
    return _masked(text, _IN_URLS if "%" in text or "\\" in text or "&" in text else _IN_LOGS, _FOREIGN)


def mask_written(text: str) -> str:
    """Mask each number in a person's text or a file's name; the length may change."""
    return _masked(text, _IN_WORDS, _FOREIGN, _BARE)


def mask_values(value: Any) -> Any:
    """Return JSON with each phone number in its texts masked; names of fields stay as they are."""
    if isinstance(value, str):
        return mask_numbers(value)
    if isinstance(value, dict):
        return {name: mask_values(each) for name, each in value.items()}
    return [mask_values(each) for each in value] if isinstance(value, list | tuple) else value


def holds_mobile(text: str) -> bool:
    """Return whether a text has a whole Vietnamese mobile number, with 0 or 84; hotlines are none."""
    return any(isinstance(number, int) for _, _, number in _found(text, _IN_WORDS))


def holds_person(text: str) -> bool:
    """Return whether a text has a mobile number or a foreign one."""
    return holds_mobile(text) or any(_found(text, _FOREIGN))


def names_mobile(url: str) -> bool:
    """Return whether an address on the web has a mobile number in it, also coded once or more."""
    return holds_mobile(url) or holds_mobile(unquote(url)) or holds_mobile(unquote(unquote(url)))


def require_no_mobile(text: str, field: str) -> None:
    """Raise Invalid for a text with a mobile number in it."""
    if holds_mobile(text):
        raise Invalid(NO_MOBILE, field=field)


def names(text: str, phone: int) -> bool:
    """Return whether a text has this number, however its digits are spaced, marked or led."""
    return str(phone)[-9:] in re.sub("[^0-9]", "", _plain(text))


def _plain(text: str) -> str:
    """Replace digits of other scripts and in circles, and full-width signs, keeping the length."""
    return text if text.isascii() else _OTHER.sub(_in_ascii, text)


def _in_ascii(match: re.Match[str]) -> str:
    digit = unicodedata.digit(match[0], None)
    return "+" if match[0] == "\uff0b" else match[0] if digit is None else str(digit)


def _masked(text: str, *patterns: re.Pattern[str]) -> str:
    for pattern in patterns:
        pieces, done = list[str](), 0
        for start, end, number in _found(text, pattern):
            brackets = text.count(")", start, end) - text.count("(", start, end)
            pieces += (text[done:start], mask(number), ")" * brackets, "(" * -brackets)
            done = end
        text = "".join((*pieces, text[done:]))
    return text


def _found(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int, int | str]]:
    """Yield where each number begins and ends, and the number: 84..., or + before a foreign one."""
    plain = _plain(text)
    if next(_matches(plain, pattern), None) is not None:  # the usual case, that there is none, must be cheap
        yield from _matches(_NO_NUMBERS.sub(lambda match: "x" * len(match[0]), plain), pattern)


def _matches(plain: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int, int | str]]:
    found = pattern.search(plain)
    while found:
        number = _number_of(found)
        if number is not None:
            yield found.start(), found.end(), number
        found = pattern.search(plain, found.start() + 1 if number is None else found.end())


def _number_of(match: re.Match[str]) -> int | str | None:
    digits = re.sub(rf"{_CODED}|[^0-9]", "", match[0])
    if match.re is _FOREIGN:
        return f"+{digits.removeprefix('00')}"
    number = normalise(digits)
    if isinstance(number, int):
        return number
    return f"84{digits.lstrip('0').removeprefix('84')}" if number == "fixed_line" else None


def one_line(text: str) -> str:
    """Return the text on one line, without control characters: no field writes lines of a mail."""
    return escaped(" ".join(text.split()))


def escaped(text: str, pattern: re.Pattern[str] = CONTROL) -> str:
    """Return the text on one line, with control characters written as escapes."""
    return pattern.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
