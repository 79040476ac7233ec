"""Ids as somebody writes them who wants to be read in two ways, and every operation with an id."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlencode

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from sqlalchemy import select
from starlette.routing import BaseRoute

from app.api.openapi import sample
from app.core import ids
from app.database.connection import Database
from app.database.models import metadata
from tests.long.app.accounts.scene import Answer

# As somebody writes the number 2 who wants it read by one and not by another.
SPELLED = (
    "+{}",
    "{}.0",
    " {}",
    "{} ",
    "0{}",
    "{}_0",
    "{}e0",
    "0x{}",
    "-{}",
    "{}\0",
    "{};",
    "WIDE",
    "{}",
)
FORM = {
    "segments_per_second": 5,
    "priority": -100,
    "reason": "vì thử",
    "all": "on",
    "digest": "0" * 64,
    "eligible": 1,
    "sent": 1,
    "kind": "stated",
    "level": "operator",
}
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


class Asks(Protocol):
    """Whoever asks an application, in this process or over the wire."""

    async def ask(
        self, method: str, path: str, key: str | None, body: bytes = ..., kind: str = ...
    ) -> Answer:
        """One request, and the beginning of its answer."""


class Operation(NamedTuple):
    """An operation or page whose path takes ids, with a body that it would take."""

    name: str
    method: str
    path: str
    body: bytes
    kind: str

    def at(self, said: str, own: Callable[[str], str] = str) -> str:
        """Its address with this for every id; own: how the caller writes what stands in an address."""
        words = dict.fromkeys(re.findall(r"{(\w+_id)}", self.path), own(said))
        query = f"?campaign={quote(said)}" if self.name == "batch_report" else ""
        return self.path.format_map(words | {"form": "json", "line": "1", "nth": "1", "sha256": "0"}) + query

    async def by(self, asker: Asks, key: str | None, said: str, own: Callable[[str], str] = str) -> Answer:
        """What is answered to this caller who writes the id so."""
        return await asker.ask(self.method, self.at(said, own), key, self.body, self.kind)


def described(said: Mapping[str, Any]) -> list[Operation]:
    """What /openapi.json has."""
    schemas, found = said["components"]["schemas"], []
    for path, methods in said["paths"].items():
        for method, each in methods.items():
            content = each.get("requestBody", {}).get("content", {})
            kind = next(iter(content), "application/json")
            schema = content.get("application/json", {}).get("schema", {})
            body = TypeAdapter(Any).dump_json(sample(schema, schemas)) if schema else b"{}"
            kind = f"{kind}; boundary=b" if kind.startswith("multipart") else kind
            found.append(Operation(each["operationId"], method.upper(), path, body, kind))
    return found


def pages(routes: Iterable[BaseRoute]) -> list[Operation]:
    """The routes that the description leaves out."""
    form, kind = urlencode(FORM).encode(), "application/x-www-form-urlencoded"
    return [
        Operation(route.name, method, route.path, form, kind)
        for route in routes
        if isinstance(route, APIRoute) and not route.include_in_schema
        for method in route.methods
    ]


def with_ids(said: Mapping[str, Any], routes: Iterable[BaseRoute]) -> list[Operation]:
    """Those of /openapi.json and of the pages whose path has an id."""
    found = [each for each in described(said) + pages(routes) if "_id}" in each.path]
    assert len(found) > 90
    return found


def rows(db: Database) -> dict[str, list[Any]]:
    """Everything that stands in the database."""
    return db.read(
        lambda c: {name: [tuple(r) for r in c.execute(select(t))] for name, t in metadata.tables.items()}
    )


def without_id(answer: Answer, said: str) -> tuple[int, str]:
    """The answer without what must differ: the id that was asked for, and the request's own."""
    shown = re.escape(ids.shown(said))
    # What is asked for stands in a page's switch of language as well.
    body = re.sub(
        r'"request_id":\s*"[^"]*"|[0-9a-f]{32}|name="next" value="[^"]*"',
        "",
        answer.body.decode(errors="replace"),
    )
    # "mang số này": what a page says in place of an id that may be a phone number.
    return answer.status, re.sub(rf" (?:{shown}|mang số này)(?=[.;])", " ID", body)


def spell(spelling: str, number: int) -> str:
    return str(number).translate(WIDE) if spelling == "WIDE" else spelling.format(number)
