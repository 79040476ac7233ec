"""JSON bodies: strict ones, and sentences for what is wrong in a field.

Free of FastAPI, because commands read the same bodies from files.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from string import Formatter
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

from app.core import hashing
from app.core.errors import GIVEN_TWICE, Invalid
from app.core.masking import NO_MOBILE, holds_mobile
from app.core.words import UNSEEN
from carriers.phrases import Phrase, join

CARRIER = r"^[a-z0-9][a-z0-9_-]{0,39}$"


class Walled:
    """Mark a parameter or field that names a carrier: operators name only their own (app/operations)."""


Carrier = Annotated[str, StringConstraints(pattern=CARRIER), Walled]
CLOCK = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
# For logs, papers, mails and terminals: no control characters, and no marks that turn a line round.
_CONTROL = rf"\x7f-\x9f{UNSEEN}\ufffe\uffff"
LINE = rf"^[^\x00-\x1f{_CONTROL}]*$"
PROSE = rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f{_CONTROL}]*$"  # line ends and tabulators may be in it
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=LINE)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=PROSE)]
# The same where nothing need be said.
AnyLine = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=LINE)]
AnyProse = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=PROSE)]


def without_mobile(text: str) -> str:
    """Refuse a mobile number: what people write here is kept for good and shown to others."""
    if holds_mobile(text):
        raise PydanticCustomError(_MOBILE, _MOBILE)  # said by SENTENCES
    return text


_MOBILE = "mobile_number"
NoMobile = AfterValidator(without_mobile)  # last among the rules of a field
# The same for names, reasons and letters, which are kept for good.
KeptLine = Annotated[Line, NoMobile]
KeptProse = Annotated[Prose, NoMobile]
AnyKeptProse = Annotated[AnyProse, NoMobile]
Receiver = Annotated[Line, StringConstraints(max_length=254)]  # an endpoint's name, or an e-mail address


class StrictBody(BaseModel):
    """Refuse unknown fields, which are usually misspelt, and true for a number, which would be read as 1."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_bool_for_number(cls, value: Any, info: ValidationInfo) -> Any:
        if any(isinstance(each, bool) for each in _values(value)):
            types = list(_types(cls.model_fields[info.field_name or ""].annotation))
            if bool not in types and int in types:
                raise PydanticKnownError("int_type")
            if bool not in types and float in types:
                raise PydanticKnownError("float_type")
        return value


class NumberBody(StrictBody):
    """A telephone number in any usual spelling; in the body, so that no log of addresses has it."""

    phone: Annotated[str, Field(max_length=40, examples=["0912 345 678"])]


def _values(value: Any) -> Iterator[Any]:
    """Yield the values in lists and objects, however deep."""
    held = [value]
    while held:
        each = held.pop()
        if isinstance(each, list | dict):
            held += each.values() if isinstance(each, dict) else each
        else:
            yield each


def _types(annotation: Any) -> Iterator[Any]:
    """Yield the types that an annotation is put together from, such as int and NoneType of `int | None`."""
    within = get_args(annotation)
    yield from (annotation,) if not within else (found for each in within for found in _types(each))


