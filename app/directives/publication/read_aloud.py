"""A text as it is read aloud in Vietnamese: numbers, days, times and web addresses written out."""

from __future__ import annotations

import re
from collections.abc import Iterator

_DIGITS = ["không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín"]
_SCALES = ("", "nghìn", "triệu", "tỷ")
_MOST = 10**12  # above, digit by digit
_SHORT_CODES = frozenset(["111", "112", "113", "114", "115", "156", "5656", "1022"])
_SPELLED = "a bê xê đê e ép gờ hát i gi ca lờ mờ nờ o pê quy rờ sờ tê u vê vê-kép ích i-dài dét"
_LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyz", _SPELLED.split(" "), strict=True))
_SIGNS = {".": "chấm", "/": "gạch chéo", "-": "gạch ngang", "_": "gạch dưới", "@": "a còng", "?": "hỏi"}
_SIGNS |= {"=": "bằng", "&": "và", ":": "hai chấm", "#": "thăng", "%": "phần trăm", "+": "cộng"}
_SIGNS |= {
    "!": "chấm than",
    "$": "đô la",
    "'": "nháy đơn",
    "*": "sao",
    "^": "mũ",
    "|": "gạch đứng",
    "~": "ngã",
}
_SIGNS |= {"`": "nháy ngược", "<": "nhỏ hơn", ">": "lớn hơn", "\\": "gạch chéo ngược"}
_SIGNS |= {"[": "mở ngoặc vuông", "]": "đóng ngoặc vuông", "{": "mở ngoặc nhọn", "}": "đóng ngoặc nhọn"}
_AFTER = ".?:!'*)]}>"  # at the end these belong to the sentence, not to the address
_ADDRESS = r"(?:https?://)?(?:[\w.+-]+@)?(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s,;()“”\"]*)?"
_DAY = r"(?:(?P<day_word>[Nn]g[àa]y)\s+)?(?P<day>\d{1,2})[/-](?P<month>\d{1,2})[/-](?P<year>\d{4})"
_BEFORE_DAY = "[Nn]g[àa]y|[Tt][ừu]|[ĐđDd][ếe]n|[Tt]r[ướu][ớo]c|[Ss]au|[Hh][ếe]t"
_SHORT_DAY = (
    rf"(?P<short_word>{_BEFORE_DAY})\s+(?P<short_day>\d{{1,2}})[/-](?P<short_month>\d{{1,2}})(?![/\d])"
)
_TIME = r"(?P<hour>\d{1,2})(?:h|:|g)(?P<minute>\d{2})(?!\d)|(?P<hour_alone>\d{1,2})h(?![a-z0-9])"
_PHONE = r"(?P<phone>\+?(?<!\d)(?:0|84)(?:[ .-]?\d){8,11}(?!\d)|1[89]00(?:[ .-]?\d){4,6}(?!\d))"
_THOUSANDS = r"(?P<thousands>\d{1,3}(?:\.\d{3})+)(?!\d)"
_FRACTION = r"(?P<whole>\d+)[,](?P<part>\d+)(?!\d)"
# A zero before one of the two is written in days only: 02/9, 9/02.
_BARE_DAY = (
    r"(?P<bare_day>0[1-9])/(?P<bare_month>1[0-2]|0?[1-9])(?![/\d])"
    r"|(?P<day_2>[12]\d|3[01]|[1-9])/(?P<month_2>0[1-9])(?![/\d])"
)
_PLAIN = r"(?P<plain>\d+)(?P<over>/(?=\d))?"
_RULES = "|".join(
    (f"(?P<address>{_ADDRESS})", _DAY, _SHORT_DAY, _BARE_DAY, _TIME, _PHONE, _THOUSANDS, _FRACTION, _PLAIN)
)
_FOUND = re.compile(f"(?:{_RULES})(?P<percent>\\s?%)?")


def aloud(text: str) -> str:
    """Return the text as it is spoken; words stay as they are."""
    dong = re.sub(r"(?<=\d)\s?(?:đ|₫)(?!\w)", " đồng", text)
    said = re.sub(r"%(\w?)", r" phần trăm \1", _FOUND.sub(_read, dong))
    return re.sub(r" (?=[.,;:!?])", "", re.sub(r"[^\S\n]+", " ", said)).strip()


