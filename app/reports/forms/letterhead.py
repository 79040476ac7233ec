"""Letterheads of organisations, dated: names, symbol, place, addressee, recipients, laws."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from app.core.errors import SetupError
from carriers.phrases import Phrase

POLICE = ""  # key of the author of the consolidated report


@dataclass(frozen=True, slots=True)
class Letterhead:
    """An organisation's letterhead from `since` on.

    signer: rank and name below the signature, "" to leave it to the office; organ_id, to_organ_id: the codes
    of itself and of `to` in document systems, "" if unknown.
    """

    carrier: str
    superior: str
    agency: str
    name: str
    symbol: str
    place: str
    to: str
    recipients: tuple[str, ...]
    post: str
    bases: tuple[str, ...] = ()
    area_basis: str = ""
    organ_id: str = ""
    to_organ_id: str = ""
    signer: str = ""
    since: date = field(default=date.min)


_NAMES = {each.name for each in fields(Letterhead)}
_NEEDED = {"carrier", "superior", "agency", "name", "symbol", "place", "to", "recipients", "post"}
_LISTS = ("recipients", "bases")


class Letterheads:
    """All known letterheads; a configured file replaces the shipped ones of the same organisation."""

    def __init__(self, letterheads: Sequence[Letterhead]) -> None:
        self._found = sorted(letterheads, key=lambda item: item.since)

    def of(self, carrier: str, on: date) -> Letterhead:
        """Return the organisation's letterhead on that day, or one with dots to fill in."""
        fitting = [each for each in self._found if each.carrier == carrier and each.since <= on]
        return fitting[-1] if fitting else _blank(carrier)


def load(file: Path | None) -> Letterheads:
    """Load a file like app/data/letterheads.toml over the shipped one; raises SetupError."""
    ours = _parse(_packaged(), "app/data/letterheads.toml")
    if file is None:
        return Letterheads(ours)
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError("Cannot read the letterheads in {file} ({why}).", file=file, why=error) from None
    own = _parse(text, str(file))
    known = {each.carrier for each in own}
    return Letterheads([*own, *(each for each in ours if each.carrier not in known)])


@cache
def _packaged() -> str:
    return (files("app") / "data" / "letterheads.toml").read_text("utf-8")


def _parse(text: str, name: str) -> list[Letterhead]:
    """Parse entries; a later one of the same organisation inherits what it leaves out."""
    try:
        entries = tomllib.loads(text).get("letterhead", [])
    except tomllib.TOMLDecodeError as error:
        raise SetupError(
            "The letterheads in {file} are not valid TOML: {why}.", file=name, why=error
        ) from None
    found, last = [], dict[str, dict[str, Any]]()
    for nth, entry in enumerate(entries, 1):
        _check(entry, Phrase("entry {n} of {file}", n=nth, file=name))
        whole = last.setdefault(entry["carrier"], {}) | entry
        last[entry["carrier"]] = whole
        found.append(_made(whole, Phrase("entry {n} of {file}", n=nth, file=name)))
    return found


def _check(entry: Mapping[str, Any], where: str) -> None:
    if "carrier" not in entry:
        raise SetupError('The letterhead in {where} has no carrier ("" stands for the police).', where=where)
    for key, value in entry.items():
        if key not in _NAMES:
            raise SetupError("The letterhead in {where} has an unknown field {key}.", where=where, key=key)
        wanted, fits = _kind_of(key)
        if not fits(value):
            raise SetupError(
                "The letterhead in {where}: {key} must be {wanted}.", where=where, key=key, wanted=wanted
            )


def _kind_of(key: str) -> tuple[str, Callable[[Any], bool]]:
    if key in _LISTS:
        return "a list of texts", lambda v: isinstance(v, list) and all(isinstance(t, str) for t in v)
    if key == "since":
        return "a date such as 2024-07-01", lambda v: isinstance(v, date)
    return "a text", lambda v: isinstance(v, str)


def _made(entry: Mapping[str, Any], where: str) -> Letterhead:
    if missing := sorted(_NEEDED - entry.keys()):
        raise SetupError("The letterhead in {where} is missing {what}.", where=where, what=", ".join(missing))
    return Letterhead(**{**entry, **{key: tuple(entry.get(key, ())) for key in _LISTS}})


def _blank(carrier: str) -> Letterhead:
    dots = "…………………"
    name = carrier.upper() or dots
    return Letterhead(carrier, dots, name, name, "BC-……", "……", dots, ("Như trên", "Lưu: VT"), dots)
