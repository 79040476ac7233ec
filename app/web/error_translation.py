"""Translates sentences of services into the visitor's language, by the catalogues in refusals/<language>/.

Services make English sentences that keep template and values apart (carriers/phrases.py). A page translates
the template and fills in the same values; a sentence that no catalogue has is shown marked as English.
"""

from __future__ import annotations

from enum import Enum
from functools import cache
from pathlib import Path

from markupsafe import Markup, escape

from app.batches import row_parser
from app.core.phone import Sentence
from app.privacy import erasable
from app.receipts.result_files import line_parser
from app.web import display_names
from app.web.translations import Speaker, read, say
from carriers.phrases import Phrase

FOLDER = Path(__file__).with_name("refusals")
# Defined in the code in both languages.
BOTH: tuple[Sentence, ...] = (*row_parser.REASONS.values(), *line_parser.REASONS.values(), *erasable.ALL)
# Places whose values are words of Loa's own: names of states, roles, columns, things.
WORDS = {
    *("state", "states", "old", "new", "verb", "allowed", "role", "roles", "level", "levels", "kind", "what"),
    *("reason", "which", "known", "purpose"),
}
_NTH = say("{name} no. {n}")


def translate_error(speaker: Speaker, sentence: str) -> Markup:
    """Translate a sentence, or mark it as English."""
    if speaker.language == "en":
        return escape(sentence)
    if (translated := _translated(speaker, sentence)) is not None:
        return translated
    return (
        escape(sentence) if _is_vietnamese(sentence) else Markup('<span lang="en">{}</span>').format(sentence)
    )


def _is_vietnamese(sentence: str) -> bool:
    """Return whether it was made in Vietnamese, as what is wrong in a form that offices fill in."""
    return any(sign.isalpha() and not sign.isascii() for sign in Phrase(sentence).template)


def coded(speaker: Speaker, code: str) -> Markup:
    """Return a carrier's code as it is, or Loa's own code as a sentence."""
    return (None if speaker.language == "en" else _translated(speaker, code)) or escape(code)


def _translated(speaker: Speaker, sentence: str) -> Markup | None:
    phrase, known = Phrase(sentence), templates(speaker.language)
    template = known.get(phrase.template)
    if template is None and phrase.is_row:
        template = phrase.template
        for between in (" and ", " or "):
            template = template.replace(between, known.get(between, between))
    if template is None:
        return None
    values = {name: _value(speaker, name, value) for name, value in phrase.values.items()}
    return escape(template).format(**values) if values else escape(template)


@cache
def templates(language: str) -> dict[str, str]:
    """Return English template -> translation."""
    files = sorted((FOLDER / language).glob("*.po"))
    found = {str(each.id): str(each.string) for file in files for each in read(file, language) if each.id}
    return found | {each.en: each.vi for each in BOTH if language == "vi"}


def _value(speaker: Speaker, name: str, value: object) -> Markup:
    if name == "field":
        return _field(speaker, str(value))
    if isinstance(value, Phrase):
        return _translated(speaker, value) or _word(speaker, value) or escape(value)
    if isinstance(value, Enum) or name in WORDS or " " in str(value):  # a sentence of Loa's own, or a word
        return _word(speaker, str(value)) or escape(value)
    return escape(value)


def _word(speaker: Speaker, word: str) -> Markup | None:
    if template := templates(speaker.language).get(word):
        return escape(template)
    name = display_names.STATES.get(word) or display_names.ROLES.get(word)
    return None if name is None else speaker.say(name)


def _field(speaker: Speaker, path: str) -> Markup:
    """Return a field as people call it: body.items.0.reach is the reach, addressees.11 their twelfth."""
    *_, parent, last = ("", *path.split("."))
    if last.isdecimal() and (name := _word(speaker, parent)):
        return speaker.say(_NTH, name=name, n=int(last) + 1)
    return _word(speaker, last) or escape(path)
