"""Vietnamese mobile numbers: normalization to 84 and nine digits, reasons for rejection, masking, ranges."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from app.core.errors import Invalid


class Sentence(NamedTuple):
    """A sentence in both languages."""

    en: str
    vi: str


REASONS = {
    "empty": Sentence("There is no phone number.", "Không có số điện thoại."),
    "letters": Sentence(
        "It contains characters that are not valid in a phone number.",
        "Có ký tự không thuộc về số điện thoại.",
    ),
    "scientific": Sentence(
        "A spreadsheet has shortened the number (8.49E+10). Format the column as text and export it again.",
        "Bảng tính đã rút gọn số (8.49E+10): định dạng cột là văn bản rồi xuất lại.",
    ),
    "foreign": Sentence("It starts with a country code other than 84.", "Mã quốc gia không phải là 84."),
    "short_code": Sentence(
        "It is a short code or a service number (1800, 1900).", "Đầu số ngắn hoặc số dịch vụ (1800, 1900)."
    ),
    "fixed_line": Sentence("It is a landline number.", "Số điện thoại cố định."),
    "m2m": Sentence("It belongs to a device (M2M, VSAT).", "Số của thiết bị (M2M, VSAT)."),
    "unassigned_range": Sentence(
        "This number range is not assigned to any mobile carrier.",
        "Đầu số chưa được cấp cho mạng di động nào.",
    ),
    "too_short": Sentence("It has too few digits.", "Thiếu chữ số."),
    "too_long": Sentence("It has too many digits.", "Thừa chữ số."),
}

RANGE = 1_000_000  # numbers that share their first five digits and therefore their holder
_LONGEST = 15  # digits in the fast path, including the 1 put before them

# What may stand before the national number; 0 after 84 is a frequent mistake.
_LEADS = ("", "0", "84", "840", "0084", "00840")
_LEAD = r"(?:\+?840?|00840?|0)?"
_NEW = re.compile(_LEAD + "([35789][0-9]{8})")
_OLD = re.compile(_LEAD + "(1[0-9]{2})([0-9]{7})")
# A number that a spreadsheet made a float: the 0 of ".0" must not count as a digit.
_FLOAT = re.compile(r"\s*([0-9]{9,13})\.0+\s*")
# The same in a column of lines: ".0" behind digits only, and behind anything else.
_DIGITS = "|".join(rf"(?<=\n[0-9]{{{count}}}\.0)" for count in range(9, 14))
_FLOATS = re.compile(rf"\.0(?:{_DIGITS})0*(?=\n)")
_OTHER_FLOATS = re.compile(r"\.0+[ \u00a0]*(?=\n)")
# A text cell for spreadsheets, as programs write it into CSV: ="0912345678".
_TEXT = re.compile(r'=\s*"([0-9+ .()\u00a0-]*)"\s*')
_TEXTS = re.compile(rf"(?<=\n){_TEXT.pattern.replace(chr(92) + 's', ' ')}(?=\n)")
# A spreadsheet's short form that still has every digit: as many behind the point as the exponent says.
_EXPONENT = re.compile(r"\s*([0-9]+)[.,]([0-9]+)[eE]\+?([0-9]{1,2})\s*")
_USUAL = b" .-()\xa0"  # the usual separators, in Latin-1
# Invalid in a number: non-ASCII characters, and what int() would accept between or after digits.
_ODD = bytes(ord("?") if mark in b"_\t\v\f\r\x1c\x1d\x1e\x1f" or mark > 0x7F else mark for mark in range(256))
_SEPARATORS = re.compile("[\\s.()'\\-\u2010-\u2015\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")

# The first match wins. Separators, including decimal points, are removed by then.
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
    """Map the first five digits of 84xxxxxxxxx to the holder."""
    holders: dict[int, str] = {}
    for row in _ranges():
        width = 10 ** (4 - len(row["prefix"]))
        first = int("84" + row["prefix"][1:]) * width
        holders.update(dict.fromkeys(range(first, first + width), row["holder"]))
    return holders


_HOLDERS = _holders()
HOLDERS = frozenset(_HOLDERS.values())
# As people write them.
NETWORKS: dict[str, str] = {
    "viettel": "Viettel",
    "vnpt": "VNPT VinaPhone",
    "mobifone": "MobiFone",
    "vietnamobile": "Vietnamobile",
    "gmobile": "Gmobile",
    "itel": "iTel",
    "wintel": "Wintel",
    "indochina": "Đông Dương Telecom",
}
# The conversion of 15-09-2018: eleven digits became ten, keeping the last seven.
_CONVERTED = {row["was"][1:]: row["prefix"][1:] for row in _ranges() if row["was"]}


def _distances() -> dict[int, int]:
    """Map digits, read behind a 1 and without the last six, to their distance from 84xxxxxxxxx."""
    found: dict[int, int] = {}
    for first in _HOLDERS:
        now = str(first)[2:]
        before_2018 = [was + now[2:] for was, became in _CONVERTED.items() if became == now[:2]]
        for digits in (now, *before_2018):
            starts = [int(f"1{lead}{digits}") for lead in _LEADS]
            found |= {start: (first - start) * RANGE for start in starts}
    return found


_DISTANCES = _distances()  # the fast path: resolves most lines without a pattern


def normalise(raw: str) -> int | str:
    """Return the number as 84xxxxxxxxx, or the key of REASONS for rejecting it."""
    if len(raw) < _LONGEST and raw.isascii() and raw.isdecimal():
        digits = int(f"1{raw}")
        if digits // RANGE in _DISTANCES:
            return digits + _DISTANCES[digits // RANGE]
    return _normalise_rare(raw)


def one_mobile(text: str) -> int:
    """Return the number that somebody entered as 84xxxxxxxxx; raise Invalid, with a remedy, if it is none."""
    found = normalise(text.strip())
    if isinstance(found, int):
        return found
    reason = REASONS[found].en
    raise Invalid(
        "{reason} Enter a Vietnamese mobile number: ten digits starting with 0, or eleven digits "
        "starting with 84.",
        reason=reason,
        field="phone",
    )


def normalise_all(cells: Sequence[str]) -> tuple[list[int], dict[int, str]]:
    """Normalize many at once, several times faster: numbers, 0 if rejected, and the reasons by index.

    Separators are removed from all of them as one text; only the remaining cases are handled one by one.
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
    """Parse each; 0 if it is too long for a phone number or contains anything but digits."""
    if max(map(len, texts), default=0) > _LONGEST:
        texts = [text if len(text) <= _LONGEST else "" for text in texts]
    found, rest = list[int](), map(int, texts)
    while len(found) < len(texts):
        try:
            found.extend(rest)
        except ValueError:  # everything before this one has been added
            found.append(0)
    return found


