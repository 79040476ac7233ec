"""A record is read again from what it was kept as, with defaults for what older ones lack."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

import pytest

from app.database.records import from_json


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    n: int
    colour: Colour | None = None


@dataclass(frozen=True)
class Whole:
    name: str
    parts: tuple[Part, ...]
    batches: tuple[int, ...]
    first: Part | None
    words: dict[str, str]
    more: tuple[Part, ...] | None = None


@pytest.mark.parametrize("more", [None, (), (Part(3),)])
def test_a_record_comes_back_as_it_was(more: tuple[Part, ...] | None) -> None:
    kept = Whole("a", (Part(1, Colour.RED), Part(2)), (7, 8), Part(5), {"vi": "chữ"}, more)
    again = from_json(Whole, json.loads(json.dumps(asdict(kept))))
    assert again == kept
    assert isinstance(again.parts[0].colour, Colour)


def test_what_an_older_one_lacks_is_the_default_and_what_no_field_has_is_refused() -> None:
    assert from_json(Part, {"n": 1}) == Part(1)
    with pytest.raises(TypeError):
        from_json(Part, {"colour": None})
    with pytest.raises(LookupError):
        from_json(Part, {"n": 1, "size": 2})
