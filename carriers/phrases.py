"""English sentences that keep their template and values apart, so that a page can translate the template."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Self

_KEPT = '["'  # how a line of `to_json` begins


class Phrase(str):
    """An English sentence, made by filling the places of `template` with `values`.

    It is read as the string that it is: by logs, by the command line, by programs. Pages translate the
    template by their catalogue and fill in the same values; a value that is a Phrase is translated as well.
    """

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> Self:
        made = super().__new__(cls, template.format(**values) if values else template)
        if isinstance(template, Phrase) and not values:
            made.template, made.values = template.template, template.values
        else:
            made.template, made.values = str(template), values
        return made

    @property
    def is_row(self) -> bool:
        """Whether `join` has made it: a row of sentences, with nothing of its own but what stands between."""
        return "part0" in self.values

    def to_json(self) -> str:
        """Return the sentence as one line that `from_json` reads back, for a column or a pipe."""
        return json.dumps(_plain(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Phrase:
        """Read what `to_json` wrote; any other string is a sentence without values."""
        try:
            found = _phrase(json.loads(line)) if line.startswith(_KEPT) else None
        except (ValueError, LookupError, TypeError):
            found = None
        return found or cls(line)


def join(sentences: Iterable[str], between: str = " ") -> Phrase:
    """Put sentences or words in a row, each of which stays translatable."""
    parts = {f"part{number}": sentence for number, sentence in enumerate(sentences)}
    places = [f"{{{name}}}" for name in parts]
    if between in (" and ", " or ") and len(places) > 2:
        places = [", ".join(places[:-1]), places[-1]]
    return Phrase(between.join(places), **parts)


def kept(sentence: str, most: int | None = None) -> str:
    """Return what a column keeps of a sentence: its values apart if there are any and it has the room."""
    apart = isinstance(sentence, Phrase) and sentence.values
    line = Phrase(sentence).to_json() if apart or sentence.startswith(_KEPT) else str(sentence)
    return line if most is None or len(line) <= most else str(sentence)[:most]


def _plain(sentence: Phrase) -> list[object]:
    values = {name: _plain(v) if isinstance(v, Phrase) else _word(v) for name, v in sentence.values.items()}
    return [sentence.template, values]


def _word(value: object) -> object:
    """Return a value of JSON; a member of an enumeration stays translatable as a word of its own."""
    if isinstance(value, Enum):
        return [str(value.value), {}]
    return value if isinstance(value, int | float) else str(value)


def _phrase(stored: object) -> Phrase | None:
    match stored:
        case [str(template), dict(values)]:
            return Phrase(template, **{name: _phrase(v) or v for name, v in values.items()})
    return None