def _read(found: re.Match[str]) -> str:
    said = " ".join(_words(found))
    percent = " phần trăm" if found["percent"] else ""
    before, after = found.string[: found.start()][-1:], found.string[found.end() :][:1]
    return (
        f"{' ' if before.isalnum() else ''}{said}{percent}{' ' if after.isalnum() or found['over'] else ''}"
    )


def _words(found: re.Match[str]) -> Iterator[str]:
    if found["address"]:
        address = found["address"].rstrip(_AFTER)
        yield " ".join(_address(address)) + found["address"][len(address) :]
    elif found["year"]:
        yield from _day(found["day_word"], found["day"], found["month"])
        yield f"năm {number(int(found['year']))}"
    elif found["short_day"]:
        yield from _day(found["short_word"], found["short_day"], found["short_month"])
    elif found["bare_day"] or found["day_2"]:
        yield from _day("", found["bare_day"] or found["day_2"], found["bare_month"] or found["month_2"])
    elif found["hour"] or found["hour_alone"]:
        yield f"{number(int(found['hour'] or found['hour_alone']))} giờ"
        if found["minute"] and int(found["minute"]):
            yield number(int(found["minute"]))
    else:
        yield from _figure(found)


def _day(word: str | None, day: str, month: str) -> Iterator[str]:
    said = word if word and word.casefold() in ("ngày", "ngay") else f"{word} ngày" if word else "ngày"
    yield f"{said} {number(int(day))} tháng {number(int(month))}"


def _figure(found: re.Match[str]) -> Iterator[str]:
    if found["phone"]:
        yield ("cộng " if found["phone"].startswith("+") else "") + by_digit(found["phone"])
    elif found["thousands"]:
        yield number(int(found["thousands"].replace(".", "")))
    elif found["whole"]:
        yield f"{number(int(found['whole']))} phẩy {by_digit(found['part'])}"
    else:
        plain = found["plain"]
        single = plain in _SHORT_CODES or (plain.startswith("0") and len(plain) > 1) or len(plain) > 7
        yield by_digit(plain) if single else number(int(plain))
        yield from ["trên"] if found["over"] else []


def by_digit(text: str) -> str:
    return " ".join(_DIGITS[int(each)] for each in text if each.isdecimal())


def number(n: int) -> str:
    """Return a number from 0 in words: 1205 is một nghìn hai trăm linh năm."""
    if n >= _MOST:
        return by_digit(str(n))
    groups = []
    while n:
        n, group = divmod(n, 1000)
        groups.append(group)
    said: list[str] = []
    for at in reversed(range(len(groups))):
        if groups[at]:
            said += [_below_thousand(groups[at], full=bool(said)), _SCALES[at]]
    return " ".join(filter(None, said)) or _DIGITS[0]


def _below_thousand(n: int, *, full: bool) -> str:
    """full: name the hundreds even if there are none, since something stands before."""
    hundreds, rest = divmod(n, 100)
    said = [_DIGITS[hundreds], "trăm"] if hundreds or full else []
    if not rest:
        return " ".join(said)
    tens, ones = divmod(rest, 10)
    if tens == 0:
        said += ["linh", _DIGITS[ones]] if said else [_DIGITS[ones]]
    else:
        said += ["mười"] if tens == 1 else [_DIGITS[tens], "mươi"]
        said += [_last(tens, ones)] if ones else []
    return " ".join(said)


def _last(tens: int, ones: int) -> str:
    if ones == 5:
        return "lăm"
    if tens > 1:
        return {1: "mốt", 4: "tư"}.get(ones, _DIGITS[ones])
    return _DIGITS[ones]


def _address(address: str) -> Iterator[str]:
    plain = re.sub(r"^https?://", "", address, flags=re.IGNORECASE)
    for piece in re.findall(r"\d+|[^\W\d_]+|[\W_]", plain):
        if piece.isdecimal():
            yield by_digit(piece)
        elif piece in _SIGNS:
            yield _SIGNS[piece]
        elif piece.isascii() and piece.isalpha() and not re.search("[aeiouy]", piece.lower()):
            yield " ".join(_LETTERS[each] for each in piece.lower())
        else:
            yield piece


def vocabulary() -> frozenset[str]:
    """Return every word that reading aloud may put in the place of a number, a sign or a letter."""
    units = "ngày tháng năm giờ phẩy phần trăm linh mười mươi lăm mốt tư cộng trên đồng"
    said = " ".join([*_DIGITS, *_SCALES, *_LETTERS.values(), *_SIGNS.values(), units])
    return frozenset(said.split())
