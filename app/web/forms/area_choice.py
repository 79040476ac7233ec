"""Communes to tick, in groups by the district of before July 2025."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from app.core import areas, clock
from app.web.display_names import LAST_DISTRICTS
from app.web.rendering import FormData


@dataclass(frozen=True, slots=True)
class AreaGroup:
    """A district of before, which can be ticked as a whole, and its communes of today: code -> name."""

    code: str
    name: str
    communes: Sequence[tuple[str, str]]


def offered() -> list[AreaGroup]:
    return _offered(clock.local(clock.now()).date(), areas.chosen())


def districts() -> list[AreaGroup]:
    """Return the districts alone, where all communes would be too much for a page."""
    return [replace(each, communes=()) for each in offered()]


@lru_cache(4)
def _offered(today: date, province: str) -> list[AreaGroup]:
    """A commune that came from several districts stands in its home's group."""
    own: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for each in areas.current(today):
        own[next(iter(areas.old_districts(each.code, today)), "")].append((each.code, each.name))
    return [AreaGroup(each.code, each.name, own[each.code]) for each in areas.districts(LAST_DISTRICTS)]


def chosen(fields: FormData) -> list[str]:
    """Return what is ticked, and the codes that are typed beside it, each once."""
    typed = fields.get("areas").replace(",", " ").split()
    return list(dict.fromkeys([*fields.all("area"), *typed]))


def chosen_or_named(fields: FormData) -> list[str]:
    """Return what is ticked, and the codes or names that are written beside it, each once."""
    lines = (line.strip() for line in fields.raw("areas").replace(",", "\n").splitlines())
    return list(dict.fromkeys([*fields.all("area"), *filter(None, lines)]))