def _behind_ones(cells: Sequence[str]) -> list[str]:
    """Put a 1 before each and remove the usual separators; return no digits if that could mislead."""
    text = "\n".join(("", *cells, ""))
    if '="' in text:
        text = _TEXTS.sub(r"\1", text)
    if ".0" in text:
        text = _OTHER_FLOATS.sub("?", _FLOATS.sub("", text))
    marks = text.encode("latin-1", "replace").translate(_ODD, _USUAL)
    texts = marks.replace(b"\n+84", b"\n0084").replace(b"\n", b"\n1").decode("ascii").split("\n")[1:-1]
    return texts if len(texts) == len(cells) else [""] * len(cells)  # some cell contains a line end


def _normalise_rare(raw: str) -> int | str:
    """Handle spellings that need cleaning, numbers from before 2018, and rejections."""
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
    """Remove what people and spreadsheets put between and around digits."""
    if written := _TEXT.fullmatch(raw):
        raw = written[1]
    whole = _FLOAT.fullmatch(raw) if ".0" in raw else None
    if whole:
        return whole[1]
    if (short := _EXPONENT.fullmatch(raw)) and (digits := _all_digits(*short.groups())):
        return digits
    # Plain replacements are several times faster than the pattern, and usually enough.
    text = raw.replace(" ", "").replace(".", "").replace("-", "").replace("\u00a0", "")
    return text if text.isdecimal() else _SEPARATORS.sub("", text)


def _all_digits(whole: str, behind: str, exponent: str) -> str:
    """Return the number that a mantissa and an exponent write in full; "" if any digit was cut off."""
    places = int(exponent)
    return whole + behind[:places] if len(behind) >= places and not behind[places:].strip("0") else ""


def range_holder(phone: int) -> str:
    """Return the holder of a normalized number's range, "" if none.

    The serving carrier may differ: numbers are portable since 2018, and only carriers know their subscribers.
    """
    return _HOLDERS.get(phone // RANGE, "")


def ranges_of(holder: str) -> frozenset[int]:
    return frozenset(first for first, each in _HOLDERS.items() if each == holder)


def mask(phone: int | str) -> str:
    """Hide all digits of a number, or of any text, except the first four and the last two."""
    text = str(phone)
    places = [place for place, char in enumerate(text) if char.isdigit()]
    chars = list(text)
    for place in places[4:-2]:
        chars[place] = "*"
    return "".join(chars)


def network(name: str) -> str:
    """Return a carrier's name as people write it."""
    return NETWORKS.get(name, name)
