"""Message catalogues: English in the code, Vietnamese in words/vi/<area>.po, loaded at startup."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NewType

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

from app.reports.figures.figures import FIGURES

FOLDER = Path(__file__).with_name("words")
DEFAULT = "vi"
LANGUAGES = {"vi": "Tiếng Việt", "en": "English"}  # each in its own language

# An English catalogue sentence, shown only through a Speaker.
Said = NewType("Said", str)


def say(sentence: str) -> Said:
    """Mark a sentence for the catalogue; it is translated when shown."""
    return Said(sentence)


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return English sentence -> translation, of all areas; empty for English.

    Figures are called on pages as in forms and papers: by the one table of them.
    """
    found = {each.english: each.label for each in FIGURES.values()} if language == DEFAULT else {}
    for file in sorted((FOLDER / language).glob("*.po")):
        found |= {
            _first(message.id): _first(message.string) for message in read(file, language) if message.id
        }
    return found


def read(file: Path, language: str) -> Catalog:
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def _first(words: object) -> str:
    """Return the first plural form: Vietnamese has only one."""
    return str(words[0] if isinstance(words, list | tuple) else words)


class Speaker:
    """Translates catalogue sentences into one language, with values escaped."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else DEFAULT
        self._words = catalogue(self.language)

    def say(self, sentence: str, **values: object) -> Markup:
        said = escape(self._words.get(sentence, sentence))
        return said.format(**values) if values else said

    def count(self, singular: str, many: str, n: int, /, **values: object) -> Markup:
        """Translate the sentence for `n`, available as {n} unless `values` override it."""
        said = escape(self._words.get(singular, singular if n == 1 else many))
        return said.format(**({"n": n} | values))
