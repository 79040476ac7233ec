"""Vietnamese mobile numbers: one spelling (84 and nine digits), reasons for refusing one, masks, ranges."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple


class Sentence(NamedTuple):
    """One thing said to people, in both languages."""

    en: str
    vi: str


REASONS = {
    "empty": Sentence("There is no phone number.", "Không có số điện thoại."),
    "letters": Sentence(
        "It holds characters that no phone number has.", "Có ký tự không thuộc về số điện thoại."
    ),
    "scientific": Sentence(
        "A spreadsheet has shortened the number (8.49E+10): format the column as text and export again.",
        "Bảng tính đã rút gọn số (8.49E+10): định dạng cột là văn bản rồi xuất lại.",
    ),
    "foreign": Sentence("It starts with a country code other than 84.", "Mã quốc gia không phải là 84."),
    "short_code": Sentence(
        "It is a short code or a service number (1800, 1900).", "Đầu số ngắn hoặc số dịch vụ (1800, 1900)."
    ),
    "fixed_line": Sentence("It is a fixed line.", "Số điện thoại cố định."),
    "m2m": Sentence("It belongs to a device (M2M, VSAT).", "Số của thiết bị (M2M, VSAT)."),
    "unassigned_range": Sentence(
        "No mobile carrier holds this range of numbers.", "Đầu số chưa được cấp cho mạng di động nào."
    ),
    "too_short": Sentence("It has too few digits.", "Thiếu chữ số."),
    "too_long": Sentence("It has too many digits.", "Thừa chữ số."),
}

RANGE = 1_000_000  # numbers that share their first five digits, and with them their holder
_LONGEST = 15  # digits of a number that is told by its digits alone, and a 1 before them

# What may stand before the national number; the 0 after 84 is an often seen slip.
_LEADS = ("", "0", "84", "840", "0084", "00840")
_LEAD = r"(?:\+?840?|00840?|0)?"
_NEW = re.compile(_LEAD + "([35789][0-9]{8})")
_OLD = re.compile(_LEAD + "(1[0-9]{2})([0-9]{7})")
# A spreadsheet's float: its ".0" would otherwise pass for a digit.
_FLOAT = re.compile(r"\s*([0-9]{9,13})\.0+\s*")
# In a column of lines: the ".0" of one that is digits before it, and of any other.
_DIGITS = "|".join(rf"(?<=\n[0-9]{{{count}}}\.0)" for count in range(9, 14))
_FLOATS = re.compile(rf"\.0(?:{_DIGITS})0*(?=\n)")
_OTHER_FLOATS = re.compile(r"\.0+[ \u00a0]*(?=\n)")
_USUAL = b" .-()\xa0"  # the separators that most files have, in Latin-1
# Nobody's digits: what is not ASCII, and what int() would take between digits and behind them.
_ODD = bytes(ord("?") if mark in b"_\t\v\f\r\x1c\x1d\x1e\x1f" or mark > 0x7F else mark for mark in range(256))
_SEPARATORS = re.compile("[\\s.()'\\-\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")

# First match wins. Separators are gone by then, the decimal point with them.
_REFUSALS = [
    (reason, re.compile(pattern))
    for reason, pattern in (
        ("empty", ""),
        ("scientific", r"[0-9]+,?[0-9]*[eE]\+?[0-9]+"),
        ("letters", r".*[^0-9+].*|.+\+.*|\+"),
        ("foreign", r"\+(?!84).*|00(?!84).*"),
        ("short_code", r"[1-9][0-9]{2,5}|0?1[89]00[0-9]{4,6}"),
        ("fixed_line", _LEAD + "(?:2[0-9]{8,9}|6[59][0-9]{5,8})"),
        ("m2m", _LEAD + "(?:14|67)[0-9]{7,10}"),
        ("unassigned_range", _LEAD + "(?:[3-9][0-9]{8}|1[0-9]{8,9})"),
        ("too_short", _LEAD + "[0-9]{0,8}"),
    )
]


def _ranges() -> list[dict[str, str]]:
    return list(csv.DictReader((files("app") / "data" / "ranges.csv").read_text("utf-8").splitlines()))


def _holders() -> dict[int, str]:
    """Holder by the first five digits of 84xxxxxxxxx."""
    holders: dict[int, str] = {}
    for row in _ranges():
        width = 10 ** (4 - len(row["prefix"]))
        first = int("84" + row["prefix"][1:]) * width
        holders.update(dict.fromkeys(range(first, first + width), row["holder"]))
    return holders


_HOLDERS = _holders()
HOLDERS = frozenset(_HOLDERS.values())
# The conversion of 15-09-2018: eleven digits became ten, the last seven stayed.
_CONVERTED = {row["was"][1:]: row["prefix"][1:] for row in _ranges() if row["was"]}


def _distances() -> dict[int, int]:
    """How far digits are from 84xxxxxxxxx, by what stands before the last six of them.

    They are read behind a 1, so that their zeros and their length count.
    """
    found: dict[int, int] = {}
    for first in _HOLDERS:
        now = str(first)[2:]
        before_2018 = [was + now[2:] for was, became in _CONVERTED.items() if became == now[:2]]
        for digits in (now, *before_2018):
            starts = [int(f"1{lead}{digits}") for lead in _LEADS]
            found |= {start: (first - start) * RANGE for start in starts}
    return found


_DISTANCES = _distances()  # by these most lines are told, without a pattern


def normalise(raw: str) -> int | str:
    """The number as 84xxxxxxxxx, or the key of REASONS that says why it is refused."""
    if len(raw) < _LONGEST and raw.isascii() and raw.isdecimal():
        digits = int(f"1{raw}")
        if digits // RANGE in _DISTANCES:
            return digits + _DISTANCES[digits // RANGE]
    return _normalise_rare(raw)


def normalise_all(cells: Sequence[str]) -> tuple[list[int], dict[int, str]]:
    """What normalise says of each, several times faster: numbers, 0 for a refused one; why, by its place.

    Separators are taken out of all of them in one text; only what that leaves is looked at one by one.
    """
    found, distance = _integers(_behind_ones(cells)), _DISTANCES.get
    numbers = [digits + distance(digits // RANGE, -digits) for digits in found]
    refused: dict[int, str] = {}
    for place in [place for place, number in enumerate(numbers) if not number]:
        rare = _normalise_rare(cells[place])
        if isinstance(rare, int):
            numbers[place] = rare
        else:
            refused[place] = rare
    return numbers, refused


def _integers(texts: Sequence[str]) -> list[int]:
    """Each as a number; 0 for one that is too long for a phone number, or holds anything but digits."""
    if max(map(len, texts), default=0) > _LONGEST:
        texts = [text if len(text) <= _LONGEST else "" for text in texts]
    found, rest = list[int](), map(int, texts)
    while len(found) < len(texts):
        try:
            found.extend(rest)
        except ValueError:  # what came before it has been taken
            found.append(0)
    return found


def _behind_ones(cells: Sequence[str]) -> list[str]:
    """Each behind a 1 and without the usual separators; no digits where that might be misunderstood."""
    text = "\n".join(("", *cells, ""))
    if ".0" in text:
        text = _OTHER_FLOATS.sub("?", _FLOATS.sub("", text))
    marks = text.encode("latin-1", "replace").translate(_ODD, _USUAL)
    texts = marks.replace(b"\n+84", b"\n0084").replace(b"\n", b"\n1").decode("ascii").split("\n")[1:-1]
    return texts if len(texts) == len(cells) else [""] * len(cells)  # some cell has a line end in it


def _normalise_rare(raw: str) -> int | str:
    """The spellings that need cleaning, the numbers of before 2018, and the refusals."""
    text = _cleaned(raw)
    match = _NEW.fullmatch(text)
    if match:
        number = int("84" + match[1])
        return number if number // RANGE in _HOLDERS else "unassigned_range"
    old = _OLD.fullmatch(text)
    if old and old[1] in _CONVERTED:
        return int(f"84{_CONVERTED[old[1]]}{old[2]}")
    return next((reason for reason, pattern in _REFUSALS if pattern.fullmatch(text)), "too_long")


def _cleaned(raw: str) -> str:
    """The text without what people and spreadsheets put between and around digits."""
    whole = _FLOAT.fullmatch(raw) if ".0" in raw else None
    if whole:
        return whole[1]
    # Plain replacements are several times faster than the pattern, and nearly always enough.
    text = raw.replace(" ", "").replace(".", "").replace("-", "").replace("\u00a0", "")
    return text if text.isdecimal() else _SEPARATORS.sub("", text)


def range_holder(phone: int) -> str:
    """Who holds the range of a normalised number, "" for nobody.

    Not who serves it: numbers are ported since 2018, and only the carrier knows its own subscribers.
    """
    return _HOLDERS.get(phone // RANGE, "")


def ranges_of(holder: str) -> frozenset[int]:
    """The first five digits of the holder's numbers."""
    return frozenset(first for first, each in _HOLDERS.items() if each == holder)


def mask(phone: int | str) -> str:
    """A number, or any text that may hold one, with all but its first four and last two digits hidden."""
    text = str(phone)
    places = [place for place, char in enumerate(text) if char.isdigit()]
    chars = list(text)
    for place in places[4:-2]:
        chars[place] = "*"
    return "".join(chars)
