"""Generates subscriber files like a province's: invented numbers of each carrier, with all usual faults."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from app.core import areas

Line = tuple[str, str]

HEADER: Line = ("Số điện thoại", "Mã xã")
SHARES = {"viettel": 0.65, "vnpt": 0.35, "mobifone": 0.12}  # relative sizes
BAD_SHARE = 0.03
REPEAT_SHARE = 0.01

_PREFIXES = {
    "viettel": ("32", "33", "34", "35", "36", "37", "38", "39", "86", "96", "97", "98"),
    "vnpt": ("81", "82", "83", "84", "85", "88", "91", "94"),
    "mobifone": ("70", "76", "77", "78", "79", "90", "93"),
    "vietnamobile": ("56", "58", "92"),
}
# Prefixes used before 2018.
_OLD = {"32": "162", "39": "169", "83": "123", "81": "127", "70": "120", "78": "128"}
_SPELLINGS = (
    *("0{a}{b}{c}",) * 6,
    *("84{a}{b}{c}",) * 3,
    *("+84{a}{b}{c}", "{a}{b}{c}", "0{a} {b} {c}", "0{a}.{b}.{c}", "0{a}-{b}-{c}", "+84 {a} {b} {c}"),
    *("0084{a}{b}{c}", "(0{a}) {b}{c}", "0{a}\u00a0{b}\u00a0{c}", "+84 0{a}{b}{c}", "{a}{b}{c}.0"),
)
_BAD = (
    *("0212{b}{c}", "1800{b}", "0140{c}", "067{b}{c}", "+856 20 {b}{c}", "0{a}{b}", "0{a}{b}{c}99", ""),
    *("O{a}{b}{c}", "031{b}{c}", "8.4{a}E+10", "không có", "113", "095{b}{c}"),
)
_STEP = 6_700_417  # prime to ten million, so its multiples visit every tail once


def write_sample(
    folder: Path, subscribers: int, seed: int, shares: Mapping[str, float] = SHARES
) -> dict[str, Path]:
    """Write one CSV per carrier, `subscribers` distinct good numbers in all; deterministic for a seed."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for carrier, count in _split(subscribers, shares).items():
        files[carrier] = folder / f"{carrier}.csv"
        with files[carrier].open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            writer.writerows(sample_lines(carrier, count, seed))
    return files


def _split(subscribers: int, shares: Mapping[str, float]) -> dict[str, int]:
    total, left = sum(shares.values()), subscribers
    counts = {}
    for carrier, share in shares.items():
        counts[carrier] = min(left, round(subscribers * share / total))
        left -= counts[carrier]
    counts[next(iter(shares))] += left
    return counts


def sample_lines(carrier: str, count: int, seed: int) -> Iterator[Line]:
    """Yield `count` distinct good numbers of this carrier, with bad lines and repeats among them."""
    chance = random.Random(f"{carrier} {seed}")  # noqa: S311 - a sample, not a secret
    communes = [area.code for area in areas.current(date(2026, 1, 1))]
    offset = chance.randrange(10**7)
    for place in range(count):
        number = _number(carrier, offset, place)
        area = chance.choice(communes)
        yield _spelling(number, chance), area if chance.random() < 0.98 else ""
        if chance.random() < BAD_SHARE:
            yield chance.choice(_BAD).format_map(_parts(number)), area
        if chance.random() < REPEAT_SHARE:
            yield _spelling(_number(carrier, offset, chance.randrange(place + 1)), chance), area


def _number(carrier: str, offset: int, place: int) -> str:
    """Return nine digits, distinct for every place."""
    prefixes = _PREFIXES[carrier]
    around, which = divmod(place, len(prefixes))
    return f"{prefixes[which]}{(offset + around * _STEP) % 10**7:07d}"


def _spelling(number: str, chance: random.Random) -> str:
    if number[:2] in _OLD and chance.random() < 0.1:
        return f"0{_OLD[number[:2]]}{number[2:]}"
    return chance.choice(_SPELLINGS).format_map(_parts(number))


def _parts(number: str) -> dict[str, str]:
    return {"a": number[:2], "b": number[2:5], "c": number[5:]}
