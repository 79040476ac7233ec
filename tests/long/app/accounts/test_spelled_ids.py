"""No spelling of an id leads to another carrier's things, nor does a way past the gate."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_type_hints
from urllib.parse import quote, urlencode

import pytest
import typer
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.datastructures import MutableHeaders
from typer.testing import CliRunner

from app.api.dependencies import Cursor
from app.api.idempotency_store import PositionUnderKey
from app.api.openapi import sample
from app.cli import app as commands
from app.cli import command_list
from app.cli.output import whole
from app.core import ids
from app.core.config import Settings
from app.core.errors import Forbidden, NotFound
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.runtime.api_app import ROUTERS, create_app
from app.security import Caller
from app.security.roles import OPEN, PAGE_DOES, PERMISSIONS
from app.security.tenant_scope import RULES
from app.web.rendering import FormData, visiting
from tests.app.described import described
from tests.attack.spelling import FORM, SPELLED, rows, spell, with_ids, without_id
from tests.long.app.accounts.scene import NOWHERE, OTHER, Asker, build
from tests.operations import OPERATIONS

OFTEN = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}


@pytest.fixture
def asker(tmp_path: Path, db: Database) -> Asker:
    return Asker(create_app(Settings(data=tmp_path, **OFTEN), db))


@pytest.mark.parametrize("turn", [0, *(pytest.param(n, marks=pytest.mark.prove) for n in (1, 2, 3))])
async def test_an_id_of_another_carrier_is_no_more_there_than_one_that_nobody_has(
    asker: Asker, db: Database, turn: int
) -> None:
    """Each operation with its digits and a quarter of the other spellings; in `make prove` with them all."""
    key = build(db)["vnpt"]
    assert (await asker.ask("GET", "/v1/me", key)).status == 200
    before, found = rows(db), 0
    for number, each in enumerate(with_ids(described(asker.app), asker.app.routes), turn):
        if each.name in OPEN:  # signed by a telephone, or a personal link: neither has a carrier
            continue
        nobodys = without_id(await each.by(asker, key, str(NOWHERE)), str(NOWHERE))
        for spelling in (SPELLED[-1], *SPELLED[number % 4 : -1 : 4]):
            said = spell(spelling, OTHER.number)
            assert without_id(await each.by(asker, key, said), said) == nobodys, (each, said)
        assert nobodys[0] in (403, 404), each
        found += nobodys[0] == 404
    assert found > 60
    assert rows(db) == before


@pytest.mark.prove
@pytest.mark.parametrize("spelling", SPELLED[:-1])
async def test_nor_for_anybody_else_is_an_id_there_that_is_not_written_in_digits(
    asker: Asker, db: Database, spelling: str
) -> None:
    keys = build(db)
    for path in ("/v1/runs/{}", "/v1/campaigns/{}", "/runs/{}", "/reports/runs/{}"):
        for key in (keys["admin"], keys["auditor"], keys["viettel"]):
            answer = await asker.ask("GET", path.format(spell(spelling, OTHER.number)), key)
            assert answer.status == 404, (path, answer)


# ---- ids elsewhere --------------------------------------------------------------------------------------


QUERIES = (
    "/v1/runs?campaign_id={}",
    "/v1/campaigns?directive_id={}",
    "/v1/reports?run_id={}",
    "/v1/reports?directive_id={}",
    "/v1/batches/1/report?campaign={}",
    "/v1/batches?after={}",
    "/v1/campaigns?limit={}",
    "/v1/runs/1/unknown?after={}-1",
    "/v1/runs/1/unknown?after=1-{}",
)


@pytest.mark.prove
@pytest.mark.parametrize("query", QUERIES)
async def test_an_address_names_things_in_digits(asker: Asker, db: Database, query: str) -> None:
    key = build(db)["admin"]
    assert (await asker.ask("GET", query.format(1), key)).status in (200, 404)
    for spelling in SPELLED[:-1]:
        answer = await asker.ask("GET", query.format(quote(spell(spelling, 1))), key)
        assert answer.status == 422 or (spelling == "0{}" and "unknown" in query), (spelling, answer)


BODIES = (
    ("POST", "/v1/reports", '{{"run_id": {}}}'),
    ("POST", "/v1/runs/1/unknown/write-off", '{{"lines": [[{}, 1]]}}'),
    ("POST", "/v1/runs/1/unknown/write-off", '{{"lines": [[1, {}]]}}'),
    ("POST", "/v1/campaigns/1/runs", '{{"carrier": "vnpt", "batch_ids": [{}]}}'),
    ("POST", "/v1/campaigns", '{{"name": "x", "purpose": "y", "sender": "z", "directive_id": {}}}'),
)


@pytest.mark.parametrize(("method", "path", "body"), BODIES)
async def test_a_body_names_things_in_digits(
    asker: Asker, db: Database, method: str, path: str, body: str
) -> None:
    key = build(db)["admin"]
    before = rows(db) if await asker.ask("GET", "/v1/me", key) else {}
    said = [f'"{spell(each, 1)}"' for each in SPELLED[:-1] if "\0" not in each]
    for each in (*said, '"1\\u0000"', "1.0", "1e0", "true", "-1"):
        answer = await asker.ask(method, path, key, body.format(each).encode())
        assert answer.status == 422, (each, answer)
    assert rows(db) == before


async def test_a_form_names_things_in_digits(asker: Asker, db: Database) -> None:
    keys, form = build(db), "application/x-www-form-urlencoded"
    for spelling in SPELLED[:-1]:
        said = spell(spelling, OTHER.number)
        for key in (keys["vnpt"], keys["admin"]):
            body = urlencode({"kind": "run", "id": said}).encode()
            answer = await asker.ask("POST", "/reports/freeze", key, body, form)
            assert answer.status in (404, 422), (spelling, answer)
        body = urlencode({"carrier": "viettel", "batch": said}).encode()
        answer = await asker.ask("POST", "/campaigns/2/runs", keys["admin"], body, form)
        assert answer.status == 422, (spelling, answer)


async def test_if_match_names_a_version_in_digits(asker: Asker, db: Database) -> None:
    with pytest.raises(ValueError, match="valid integer"):
        ids.exact("²")
    for said in ("+1", "1.0", " 1", "01", "1_0", "１", "1e0", "0x1", "-1", "1\0", "1;", "", "²"):
        assert ids.read(said) is None, said
    for said in (1.0, True, None, [1]):
        with pytest.raises(ValueError, match="valid integer"):
            ids.exact(said)
    assert [ids.read(str(n)) for n in (0, 1, 2**31 - 1, 2**31)] == [0, 1, 2**31 - 1, None]


KINDS = {"kind": "bank", "channel": "other"}


def numbered() -> list[tuple[list[str], list[str]]]:
    """Every command that takes the number of a thing, and the options that it needs besides."""
    found = []
    for noun in command_list._NOUNS:
        for verb, command in command_list._noun(noun).commands.items():
            options = [each for each in command.params if each.opts[0].startswith("-")]
            needed = [
                word
                for each in options
                if each.required
                for word in (each.opts[0], KINDS.get(each.name, "1"))
            ]
            for place, param in enumerate(each for each in command.params if each not in options):
                if param.name.endswith("_id"):
                    found.append(([noun, verb, *["1"] * place], needed))
    assert len(found) > 30
    return found


@pytest.mark.prove
@pytest.mark.parametrize(("words", "needed"), numbered(), ids=str)
def test_the_command_line_names_things_in_digits(words: list[str], needed: list[str]) -> None:
    for said in ("+2", "２"):
        answer = CliRunner().invoke(commands, [*words, said, *needed])
        assert answer.exit_code == 2, (said, answer.output)
        assert "is not a valid number" in re.sub(r"[\s│]+", " ", answer.output), (said, answer.output)


def test_every_command_reads_numbers_by_the_same_rule() -> None:
    for said in ("+2", "2.0", " 2", "2 ", "02", "2_0", "２", "2e0", "0x2", "2;", "²", ""):
        with pytest.raises(typer.BadParameter, match="Use only the digits 0 to 9"):
            whole(said)


# ---- the operation's own look, without the gate ---------------------------------------------------------


def own_looks() -> list[APIRoute]:
    """What takes an id of something that a carrier has, whoever may do it; of operations their API's door."""
    routes = [each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute)]
    forms = {PAGE_DOES + name for name, each in OPERATIONS.items() if each.page}
    routes = [each for each in routes if each.name not in forms]
    return [each for each in routes if any(f"{{{name}}}" in each.path for name in RULES)]


