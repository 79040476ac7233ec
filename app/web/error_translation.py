"""Sentences that verbs tell people, in the reader's language where refusals/<language>/ has them.

The verbs speak English, with their values already in the sentence: that is what the API, the command line and
the log have. A page finds the sentence's pattern again and says it with the same values; one that is in no
catalogue is shown as it is, marked as English. No sentence of the code is: a test finds each.
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
from app.privacy import rules
from app.receipts.result_files import line_parser
from app.web import display_names
from app.web.translations import Speaker, read

FOLDER = Path(__file__).with_name("refusals")
PLACE = re.compile(r"\{(\w+)\}")
# Sentences that stand in the code in both languages.
BOTH: tuple[Sentence, ...] = (*row_parser.REASONS.values(), *line_parser.REASONS.values(), *rules.ALL)
_BETWEEN = re.compile(r"(,\s|\sor\s|\sand\s)")  # what stands between several states or columns
_PATH = re.compile(r"[a-z]\w*(\.\w+)*\.(?P<last>[a-z]\w*)")  # body.items.0.reach
# A value ends where the sentence's next part begins; only what fits nothing so may hold anything.
_PART, _ANYTHING = "(?:(?!; ).)+?", ".+?"
_KEPT = 4096  # sentences that are remembered: pages say the same ones again and again


class Pattern(NamedTuple):
    """A sentence of the verbs with its places, and the other language's.

    sure: its longest words without a value, quickly looked for.
    """

    english: str
    said: str
    sure: str


def translate_error(speaker: Speaker, sentence: str) -> Markup:
    """The sentence in the speaker's language, or in English and marked as that."""
    if speaker.language == "en":
        return escape(sentence)
    return _found(speaker.language, sentence) or Markup('<span lang="en">{}</span>').format(sentence)


def coded(speaker: Speaker, code: str) -> Markup:
    """A carrier's code as it came; one of our own, which stand beside them in words, as a sentence."""
    return (None if speaker.language == "en" else _found(speaker.language, code)) or escape(code)


@lru_cache(_KEPT)
def _found(language: str, sentence: str) -> Markup | None:
    """The sentence as its pattern has it; None where there is none."""
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
    """Those with the most words of their own first: a pattern may fit another's sentence."""
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
    """The sentence with anything at its places; the same name twice is the same value twice."""
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
    """A value as it is; sentences, states, roles and other words of the program as people call them."""
    if found := _found(language, value):
        return found
    parts = _BETWEEN.split(value)
    known = [_word(language, part) for part in parts]
    return Markup("").join(each or escape(part) for each, part in zip(known, parts, strict=True))


def _word(language: str, word: str) -> Markup | None:
    path = _PATH.fullmatch(word)
    name = path["last"] if path else word
    if found := _found(language, name):
        return found
    said = display_names.STATES.get(name) or display_names.ROLES.get(name)
    return None if said is None else Speaker(language).say(said)
