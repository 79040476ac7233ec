"""Readers of adapter settings: each converts a value of the settings file or says what it must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields
from datetime import timedelta, timezone
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from carriers.contract import Carrier, LinkError, LinkOptions, Reason, ReceiptLevel

# Converts a value of the settings file, or raises ValueError("what it must be").
Read = Callable[[object], Any]
Settings = TypeVar("Settings")
VIETNAM = timezone(timedelta(hours=7))


class Adapter(NamedTuple):
    """What the registry needs of an adapter: its module `carrier` has one, named ADAPTER.

    make: builds the link, LinkError for wrong settings; settings: the dataclass of `by(...)` fields;
    canonical: how a link stores message ids, if not as the carrier writes them.
    """

    make: Callable[[LinkOptions], Carrier]
    settings: type
    canonical: Callable[[LinkOptions], Callable[[str], str]] | None = None


def by(read: Read, *, content: bool = False) -> Mapping[str, Any]:
    """Return field metadata with the reader of one setting.

    content: the setting changes what is sent or as whom, so an approval covers its value.
    """
    return {"read": read, "content": content}


def content_options(settings: type, options: Mapping[str, object]) -> dict[str, object]:
    """Return the options that change what is sent or as whom."""
    names = {each.name for each in fields(settings) if each.metadata.get("content")}
    return {name: value for name, value in options.items() if name in names}


def string(longest: int, shortest: int = 0) -> Read:
    """Read printable ASCII; integers are converted to their digits."""

    def read(value: object) -> str:
        given = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else "\0"
        if not shortest <= len(given) <= longest or not re.fullmatch(r"[\x20-\x7e]*", given):
            raise ValueError(f"must be plain text of {shortest} to {longest} characters")
        return given

    return read


def whole(low: int, high: int) -> Read:
    def read(value: object) -> int:
        if not re.fullmatch(r"\d{1,9}", str(value)) or not low <= int(str(value)) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(str(value))

    return read


def seconds(low: float, high: float) -> Read:
    def read(value: object) -> float:
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(value)) or not low <= float(str(value)) <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return float(str(value))

    return read


def flag(value: object) -> bool:
    if str(value).lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return str(value).lower() == "true"


def one_of(*names: str) -> Read:
    def read(value: object) -> str:
        if value not in names:
            raise ValueError(f"must be one of: {', '.join(names)}")
        return str(value)

    return read


def number(low: float, high: float) -> Read:
    def read(value: object) -> float:
        if not re.fullmatch(r"\d{1,9}(\.\d{1,6})?", str(value)) or not low <= float(str(value)) <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return float(str(value))

    return read


def level(value: object) -> ReceiptLevel:
    return ReceiptLevel[one_of("handset", "operator", "none")(value).upper()]


def utc_offset(value: object) -> timezone:
    """Read the zone of the dates in receipts, such as +07:00."""
    match = re.fullmatch(r"([+-])([01]\d):([0-5]\d)", str(value))
    if match is None:
        raise ValueError("must be an offset such as +07:00")
    ahead = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(ahead if match[1] == "+" else -ahead)


def reasons(value: object) -> Mapping[str, Reason]:
    """Read the link's own error codes, such as {"001" = "no_such_number"}.

    Leading zeros and case are ignored.
    """
    words = {reason.name.lower(): reason for reason in Reason}
    if not isinstance(value, Mapping) or not set(map(str, value.values())) <= set(words):
        raise ValueError(f"must be a table of error codes with words out of: {', '.join(words)}")
    return {plain_code(str(code)): words[str(word)] for code, word in value.items()}


def plain_code(code: str) -> str:
    """Normalise an error code as the tables have it: lower case, no leading zeros."""
    return code.lower().lstrip("0") or "0"


def read_options(link: LinkOptions, settings: type[Settings], kind: str) -> Settings:
    """Read the link's options into this dataclass of `by(...)` fields; `kind` as in "an SMPP link".

    LinkError names the link, the option and the remedy, never the value.
    """
    known: dict[str, Field[Any]] = {each.name: each for each in fields(settings)}  # type: ignore[arg-type]
    unknown = sorted({*link.options} - {*known})
    missing = [
        name
        for name, field in known.items()
        if field.default is MISSING and field.default_factory is MISSING and name not in link.options
    ]
    faults = [_unknown(kind, name, known) for name in unknown]
    faults += [str(LinkError(f"{name} is missing; the carrier's contract states it.")) for name in missing]
    values: dict[str, Any] = {}
    for name in known.keys() & link.options.keys():
        try:
            values[name] = known[name].metadata["read"](link.options[name])
        except ValueError as error:
            faults.append(f"{name} {error}.")
    if faults:
        raise LinkError(f"Link {link.name}: {' '.join(faults)}")
    return settings(**values)


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what a name that is no setting may have been meant for: the nearest one, or all."""
    if near := get_close_matches(name, known, n=1):
        return str(LinkError(f"{kind} has no setting {name}. Did you mean {near[0]}?"))
    return str(LinkError(f"{kind} has no setting {name}. It knows: {', '.join(known)}."))