def body_of(endpoint: Callable[..., Any]) -> Any:
    adapter = TypeAdapter(get_type_hints(endpoint)["body"])
    schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
    made = sample(schema, schema.get("$defs", {}))
    return adapter.validate_python(made)


def _taking(model: Any) -> Callable[..., Any]:
    def endpoint(body: Any) -> None: ...

    endpoint.__annotations__["body"] = model
    return endpoint


class Hall:
    """An application, and what its operations are called with for one caller."""

    def __init__(self, db: Database, data: Path, caller: Caller) -> None:
        self.db, self.caller, self.settings = db, caller, Settings(data=data, **OFTEN)
        self.app = create_app(self.settings, db)

    def arguments(self, route: APIRoute, number: int) -> Mapping[str, Any]:
        endpoint = inspect.unwrap(route.endpoint)
        request = Request(
            {
                "type": "http",
                "method": "GET",
                "app": self.app,
                "headers": [],
                "path": "/",
                "query_string": b"",
            }
        )
        known: dict[str, Any] = dict.fromkeys(RULES, number)
        known |= {"visit": visiting(request, self.caller), "who": self.caller, "db": self.db, "line": 1}
        known |= {"settings": self.settings, "request": request, "response": Response(), "taking": None}
        known |= {
            "order_id": number,
            "fields": FormData({name: [str(value)] for name, value in FORM.items()}),
        }
        known |= {"ledger": ledger_for(self.db, 1000), "hub": self.app.state.hub, "read": None}
        known |= {"campaign": str(number) if "page" in route.name else number}
        known |= {"paging": Cursor(0, 10, request.url, MutableHeaders()), "form": "json", "addressee": "x"}
        known |= {"sha256": "0" * 64, "kept": PositionUnderKey()}
        if (done := OPERATIONS.get(route.name.removeprefix(PAGE_DOES))) and "fields" in known:
            given = body_of(_taking(done.body[1])).model_dump() if done.body else {}
            known["fields"] = FormData({name: [str(value)] for name, value in given.items()})
        wanted = inspect.signature(endpoint).parameters
        known |= {"body": body_of(endpoint)} if "body" in wanted else {}
        return {name: known[name] for name, of in wanted.items() if name in known or of.default is of.empty}

    async def call(self, route: APIRoute, number: int) -> Any:
        found = inspect.unwrap(route.endpoint)(**self.arguments(route, number))
        return await found if inspect.isawaitable(found) else found


