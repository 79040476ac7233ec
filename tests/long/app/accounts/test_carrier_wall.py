"""Every door that an operator may use refuses another carrier's name with the same class and sentence."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import ROUTERS, create_app
from app.security.roles import OPEN, PAGE_DOES, Role, may
from tests.app.described import described
from tests.long.app.accounts.scene import OTHER, OWN, Answer, Asker, Place, build, register_names
from tests.long.app.web.conftest import text
from tests.operations import OPERATIONS

SENTENCE = "Your account can only be used for vnpt."
ON_PAGES = "Tài khoản này chỉ dùng cho vnpt."
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class Door(NamedTuple):
    """One way to name a carrier at one route: in its path, its query, its body, or a table in that."""

    name: str
    method: str
    path: str
    place: str
    body: tuple[str, bytes] = (JSON, b"{}")

    async def open(self, asker: Asker, key: str) -> Answer:
        template = f"{self.path}?carrier={OTHER.name}" if self.place == "query" else self.path
        there = Place(OWN.number, OWN.sha256, OTHER.name)  # own ids, and another carrier's name
        kind, content = self.body
        return await asker.ask(self.method, there.path(template), key, content, kind)


def query_names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for within in dependant.dependencies:
        yield from query_names(within)


def doors(asker: Asker) -> Iterator[Door]:
    """Every place of a carrier at every route that is open to operators."""
    api = described(asker.app)["paths"]
    for route in (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)):
        if route.name in OPEN or not may(Role.OPERATOR, route.name):
            continue
        (method,) = route.methods
        page = route.name.startswith(PAGE_DOES)
        at = (route.name, method, route.path)
        if "{carrier}" in route.path:
            yield Door(*at, "path", body(route.name, page, {}) or (JSON, b"{}"))
        if "carrier" in query_names(route.dependant):
            yield Door(*at, "query")
        if made := body(route.name, page, {"carrier": OTHER.name}):
            yield Door(*at, "body", made)
        if made := table(route.name, page):
            yield Door(*at, "table", made)
        said = api.get(route.path, {}).get(method.lower(), {}).get("requestBody", {}).get("content", {})
        upload = said.get("multipart/form-data", {}).get("schema", {}).get("properties", {})
        if "carrier" in upload or (page and "upload" in route.name):
            yield Door(*at, "upload", multipart({"carrier": OTHER.name}))


def body(name: str, page: bool, fields: dict[str, str]) -> tuple[str, bytes] | None:
    """The operation's body with examples in all other fields; None without one that has these fields."""
    operation = OPERATIONS.get(name.removeprefix(PAGE_DOES))
    if (
        operation is None
        or operation.body is None
        or not fields.keys() <= operation.body[1].model_fields.keys()
    ):
        return None
    return written(operation.body[1], page, fields)


def table(name: str, page: bool) -> tuple[str, bytes] | None:
    """The operation's body with a table whose lines name a carrier."""
    operation = OPERATIONS.get(name.removeprefix(PAGE_DOES))
    if operation is None or operation.body is None or not operation.table:
        return None
    fields = operation.body[1].model_fields
    lines = list(csv.DictReader(io.StringIO(fields[operation.table].examples[0])))
    if "carrier" not in lines[0]:
        return None
    content = io.StringIO()
    writer = csv.DictWriter(content, lines[0])
    writer.writeheader()
    writer.writerows(line | {"carrier": OTHER.name} for line in lines)
    return written(operation.body[1], page, {operation.table: content.getvalue()})


def written(model: type[BaseModel], page: bool, values: dict[str, str]) -> tuple[str, bytes]:
    """A body with the examples of its fields, or its own, and these values."""
    whole = model.model_json_schema().get("examples", [{}])[0]
    fields = {name: field.examples[0] for name, field in model.model_fields.items() if field.examples}
    filled = {name: value for name, value in (whole | fields | values).items() if value is not None}
    if page:
        return FORM, urlencode(filled, doseq=True).encode()
    return JSON, json.dumps(filled).encode()


def multipart(fields: dict[str, str]) -> tuple[str, bytes]:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    parts.append(
        '--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nphone\r\n\r\n--b--'
    )
    return "multipart/form-data; boundary=b", "".join(parts).encode()


@pytest.mark.timeout(120)
async def test_every_door_refuses_another_carrier_with_the_same_class_and_sentence(
    db: Database, tmp_path: Path
) -> None:
    keys = build(db)
    often = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
    asker = Asker(create_app(Settings(data=tmp_path, **often), db))
    found: dict[str, tuple[int, str]] = {}
    expected: dict[str, tuple[int, str]] = {}
    for door in doors(asker):
        db.write(register_names)
        answer = await door.open(asker, keys["vnpt"])
        at = f"{door.name} {door.place}"
        if door.path.startswith("/v1/"):
            problem = json.loads(answer.body)
            found[at] = answer.status, problem.get("detail", "") if isinstance(problem, dict) else "done"
            expected[at] = 403, SENTENCE
        else:
            words = text(answer.body.decode())
            found[at] = answer.status, ON_PAGES if ON_PAGES in words else words
            expected[at] = 403, ON_PAGES
    assert {at: value for at, value in found.items() if value != expected[at]} == {}
    assert {at.split()[1] for at in found} == {"path", "query", "body", "table", "upload"}
    assert len(found) > 20
