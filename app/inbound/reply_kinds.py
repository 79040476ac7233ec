"""What a citizen's message asks for: no more messages, a look at a scam, or a person to read it; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from carriers.text import unaccent


class ReplyKind(StrEnum):
    """Kind of a message to us. Values are stored."""

    OPT_OUT = "opt_out"  # its sender wants no more messages
    REPORT = "report"  # a scam or spam, in the form of 156 and 5656: LD, V or S, number, content
    CHECK = "check"  # of before 0060: whether the text of an SMS is genuine
    OTHER = "other"


class ScamReport(NamedTuple):
    """What is reported. form: S (spam message), V (spam call) or LD (scam); number: who it came from."""

    form: str
    number: str
    content: str


_LONGEST = 500  # a longer message is no opt-out word, and is not looked at; one SMS has less, blanks included
# S (0912345678) (content), with or without brackets. A number has at least three digits, as short codes have;
# without brackets it has blanks only where a phone number has them, or it would swallow an amount after it.
_NUMBER = (
    r"\(\s*(?P<bracketed>\+?\d(?:[\s.-]?\d){2,14})\s*\)"
    r"|(?P<whole>\+?\d(?:[.-]?\d){7,14})(?!\d)"
    r"|(?P<spaced>\+?\d{2,4}(?:[ .-]\d{3,4}){2})(?!\d)"
    r"|(?P<short>\d{3,7})(?!\d)"
)
_REPORT = re.compile(
    rf"\s*(?P<form>LD|S|V)[\s:.,;-]*(?:{_NUMBER})[\s:.,;-]*(?P<content>.*)\Z", re.IGNORECASE | re.DOTALL
)


def kind_of(text: str, opt_out: Iterable[str]) -> ReplyKind:
    """Tell what a whole message asks for. Only one that has nothing but the word is an opt-out."""
    if len(text) <= _LONGEST and _letters(text) in _words(tuple(opt_out)):
        return ReplyKind.OPT_OUT
    return ReplyKind.REPORT if report(text) else ReplyKind.OTHER


def report(text: str) -> ScamReport | None:
    """Return what is reported, None if the message has not the form of a report."""
    found = _REPORT.match(unicodedata.normalize("NFKC", text))
    if found is None:
        return None
    said = found.groupdict()
    number = next(said[kind] for kind in ("bracketed", "whole", "spaced", "short") if said[kind])
    content = said["content"].strip().removeprefix("(").removesuffix(")").strip()
    if not any(each.isalpha() for each in content):
        return None
    return ScamReport(said["form"].upper(), re.sub(r"[\s.-]", "", number), content)


@lru_cache(8)
def _words(opt_out: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_letters(each) for each in opt_out) - {""}


def _letters(text: str) -> str:
    """Return letters and digits alone, without diacritics, in small ones: Từ-chối! is tuchoi."""
    plain = unaccent(unicodedata.normalize("NFKC", text)).casefold()
    return "".join(each for each in plain if each.isalnum())