async def test_every_operation_looks_for_itself_whose_a_thing_is(db: Database, tmp_path: Path) -> None:
    """Also where no door has looked; routes and pages that are written out have the door's look (above)."""
    build(db)
    hall, before, seen = Hall(db, tmp_path, Caller("vnpt desk", "operator", "vnpt")), rows(db), 0
    for route in own_looks():
        if route.name not in OPERATIONS:
            continue
        said, name = [], route.name.removeprefix(PAGE_DOES)
        is_operators = "operator" in PERMISSIONS.get(name, ())
        for number in (OTHER.number, NOWHERE):
            with pytest.raises(NotFound if is_operators else (NotFound, Forbidden)) as refused:
                await hall.call(route, number)
            said.append(re.sub(rf"\b{number}\b", "ID", refused.value.detail))
        assert said[0] == said[1], route.name
        seen += is_operators
    assert seen > 45
    assert rows(db) == before


async def test_and_finds_its_own(db: Database, tmp_path: Path) -> None:
    build(db)
    hall = Hall(db, tmp_path, Caller("vnpt desk", "operator", "vnpt"))
    for name in ("get_run", "set_rate", "watch_run", "get_campaign", "get_directive", "page_run_report"):
        (route,) = (each for each in own_looks() if each.name == name)
        assert await hall.call(route, 1) is not None, name
