"""Registered templates: a text is sent as a template's fixed words and the parameters between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from carriers.text import nfc

# {A,n} to {D,n}: kind and largest length; {P1}, {P2} are the older style. V1.
_SLOT = re.compile(r"\{(?:([A-D]) *, *([0-9]{1,4})|P([0-9]{1,2}))\}")
_MOST_OF_A_KIND = 5
_LONGEST = 1000
# Our reading of V1's test data: A letters, digits, signs; B digits and dots; C without blanks; D free text.
_KINDS = {"A": r"\S", "B": r"[0-9.]", "C": r"\S", "D": r".", "P": r"."}


@dataclass(frozen=True, slots=True)
class Slot:
    """A placeholder: its kind, and the most characters that it takes."""

    kind: str
    longest: int

    def ends(self, text: str, start: int) -> Iterator[int]:
        """Yield where a parameter that starts there may end, longest first."""
        run = re.compile(f"{_KINDS[self.kind]}{{1,{self.longest}}}", re.DOTALL).match(text, start)
        return iter(range(run.end() if run else start, start, -1))


@dataclass(frozen=True, slots=True)
class Template:
    """A template by its id at VNPT: fixed words and slots, in order."""

    id: str
    pieces: tuple[str | Slot, ...]

    @property
    def slots(self) -> int:
        return sum(isinstance(piece, Slot) for piece in self.pieces)

    @property
    def fixed(self) -> tuple[str, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, str))

    def parameters(self, text: str) -> tuple[str, ...] | None:
        """Return what the text puts into the slots, in order; None if it does not fit."""
        pieces = self.pieces

        @cache  # tries each position once, so a text that does not fit costs no more than one that does
        def rest(nth: int, at: int) -> tuple[str, ...] | None:
            if nth == len(pieces):
                return () if at == len(text) else None
            piece = pieces[nth]
            if isinstance(piece, str):
                return rest(nth + 1, at + len(piece)) if text.startswith(piece, at) else None
            for end in piece.ends(text, at):
                after = rest(nth + 1, end)
                if after is not None:
                    return (text[at:end], *after)
            return None

        return rest(0, 0)


def parse(identity: str, content: str) -> Template:
    """Parse a template as VNPT's portal shows it; ValueError says what is wrong with it."""
    pieces: list[str | Slot] = []
    start, content = 0, nfc(content)
    for slot in _SLOT.finditer(content):
        pieces += [content[start : slot.start()], _slot(slot)]
        start = slot.end()
    pieces = [piece for piece in [*pieces, content[start:]] if piece]
    if any(isinstance(piece, str) and re.search("[{}]", piece) for piece in pieces):
        raise ValueError("has a brace that is not part of a placeholder such as {D,160} or {P1}")
    kinds = Counter(piece.kind for piece in pieces if isinstance(piece, Slot))
    if any(count > _MOST_OF_A_KIND for kind, count in kinds.items() if kind != "P"):
        raise ValueError(f"has more than {_MOST_OF_A_KIND} placeholders of one kind")
    _check_numbers(_SLOT.findall(content))
    return Template(identity, tuple(pieces))


def _slot(match: re.Match[str]) -> Slot:
    longest = int(match[2] or _LONGEST)
    if longest < 1:
        raise ValueError("has a placeholder that takes nothing")
    return Slot(match[1] or "P", longest)


def _check_numbers(slots: Sequence[tuple[str, str, str]]) -> None:
    numbers = [int(number) for _, _, number in slots if number]
    if numbers != list(range(1, len(numbers) + 1)):
        raise ValueError("must number its placeholders {P1}, {P2} and so on, in order")


def fit(templates: Iterable[Template], text: str) -> tuple[Template, tuple[str, ...]] | None:
    """Return the first template that the text fits, with its parameters; None if none fits."""
    for template in templates:
        parameters = template.parameters(text)
        if parameters is not None:
            return template, parameters
    return None
