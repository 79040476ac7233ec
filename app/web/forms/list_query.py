"""What the URL of a list asks for, and the part of the list that a page shows for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel

from app.core import clock
from app.database.listing import COUNTED, ListPart, ListRequest
from app.web import query_params
from app.web.forms import read_fields
from app.web.rendering import PageRequest

_LONGEST = 100


class ListQuery(BaseModel):
    """What a list's URL says. nth: how many rows stand before this part; format: "csv" for a file.

    What can't be read is left out.
    """

    q: str = ""
    since: str = ""
    until: str = ""
    sort: str = ""
    after: str = ""
    nth: str = ""
    format: str = ""

    def request(self, orders: Collection[str] = ()) -> ListRequest:
        """Return what is asked of a list that can be put in these orders."""
        return ListRequest(
            words=_printed(self.q)[:_LONGEST],
            since_ms=_midnight(self.since, 0),
            until_ms=_midnight(self.until, 1),
            order=self.sort if self.sort.removeprefix("-") in orders else "",
            after=_storable(self.after)[:1000],
        )


UNASKED = ListQuery()


@dataclass(frozen=True, slots=True)
class ListHead:
    """The head of a column by which rows are put in order. url: in that order; now: its aria-sort."""

    label: str
    url: str
    now: str


@dataclass(frozen=True, slots=True)
class ListView:
    """A part of a list as a page shows it. asked: its filters; unread: of these, days that are none.

    prefix: of the names of its place, where a page has two lists.
    """

    items: Sequence[Any]
    path: str
    asked: Mapping[str, str]
    unread: frozenset[str]
    total: int
    before: int
    next: str
    prefix: str = ""

    @property
    def filtered(self) -> bool:
        return any(value for name, value in self.asked.items() if name != "sort")

    @property
    def first(self) -> int:
        return self.before + 1

    @property
    def last(self) -> int:
        return self.before + len(self.items)

    @property
    def many(self) -> bool:
        """Whether there are more rows than are counted."""
        return self.total > COUNTED

    @property
    def known(self) -> bool:
        """Whether the URL's place and the count agree, which they need not when rows come and go."""
        return self.many or self.last <= self.total

    def url(self, **other: Any) -> str:
        """Return the URL of this list with other values; an empty one is left out."""
        said = {name: value for name, value in (dict(self.asked) | other).items() if value}
        return f"{self.path}?{urlencode(said)}" if said else self.path

    def export(self, path: str) -> str:
        """Return the URL of a file of these rows: the same filters at another path."""
        return replace(self, path=path).url(sort="")

    def further(self) -> str:
        """Return the URL of the next part."""
        return self.url(**{f"{self.prefix}after": self.next, f"{self.prefix}nth": self.last})

    def head(self, name: str, label: str) -> ListHead:
        """Return the head of a sortable column; a second click turns the order round."""
        now = self.asked.get("sort", "")
        other = f"-{name}" if now == name else name
        words = {name: "ascending", f"-{name}": "descending"}
        return ListHead(label, self.url(sort=other), words.get(now, "none"))


def list_view(
    visit: PageRequest,
    query: ListQuery,
    part: ListPart[Any],
    filters: Mapping[str, str] | None = None,
    prefix: str = "",
) -> ListView:
    """Return what the page shows. filters: the page's own, as they count."""
    said = {name: _printed(getattr(query, name))[:_LONGEST] for name in ("q", "since", "until", "sort")}
    unread = frozenset(name for name in ("since", "until") if said[name] and not _midnight(said[name], 0))
    before = query_params.number(query.nth) if query.after else 0
    asked = dict(filters or {}) | said
    path = visit.path if visit.request.method == "GET" else visit.back
    return ListView(part.items, path, asked, unread, part.total, before, part.next, prefix)


def _printed(text: str) -> str:
    return "".join(filter(str.isprintable, text)).strip()


def _storable(text: str) -> str:
    """Return a key as it was given out, which may end in a blank, without what no database takes."""
    return "".join(each for each in text if each != "\0" and not "\ud800" <= each <= "\udfff")


def _midnight(day: str, later: int) -> int:
    """Return when a day of Vietnam begins, some days later; 0 for what is no day."""
    try:
        found = date.fromisoformat(read_fields.iso_day(day.strip())) + timedelta(days=later)
        return clock.to_ms(clock.midnight(found))
    except (ValueError, OverflowError):
        return 0
