"""Mask phone numbers in what people write by hand: names of files, texts of citizens.

Masks what `mask_numbers` does, and mobile numbers that touch letters or other digits, that have any one mark
between their groups, or that begin without the 0. Amounts, times and digests stay.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from urllib.parse import unquote

from app.core.errors import Invalid
from app.core.masking import mask_numbers, numbers_in
from app.core.phone import mask, normalise

_FEWEST = 9  # digits of a number without its 0
_MOST = 13  # with 0084
_DIGITS = re.compile("[0-9]+")
_NO_DIGITS = re.compile("[^0-9]+")
_FEW = 3  # marks that are usual between two groups
_GAP = re.compile(r"[^0-9A-Za-z]{1,8}")  # between two groups of one number
_ODD_GAP = re.compile(rf"{_GAP.pattern}|[^0-9A-Za-z]{{0,3}}[A-Za-z][^0-9A-Za-z]{{0,3}}")
_UNSEEN = re.compile("[\\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe0f\u20e3\ufeff]+")
_USUAL = frozenset(".'()-\u00b7\uff0e\uff08\uff09\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d")
_HEXADECIMAL = re.compile("0x[0-9A-Fa-f]+|(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]+")
_UUID = re.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_WORD = re.compile("[0-9A-Za-z]+")
_LETTERS_ON_IT = re.compile("[A-Fa-f]*((?:0|84)[0-9]{9,10})[A-Fa-f]*")  # ad0912...: a number all the same
_DIGEST = 24  # signs of the shortest word of hexadecimal digits in which no number is looked for
_TIME = re.compile("(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{2,9}")
_DATE = re.compile(
    r"0[1-9]([-./])(?:0[1-9]|1[0-2])\1(?:19|20)[0-9]{2}|(?:19|20)[0-9]{2}([-./])(?:0[1-9]|1[0-2])\2"
)
_DAY, _MONTH = "(?:0?[1-9]|[12][0-9]|3[01])", "(?:0?[1-9]|1[0-2])"
_DAY_2, _MONTH_2 = "(?:0[1-9]|[12][0-9]|3[01])", "(?:0[1-9]|1[0-2])"
_ALONE = "(?<![0-9/.+-])(?<![0-9] )"
# A date with its year, also behind up to four other days, since five could be a number; one in blanks, before
# a time; two with short years; an amount in millions that begins with 84: none of their digits belong to a
# number. Four digits behind a date may be a time and may begin a number, so they are none of its.
_NO_NUMBERS = re.compile(
    rf"(?<![0-9/.+-])(?:(?:{_DAY}(?:[/.-]{_MONTH})?\s*[-\u2013\u2014]\s*)?|(?<![0-9] )(?:{_DAY_2}-){{2,4}})"
    rf"{_DAY}([/.-]){_MONTH}\1(?:19|20)[0-9]{{2}}(?![0-9])"
    r"|(?<![0-9])(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9](?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
    r"(?:[+-][0-9]{2}:?[0-9]{2}(?![0-9]))?)?(?![0-9+])"
    r"|(?<![0-9.,+])84([. ])[0-9]{3}\2[0]{3}\2[0]{3}(?![0-9])"
    rf"|{_ALONE}{_DAY_2} {_MONTH_2} (?:19|20)[0-9]{{2}}(?= (?:[01][0-9]|2[0-3])[:h][0-5][0-9](?![0-9]))"
    rf"|{_ALONE}{_DAY_2}(?P<of>[/.-]){_MONTH_2}(?P=of)[23][0-9](?:\s*[-\u2013\u2014]\s*|\s+)"
    rf"{_DAY_2}(?P=of){_MONTH_2}(?P=of)[23][0-9](?![\s./-]{{0,3}}[0-9])"
)
_AMOUNT = re.compile(r"[1-9][0-9]{0,2}(?:[.,][0-9]{3})+")


# An amount by its unit, which else reads like a number in groups: 84.912.345.678 đồng. A comrade is no unit,
# and one of people or messages ends its phrase: a number stands before whom it belongs to.
_UNIT = (
    r"(?:đồng(?!\s+(?:chí|nghiệp|bào|đội)\b)|dong(?!\s+(?:chi|chí|nghiep|bao|doi)\b)|vnd|vnđ|đ|d)\b(?![/.]\s?\w)"
    r"|₫|(?:người|nguoi|tin|thuê bao|thue bao)(?=\s*(?:[.,;)](?:\s|\Z)|\Z))"
)
_MONEY = re.compile(
    rf"(?<![0-9.,+])[1-9][0-9]{{0,2}}([.,])[0-9]{{3}}(?:\1[0-9]{{3}})+(?=\s*(?:{_UNIT}))"
    r"|(?<![0-9.,])0,[0-9]{5,}(?![0-9])"
    r"|(?<=\bVND )[1-9][0-9]{0,2}([.,])[0-9]{3}(?:\2[0-9]{3})+(?![0-9.,]*[0-9])",
    re.IGNORECASE,
)
_LINE = re.compile(r"(?<=[0-9])\s+([-\u2010-\u2015.*~=_])\1+\s+(?=[0-9])")  # drawn between two groups
# Letters for digits, told from words by the real digits among them.
_LETTERED = re.compile(
    r"(?<![0-9A-Za-z])(?=([0Oo](?:[\s._-]{0,3}[0-9OolI]){9})(?![0-9A-Za-z])"
    r"|(84(?:[\s._-]{0,3}[0-9OolI]){9})(?![0-9A-Za-z]))"
)
_BETWEEN_DIGITS = re.compile(r"[\s._-]+")
_READS_AS = str.maketrans("OolI", "0011")
_REAL_DIGITS = 7
# A number of another country, with + or 00 and a country's code, spaced as usual. After nine digits it ends
# before an amount or a time of day.
_LOOSE = "[ \t\u00a0.()\u00ad\u2010-\u2015\u200b-\u200f\u2060\ufeff-]"
_COUNTRY = (
    r"(?=1|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[126]|9[0-58]"
    r"|(?:2[1-689]|3[578]|42|50|59|6[7-9]|8[0578]|9[679])[0-9])"
)
_GROUP = rf"{_LOOSE}{{1,3}}(?!00 ?{_COUNTRY}[1-9](?:{_LOOSE}{{0,3}}[0-9]){{8}})"
_FOREIGN = re.compile(
    rf"(?<![0-9A-Za-z])(?:[+\uff0b]{_LOOSE}{{0,3}}|00 ?){_COUNTRY}([1-9](?:(?:{_GROUP})?[0-9]){{8}}"
    rf"(?:(?:{_GROUP}(?![1-9][0-9]{{0,2}}(?:[.,][0-9]{{3}})+(?![0-9])|[0-9]{{1,2}}[:hg]))?[0-9]){{0,6}})(?![0-9])"
)
_LED = re.compile("0(?!0)|0084|8[^0-9A-Za-z]{0,3}4")
_REACH = 100  # characters of the longest number, with marks between its digits
# Behind a plus: 1.500.000.000, or any number in groups of three with its currency.
_ROUND = re.compile(r"[+\uff0b] ?[1-9][0-9]{0,2}(?:([.,])[0-9]{3})(?:\1[0-9]{3})*(?<=000)")
_GROUPED = re.compile(r"[+\uff0b] ?[1-9][0-9]{0,2}(?:([., ])[0-9]{3})(?:\1[0-9]{3})*")
_CURRENCY = re.compile(r"\s*(?:(?:đồng|dong|vnd|vnđ|đ|d)(?!\w)|₫)", re.IGNORECASE)
_OFFICES = ("fixed_line", "short_code")


def mask_written(text: str) -> str:
    """Mask each number in a person's text or a file's name, in any spelling; the length may change."""
    pieces, done = list[str](), 0
    for found in _NO_NUMBERS.finditer(text):
        pieces += (_mask_piece(text[done : found.start()]), found[0])
        done = found.end()
    return "".join((*pieces, _mask_piece(text[done:])))


def _mask_piece(text: str) -> str:
    """Mask the numbers of other countries, and then those in what is left between them."""
    plain = text if text.isascii() else "".join(map(_plain, text))
    kept, pieces, done = _kept(plain) if _FOREIGN.search(plain) else bytearray(), list[str](), 0
    for found in _FOREIGN.finditer(plain):
        end = _before_ours(found)
        digits = _NO_DIGITS.sub("", plain[found.start(1) : end])
        if len(digits) >= _FEWEST and not any(kept[found.start() : end]) and not _is_amount(found):
            pieces += (_mask_own(text[done : found.start()]), mask(f"+{digits}"))
            done = end
    return "".join((*pieces, _mask_own(text[done:])))


def _before_ours(found: re.Match[str]) -> int:
    """Return where a number of another country ends: also before one of ours that begins within it."""
    text, end = found.string, found.start(1)
    for group in _DIGITS.finditer(text, end, found.end()):
        ahead = text[group.start() : group.start() + _REACH] if _LED.match(text, group.start()) else ""
        if end > found.start(1) and any(start == 0 for start, _, _ in _found(ahead, odd=True)):
            return end
        end = group.end()
    return end


def _is_amount(found: re.Match[str]) -> bool:
    if _ROUND.fullmatch(found[0]):
        return True
    return bool(_GROUPED.fullmatch(found[0]) and _CURRENCY.match(found.string, found.end()))


def _mask_own(text: str) -> str:
    return _mask_lettered(_mask(mask_numbers(text)))


def names(text: str, phone: int) -> bool:
    """Return whether a text has this number, however its digits are spaced, marked or led."""
    plain = text if text.isascii() else "".join(map(_plain, text))
    return str(phone)[-_FEWEST:] in _NO_DIGITS.sub("", plain)


# What is written by hand and kept for good; the field is named by who refuses it.
NO_MOBILE = (
    "{field} has a mobile number, which is personal data, and this is kept for years and shown to others: "
    "take the number out. Hotlines and fixed lines may stay."
)


def holds_mobile(text: str) -> bool:
    """Return whether a text has a whole Vietnamese mobile number, with 0 or 84, in any spelling.

    It may touch letters. Services, fixed lines and a part of a longer row of digits are none.
    """
    plain = _without(text if text.isascii() else "".join(map(_plain, text)))
    for said in dict.fromkeys((plain, _LINE.sub(" ", plain))):
        if any(isinstance(normalise(digits), int) for digits in numbers_in(said)):
            return True
        if any(map(_is_mobile, _rows(mask_numbers(said)))):
            return True
    return any(map(_is_mobile, _lettered(plain)))


def names_mobile(url: str) -> bool:
    """Return whether an address on the web has a mobile number in it, also coded once or more."""
    for _ in range(3):
        if holds_mobile(url):
            return True
        url = unquote(url)
    return holds_mobile(url)


def holds_person(text: str) -> bool:
    """Return whether a text has a number that may be somebody's: also a foreign one or one of no range.

    Fixed lines and services belong to offices, so they are none.
    """
    found = (normalise(digits) for digits in numbers_in(_without(text)))
    return any(each not in _OFFICES for each in found) or holds_mobile(text)


def _without(text: str) -> str:
    """Return the text without dates and amounts, with a word for each, so that its two sides stay apart."""
    return _MONEY.sub(" and ", _NO_NUMBERS.sub(" and ", text))


def require_no_mobile(text: str, field: str) -> None:
    """Raise Invalid for a text with a mobile number in it."""
    if holds_mobile(text):
        raise Invalid(NO_MOBILE.format(field=field), field=field)


def _rows(text: str) -> Iterator[str]:
    """Yield the digits of each number that is not a part of a longer row of digits."""
    plain = text if text.isascii() else "".join(map(_plain, text))
    for start, end, _ in _found(plain, odd=False):
        if not plain[start - 1 : start].isdecimal() and not plain[end : end + 1].isdecimal():
            yield _NO_DIGITS.sub("", plain[start:end])


def _lettered(plain: str) -> Iterator[str]:
    """Yield the digits of what reads as a number with O for some 0 and l or I for some 1."""
    for found in _LETTERED.finditer(plain):
        written = _BETWEEN_DIGITS.sub("", found[1] or found[2])
        if sum(map(str.isdecimal, written)) >= _REAL_DIGITS:
            yield written.translate(_READS_AS)


def _mask_lettered(text: str) -> str:
    """Mask numbers with O for some 0 and l or I for some 1."""
    pieces, done = list[str](), 0
    for found in _LETTERED.finditer(text):
        start, end = found.span(found.lastindex or 0)
        number = normalise(next(_lettered(found[found.lastindex or 0]), ""))
        if start >= done and isinstance(number, int):
            pieces += (text[done:start], mask(number))
            done = end
    return "".join((*pieces, text[done:]))


def _is_mobile(digits: str) -> bool:
    return len(digits) > _FEWEST and isinstance(normalise(digits), int)


def _mask(text: str) -> str:
    plain = text if text.isascii() else "".join(map(_plain, text))
    pieces, done = list[str](), 0
    for start, end, number in _found(plain, odd=True):
        if start >= done:
            pieces += (text[done:start], mask(number))
            done = end
    return "".join((*pieces, text[done:]))


def _found(plain: str, *, odd: bool) -> Iterator[tuple[int, int, int]]:
    """Yield where each number begins and ends, and which it is. odd: in whatever spelling."""
    groups = [(found.start(), found.end()) for found in _DIGITS.finditer(plain)]
    if sum(end - start for start, end in groups) < _FEWEST:
        return
    kept = _kept(plain)
    for chain in _chains(plain, [group for group in groups if not kept[group[0]]], odd):
        yield from _numbers(plain, chain, odd)


def _plain(char: str) -> str:
    """Return the digit that the character means, in whatever script or circle, or the character."""
    digit = unicodedata.digit(char, None)
    return char if digit is None else str(digit)


def _kept(text: str) -> bytearray:
    """Mark the characters of words that are no numbers: long hexadecimal ones and UUIDs."""
    kept = bytearray(len(text))
    words = (found for found in _WORD.finditer(text) if _HEXADECIMAL.fullmatch(found[0]))
    spans = [found.span() for found in words if len(found[0]) >= _DIGEST and not _bears_number(found[0])]
    for start, end in (*spans, *(found.span() for found in _UUID.finditer(text))):
        kept[start:end] = b"\1" * (end - start)
    return kept


def _bears_number(word: str) -> bool:
    found = _LETTERS_ON_IT.fullmatch(word)
    return found is not None and isinstance(normalise(found[1]), int)


def _chains(text: str, groups: Sequence[tuple[int, int]], odd: bool) -> Iterator[list[tuple[int, int]]]:
    """Yield groups of digits that may be one number: the same marks, or blanks, between each two.

    odd: also with more marks, several, blanks for some, or a letter between two. For masking, which does
    little harm in vain; nobody is refused for a time beside a hotline.
    """
    chain, marks = list(groups[:1]), ""
    for before, group in pairwise(groups):
        mark = _UNSEEN.sub("", text[before[1] : group[0]])
        fits = _fits(text[before[1] : group[0]], mark, odd)
        if fits and (len(chain) == 1 or mark == marks or (odd and _mixes(mark, marks))):
            chain.append(group)
            marks = (mark or marks) if odd else mark
        else:
            yield chain
            chain, marks = ([before, group], mark) if fits and mark else ([group], "")
    if chain:
        yield chain


def _mixes(one: str, other: str) -> bool:
    return "" in (one, other) or len(one) == len(other) == 1


def _fits(gap: str, mark: str, odd: bool) -> bool:
    if odd:
        return _ODD_GAP.fullmatch(gap) is not None and sum(map(str.isalnum, mark)) <= 1
    return _GAP.fullmatch(gap) is not None and len(mark) <= _FEW and not any(map(str.isalnum, mark))


def _numbers(text: str, chain: Sequence[tuple[int, int]], odd: bool) -> Iterator[tuple[int, int, int]]:
    """Yield where a number begins and ends, and which, from left to right."""
    first = 0
    while first < len(chain):
        for last in _longest_first(chain, first):
            start, end = chain[first][0], chain[last][1]
            several = chain[first : last + 1]
            number = _joined(text, several, odd) if last > first else _alone(text, start, end)
            if number is not None:
                yield start, end, number
                first = last
                break
        else:
            yield from _within(text, *chain[first])
        first += 1


def _longest_first(chain: Sequence[tuple[int, int]], first: int) -> Iterator[int]:
    last, digits = first, 0
    for last in range(first, len(chain)):
        digits += chain[last][1] - chain[last][0]
        if digits > _MOST:
            last -= 1
            break
    return reversed(range(first, max(first, last) + 1))


def _joined(text: str, groups: Sequence[tuple[int, int]], odd: bool) -> int | None:
    """Return the number that these groups are, unless they are a date, an amount, or spaced as usual.

    odd: spaced as usual or with several marks as well, if it is a mobile number; also one without its 0.
    """
    start, end = groups[0][0], groups[-1][1]
    gaps = [_UNSEEN.sub("", text[left:right]) for (_, left), (right, _) in pairwise(groups)]
    is_usual = all(len(gap) <= _FEW and _USUAL.issuperset(gap) for gap in gaps)
    is_usual = is_usual and not _touches_letter(text, start, end)
    whole = text[start:end]
    if _DATE.match(whole) or (_AMOUNT.fullmatch(whole) and text[start - 1 : start] != "+"):
        return None
    digits = "".join(text[left:right] for left, right in groups)
    if odd and (is_usual or len(set(gaps)) > 1):
        bare = len(digits) == _FEWEST and set(gaps) <= {"", "-"} and not digits.endswith("000")
        found = normalise(digits) if bare or digits.startswith(("0", "84")) else None
        return found if isinstance(found, int) else None
    return _number(digits) if digits.startswith(("0", "84")) and not is_usual else None


def _alone(text: str, start: int, end: int) -> int | None:
    """Return the number that one group of digits is, with or without its 0."""
    digits = text[start:end]
    if digits.startswith(("0", "84")) and len(digits) > _FEWEST:
        return _number(digits)
    is_fraction_or_amount = text[start - 1 : start] in (".", ",") or digits.endswith("000")
    return None if len(digits) != _FEWEST or is_fraction_or_amount else _number(digits)


def _within(text: str, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the numbers with which a longer row of digits begins and ends."""
    digits, at = text[start:end], start
    if len(digits) <= _FEWEST + 1 or _TIME.fullmatch(digits):
        return
    for length in (11, 10):
        while end - at >= length and (number := _led(text[at : at + length])) is not None:
            yield at, at + length, number
            at += length
    for length in (11, 10):
        if end - at >= length and (number := _led(text[end - length : end])) is not None:
            yield end - length, end, number
            return


def _led(digits: str) -> int | None:
    return _number(digits) if digits.startswith("84" if len(digits) == 11 else "0") else None


def _number(digits: str) -> int | None:
    """Return 84 and the national number if it is one of a mobile or, with its 0 or 84, a fixed line."""
    if len(digits) > _MOST:
        return None
    found = normalise(digits)
    if isinstance(found, int):
        return found
    return (
        int(f"84{digits.lstrip('0').removeprefix('84')}")
        if found == "fixed_line" and len(digits) > 9
        else None
    )


def _touches_letter(text: str, start: int, end: int) -> bool:
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    return any(char.isascii() and char.isalpha() for char in around)
