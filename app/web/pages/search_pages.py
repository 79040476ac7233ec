"""One search box: a campaign, letter, batch or run by its name or number, a person by their telephone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse
from sqlalchemy import ColumnElement, Connection, Select, String, literal, select

from app.api.dependencies import Routes
from app.batches import queries as batch_queries
from app.campaigns import directives, queries
from app.core import ids, phone
from app.core.masking import mask_written
from app.database.listing import ListColumns, ListRequest, part
from app.database.models import batches, campaigns, runs
from app.database.models import directives as letters
from app.security.roles import may
from app.security.tenant_scope import own_campaigns, own_directives
from app.web import stages
from app.web.pages import find_person_pages
from app.web.rendering import Fields, Visit, render
from app.web.translations import Said, say

router = Routes(include_in_schema=False)
MOST = 10  # of each kind
_LONGEST = 100
_NUMBER = re.compile(r"\D*?#?(\d{1,9})")  # "run 12", "#12", "12"


@dataclass(frozen=True, slots=True)
class Kind:
    """Things that are searched. path: before their number; own: those that an operator may see.

    columns: by whose names they are found; None: by their number alone.
    """

    word: Said
    path: str
    query: Select[Any]
    id: ColumnElement[int]
    own: Callable[[str], ColumnElement[bool]]
    columns: ListColumns | None
    stages: Callable[[Connection, Collection[int], str | None], dict[int, str]] | None = None


_UNSTATED = literal("", String)
_RUNS = select(runs.c.id, campaigns.c.name, runs.c.state, runs.c.carrier)
KINDS = (
    Kind(
        say("Campaign"),
        "/campaigns/",
        select(campaigns.c.id, campaigns.c.name, campaigns.c.state, _UNSTATED.label("carrier")),
        campaigns.c.id,
        own_campaigns,
        queries.COLUMNS,
        stages.of_campaigns,
    ),
    Kind(
        say("Directive"),
        "/directives/",
        select(
            letters.c.id, letters.c.number.label("name"), _UNSTATED.label("state"), _UNSTATED.label("carrier")
        ),
        letters.c.id,
        own_directives,
        directives.COLUMNS,
        stages.of_directives,
    ),
    Kind(
        say("Run"),
        "/runs/",
        _RUNS.join(campaigns, campaigns.c.id == runs.c.campaign_id),
        runs.c.id,
        lambda carrier: runs.c.carrier == carrier,
        None,
        lambda connection, ids, _operator: stages.of_runs_by_id(connection, ids),
    ),
    Kind(
        say("Batch"),
        "/batches/",
        select(batches.c.id, batches.c.name, batches.c.state, batches.c.carrier),
        batches.c.id,
        lambda carrier: batches.c.carrier == carrier,
        batch_queries.COLUMNS,
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What was found. state: how it stands; state, carrier: "" where it has none."""

    kind: Said
    path: str
    id: int
    name: str
    state: str
    carrier: str


def search(connection: Connection, words: str, operator: str | None) -> list[Result]:
    """Find what has this number, then what has these words in its name; operator: of this carrier alone."""
    numbered = _NUMBER.fullmatch(words)
    number = ids.read(numbered[1]) if numbered else None
    found = [row for kind in KINDS if number for row in _with_number(connection, kind, number, operator)]
    found += [row for kind in KINDS if words for row in _named(connection, kind, words, operator)]
    return list(dict.fromkeys(found))


def _with_number(connection: Connection, kind: Kind, number: int, operator: str | None) -> list[Result]:
    rows = connection.execute(_visible(kind, operator).where(kind.id == number)).all()
    return _results(connection, kind, rows, operator)


def _named(connection: Connection, kind: Kind, words: str, operator: str | None) -> list[Result]:
    if kind.columns is None:
        return []
    rows = part(connection, _visible(kind, operator), kind.columns, ListRequest(words=words), MOST).items
    return _results(connection, kind, rows, operator)


def _visible(kind: Kind, operator: str | None) -> Select[Any]:
    return kind.query if operator is None else kind.query.where(kind.own(operator))


def _results(connection: Connection, kind: Kind, rows: Sequence[Any], operator: str | None) -> list[Result]:
    found = [row.id for row in rows]
    stood = kind.stages(connection, found, operator) if kind.stages and found else {}
    return [
        Result(kind.word, f"{kind.path}{row.id}", row.id, row.name, stood.get(row.id, row.state), row.carrier)
        for row in rows
    ]


@router.post("/search")
async def page_search_words(visit: Visit, fields: Fields) -> Response:
    """Look a telephone number up, which never becomes part of an address; lead to anything else."""
    words = fields.get("find")
    if may(visit.who.role, "find_person") and isinstance(phone.normalise(words), int):
        return await find_person_pages.page_do_find_person(visit, fields.renamed("find", "phone"))
    return RedirectResponse(f"/search?{urlencode({'q': mask_written(words)[:_LONGEST]})}", 303)


@router.get("/search")
async def page_search(visit: Visit, q: str = "") -> Response:
    """Show what was found; a single thing at once."""
    words = mask_written("".join(filter(str.isprintable, q)).strip())[:_LONGEST]
    found = await visit.db.aread(search, words, visit.who.carrier)
    if len(found) == 1:
        return RedirectResponse(found[0].path, 303)
    return render(visit, "search.html", words=words, found=found, finds=may(visit.who.role, "find_person"))
