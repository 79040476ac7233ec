"""Strict reading of numeric ids: ASCII digits and nothing else.

Python and pydantic also accept `+2`, ` 2`, `2.0`, `2_0` and digits of other scripts. If a check read one
spelling and the operation another, the check could be bypassed, so everything uses this reader.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticKnownError

from app.core.errors import shown_id
from carriers.phrases import Phrase

LARGEST = 2**31 - 1  # limit of an id column
_DIGITS = re.compile("0|[1-9][0-9]{0,9}")
_OUT_OF_RANGE = re.compile("-?[1-9][0-9]*")
_MOST_DIGITS = 1000  # of a number whose range is told


def read(text: str) -> int | None:
    """Return the number; None for any other spelling or a number out of range."""
    number = int(text) if _DIGITS.fullmatch(text) else None
    return None if number is None or number > LARGEST else number


def shown(text: str) -> Phrase:
    """Return how an id is repeated in a sentence: as digits, or not at all, for it may be a phone number."""
    return shown_id(read(text))


def exact(value: object) -> int:
    """Validate for pydantic: an integer in JSON, or digits in a path or form.

    A number out of range is returned, for the limits beside this validator, whose sentences name them.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("int_type")
    number = read(value)
    if number is not None:
        return number
    if not _OUT_OF_RANGE.fullmatch(value):
        raise PydanticKnownError("int_parsing")
    if len(value) > _MOST_DIGITS:
        raise PydanticKnownError("int_parsing_size")
    return int(value)


Exact = BeforeValidator(exact)
Number = Annotated[int, Field(ge=1, le=LARGEST), Exact]
Position = Annotated[int, Field(ge=0, le=LARGEST), Exact]  # a line of a file, or a cursor of a list
