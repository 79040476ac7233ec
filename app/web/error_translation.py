"""Translates service errors into the visitor's language, by the catalogues in refusals/<language>/.

Services raise English sentences with their values filled in, for API, command line and log. A page matches
the sentence against known patterns and renders its translation with the same values; an unknown one is shown
marked as English. A test ensures that every sentence in the code is translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup, escape

from app.batches import row_parser
from app.core.phone import Sentence
from app.privacy import erasable
from app.receipts.result_files import line_parser
from app.web import display_names
from app.web.translations import Speaker, read, say

FOLDER = Path(__file__).with_name("refusals")
PLACE = re.compile(r"\{(\w+)\}")
# Defined in the code in both languages.
BOTH: tuple[Sentence, ...] = (*row_parser.REASONS.values(), *line_parser.REASONS.values(), *erasable.ALL)
_BETWEEN = re.compile(r"(,\s|\sor\s|\sand\s)")  # separators between several states or columns
_PATH = re.compile(r"[a-z]\w*(\.\w+)*\.(?P<last>[a-z]\w*)")  # body.items.0.reach
_ROW = re.compile(r"(\w+\.)*(?P<list>[a-z]\w*)\.(?P<row>\d{1,6})")  # body.addressees.0
_NTH = say("{name}, no. {n}")
# A value ends at the sentence's next fixed part; the second form is tried if the first fails.
_PART, _ANYTHING = "(?:(?!; ).)+?", ".+?"
_KEPT = 4096  # cached sentences; pages repeat the same ones


class Pattern(NamedTuple):
    """An English sentence with placeholders, and its translation.

    sure: its longest fixed part, for a quick pre-check.
    """

    english: str
    said: str
    sure: str


def translate_error(speaker: Speaker, sentence: str) -> Markup:
    """Translate a sentence, or mark it as English."""
    if speaker.language == "en":
        return escape(sentence)
    return _found(speaker.language, sentence) or Markup('<span lang="en">{}</span>').format(sentence)


def coded(speaker: Speaker, code: str) -> Markup:
    """Return a carrier's code as it is, or Loa's own code as a sentence."""
    return (None if speaker.language == "en" else _found(speaker.language, code)) or escape(code)


@lru_cache(_KEPT)
def _found(language: str, sentence: str) -> Markup | None:
    for pattern, found in _matches(language, sentence):
        values = {name: _value(language, value) for name, value in found.groupdict().items()}
        return escape(pattern.said).format(**values)
    return None


def _matches(language: str, sentence: str) -> Iterator[tuple[Pattern, re.Match[str]]]:
    likely = [each for each in patterns(language) if each.sure in sentence]
    for value in (_PART, _ANYTHING):
        for pattern in likely:
            if found := _expression(pattern.english, value).fullmatch(sentence):
                yield pattern, found


@cache
def patterns(language: str) -> list[Pattern]:
    """Return the patterns, most fixed text first: a general one may match another's sentence."""
    found = _catalogue(language)
    ordered = sorted(found, key=lambda english: len(PLACE.sub("", english)), reverse=True)
    return [Pattern(each, found[each], max(PLACE.split(each)[::2], key=len)) for each in ordered]


@cache
def _catalogue(language: str) -> dict[str, str]:
    files = sorted((FOLDER / language).glob("*.po"))
    found = {str(each.id): str(each.string) for file in files for each in read(file, language) if each.id}
    return found | {each.en: each.vi for each in BOTH if language == "vi"}


@cache
def _expression(english: str, value: str) -> re.Pattern[str]:
    """Compile a sentence with placeholders; a repeated name must have the same value."""
    seen: set[str] = set()
    parts = []
    for number, part in enumerate(PLACE.split(english)):
        if number % 2 == 0:
            parts.append(re.escape(part))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>{value})")
            seen.add(part)
    return re.compile("".join(parts), re.DOTALL)


def _value(language: str, value: str) -> Markup:
    if found := _found(language, value):
        return found
    parts = _BETWEEN.split(value)
    known = [_word(language, part) for part in parts]
    return Markup("").join(each or escape(part) for each, part in zip(known, parts, strict=True))


def _word(language: str, word: str) -> Markup | None:
    row = _ROW.fullmatch(word)
    if row and (of := _word(language, row["list"])):
        return Speaker(language).say(_NTH, name=of, n=int(row["row"]) + 1)
    path = _PATH.fullmatch(word)
    name = path["last"] if path else word
    if found := _found(language, name):
        return found
    said = display_names.STATES.get(name) or display_names.ROLES.get(name)
    return None if said is None else Speaker(language).say(said)
