"""What names a thing by its number: ASCII digits and nothing else, wherever it stands.

Python's and pydantic's own readers also take `+2`, ` 2`, `2.0`, `2_0` and the digits of other scripts. A
check of one spelling and an act on another is how a check is passed by, so there is one reader for all.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticKnownError

LARGEST = 2**31 - 1  # of a column of ids
_DIGITS = re.compile("0|[1-9][0-9]{0,9}")
_ODD = re.compile(r"[^0-9A-Za-z+_.-]")
_SHOWN = 20


def read(said: str) -> int | None:
    """The number; None for any other spelling and for one that no id can have."""
    number = int(said) if _DIGITS.fullmatch(said) else None
    return None if number is None or number > LARGEST else number


def shown(said: str) -> str:
    """What was written in place of an id, as an error may repeat it."""
    return _ODD.sub("?", said[:_SHOWN])


def exact(said: object) -> int:
    """For pydantic: a whole number of JSON, or digits of an address or a form."""
    if isinstance(said, int) and not isinstance(said, bool):
        return said
    number = read(said) if isinstance(said, str) else None
    if number is None:
        raise PydanticKnownError("int_parsing" if isinstance(said, str) else "int_type")
    return number


Exact = BeforeValidator(exact)
Number = Annotated[int, Field(ge=1, le=LARGEST), Exact]
Position = Annotated[int, Field(ge=0, le=LARGEST), Exact]  # a line of a file, or where a list goes on
