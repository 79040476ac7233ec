"""The catalogue of sentences: English in the code, Vietnamese in words/vi/<area>.po, read at the start."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NewType

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

FOLDER = Path(__file__).with_name("words")
DEFAULT = "vi"
LANGUAGES = {"vi": "Tiếng Việt", "en": "English"}  # each in its own words

# A sentence of the catalogue, in English: shown only through a Speaker.
Said = NewType("Said", str)


def say(sentence: str) -> Said:
    """Mark a sentence of the code for the catalogue; it is translated where it is shown."""
    return Said(sentence)


@cache
def catalogue(language: str) -> dict[str, str]:
    """English sentence -> the same in that language, of all areas; nothing for English itself."""
    found: dict[str, str] = {}
    for file in sorted((FOLDER / language).glob("*.po")):
        found |= {
            _first(message.id): _first(message.string) for message in read(file, language) if message.id
        }
    return found


def read(file: Path, language: str) -> Catalog:
    """One area's sentences as babel reads them."""
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def _first(words: object) -> str:
    """The sentence; of several forms the first: Vietnamese has one for any number."""
    return str(words[0] if isinstance(words, list | tuple) else words)


class Speaker:
    """Says the catalogue's sentences in one language; what is put into a sentence is escaped."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else DEFAULT
        self._words = catalogue(self.language)

    def say(self, sentence: str, **values: object) -> Markup:
        """The sentence with its values."""
        said = escape(self._words.get(sentence, sentence))
        return said.format(**values) if values else said

    def count(self, one: str, many: str, n: int, /, **values: object) -> Markup:
        """The sentence for this number, which is {n} in it unless `values` say otherwise."""
        said = escape(self._words.get(one, one if n == 1 else many))
        return said.format(**({"n": n} | values))