_WHOLE = "{field} must be a whole number."
_NUMBER = "{field} must be a number."
_TEXT = "{field} must be text."
_LIST = "{field} must be a list."
_OBJECT = "{field} must be an object with named fields."
_DATE = "{field} must be a date, for example 2024-02-09."
_TIME = "{field} must be a date and time with a time zone, for example 2024-02-09T07:00:00+07:00."
_FORM = "{field} has the wrong format. See /docs for the format."
# pydantic's kind of error -> our sentence, with the limits that pydantic gives.
SENTENCES = {
    "missing": "{field} is missing.",
    "json_invalid": "The body is not valid JSON.",
    "timezone_aware": "{field} needs a time zone, for example 2024-02-09T07:00:00+07:00.",
    "extra_forbidden": "Unknown field {field}. See /docs for the fields of this operation.",
    "string_type": _TEXT,
    "string_unicode": "{field} must be UTF-8 text.",
    "string_too_short": "{field} must have {min_length} or more characters.",
    "string_too_long": "{field} must have at most {max_length} characters.",
    "string_pattern_mismatch": _FORM,
    _MOBILE: NO_MOBILE,
    "too_short": "{field} must have {min_length} or more entries.",
    "too_long": "{field} must have at most {max_length} entries.",
    "greater_than": "{field} must be greater than {gt}.",
    "greater_than_equal": "{field} must be at least {ge}.",
    "less_than": "{field} must be less than {lt}.",
    "less_than_equal": "{field} must be at most {le}.",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _WHOLE),
    "int_parsing_size": "{field} is outside the range of valid numbers.",
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), "{field} must be true or false."),
    **dict.fromkeys(("enum", "literal_error"), "{field} must be {expected}."),
    **dict.fromkeys(("list_type", "tuple_type", "set_type"), _LIST),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type", "dataclass_type"), _OBJECT),
    "invalid_key": "The names in {field} must be text.",
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), _DATE),
    "date_from_datetime_inexact": "{field} must be a date without a time, for example 2024-02-09.",
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"), _TIME
    ),
}
# The same for a pattern, which nobody should have to read.
PATTERNS = {
    LINE: "{field} must be a single line without control or invisible characters.",
    PROSE: "{field} must not contain control or invisible characters.",
    CARRIER: "{field} must consist of lower-case letters, digits, - and _, for example viettel.",
    CLOCK: "{field} must be a time of day, for example 07:00.",
    hashing.PATTERN: "{field} must be the digest from the response that you have read.",
    r"^[^\W_][\w .,'@-]{0,79}$": (
        "{field} must be a name that starts with a letter or digit and "
        "contains only letters, digits, spaces and . , ' @ - _"
    ),
}


def sentence(item: Mapping[str, Any]) -> Phrase:
    """Say what is wrong with a field and what it needs; never repeats what was entered."""
    field = ".".join(str(step) for step in item["loc"])
    limits = item.get("ctx", {})
    said = PATTERNS.get(limits.get("pattern", "")) or SENTENCES.get(item["type"])
    named = {**limits, "field": field}
    if said is None or not {name for _, name, *_ in Formatter().parse(said) if name} <= named.keys():
        why = item["msg"].removeprefix("Value error, ").rstrip(".")
        return Phrase("{field}: {why}.", field=field, why=why)
    places = {name: str(named[name]) for _, name, *_ in Formatter().parse(said) if name}
    return Phrase(said, **places)


def refuse_repeated(content: bytes) -> None:
    """Raise Invalid for a name that an object of this JSON has twice; readers would take the last in silence.

    What is no JSON is passed: whoever reads it has the words for it.
    """
    with suppress(ValueError, RecursionError):
        json.loads(content, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)
        name = next(name for name, times in names.items() if times > 1)[:40]
        raise Invalid(GIVEN_TWICE, field=f"body.{name}")
    return found


Body = TypeVar("Body", bound=BaseModel)


def filled(kind: type[Body], values: Mapping[str, Any]) -> Body:
    """Build a body from a form or a command line, under the API's rules; raises Invalid per wrong field."""
    try:
        return kind(**values)
    except ValidationError as error:
        faults = _faults(error)
    raise Invalid(join(said for _, said in faults), faults=faults)


def checked(kind: Any, field: str, value: object) -> Any:
    """Return one input under the rules of its type, as the API has it; raises Invalid for the field."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        faults = _faults(error, field)
    raise Invalid(join(said for _, said in faults), faults=faults)


def _faults(error: ValidationError, *within: str) -> list[tuple[str, str]]:
    items = [(dict(each), (*within, *each["loc"])) for each in error.errors()]
    return [(".".join(map(str, place)), sentence(item | {"loc": place})) for item, place in items]
