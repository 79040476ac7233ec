"""One table over all operations: each role, own things and another carrier's, at each door; and bad input."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import Connection, func, select
from typer.testing import CliRunner

from app.cli import app as loa
from app.cli import common
from app.cli.operation_commands import example
from app.cli.remote import RequestRefused
from app.core.config import Settings
from app.core.errors import Invalid
from app.database.connection import Database
from app.database.models import audit
from app.operations import Operation
from app.runtime.api_app import create_app
from app.security.tenant_scope import RULES
from tests.app.api.served import served
from tests.engines import by_default
from tests.long.app.accounts.matrix import DECLARED
from tests.long.app.accounts.scene import OTHER, OWN, Asker, build
from tests.operations import OPERATIONS

database_url = by_default
OFTEN: dict[str, Any] = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
COLUMNS = ("admin", "approver", "auditor", "vnpt", "other")
COMMANDS = [each for each in OPERATIONS.values() if each.command]


@pytest.fixture
def keys(db: Database) -> dict[str, str]:
    found = build(db)
    return found | {"other": found["vnpt"]}


@pytest.fixture
def server(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LOA_DATA", str(tmp_path))
    with served(create_app(Settings(data=tmp_path, **OFTEN), db)) as address:
        yield address
    common.server = None


def typed(operation: Operation, number: int) -> list[str]:
    """The operation's command about things of this number."""
    words = shlex.split(example(operation).removeprefix("loa "))
    first = len(operation.command.split())
    for place, each in enumerate(operation.ids, first):
        words[place] = str(number) if each.name in RULES else words[place]
    return words


def word(server: str, command: list[str]) -> str:
    """What a command at a server is answered: in, or the status of the refusal."""
    common.server = None
    try:
        done = CliRunner().invoke(loa, ["--server", server, *command], catch_exceptions=False)
    except RequestRefused as refused:
        return str(refused.status) if refused.status in (401, 403, 404) else "in"
    assert done.exit_code in (0, 1), done.output
    return "in"


@pytest.mark.timeout(120)
def test_a_command_at_a_server_answers_each_role_as_the_api_does(
    server: str, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, expected = {}, {}
    for each in COMMANDS:
        said = []
        for column in COLUMNS:
            monkeypatch.setenv("LOA_KEY", keys[column])
            said.append(word(server, typed(each, OTHER.number if column == "other" else OWN.number)))
        found[each.name], expected[each.name] = " ".join(said), DECLARED[each.name].partition(" ")[2]
    # Of notices, keys and people there is none by the number or name of the example.
    missing = {name for name in found if not any(each.name in RULES for each in OPERATIONS[name].ids)}
    for name in missing & {each.name for each in COMMANDS if each.ids}:
        found[name] = found[name].replace("404", "in")
    # What their examples name is another's, or is not there: the refusal comes from inside.
    for name in ("register_signing_key", "add_sender_name", "change_sender_name", "remove_sender_name"):
        words = zip(found[name].split(), expected[name].split(), strict=True)
        found[name] = " ".join("in" if in_ == "in" and out != "in" else out for out, in_ in words)
    expected["get_signed_order"] = "404 404 404 404 404"  # no order of the run is signed
    assert found == expected
    assert len(found) > 25


def wrong(operation: Operation) -> dict[str, Any]:
    """A body in which each text is too long, and of which the rest is right or left out."""
    assert operation.body is not None
    fields = operation.body[1].model_fields.items()
    needed = {name: (field.examples or ["x"])[0] for name, field in fields if field.is_required()}
    return needed | dict.fromkeys(texts(operation), "x" * 5000)


def texts(operation: Operation) -> list[str]:
    """The fields of its body that are plain text with a limit."""
    if operation.body is None:
        return []
    schema = operation.body[1].model_json_schema()["properties"]
    return [name for name, each in schema.items() if each.get("type") == "string" and "maxLength" in each]


# Whose body is a signed file: no text in it is typed.
FILES = {"receive_order", "take_result"}
WITH_TEXT = sorted(name for name, each in OPERATIONS.items() if texts(each) and name not in FILES)


@pytest.mark.parametrize("name", WITH_TEXT)
async def test_each_door_refuses_the_same_bad_input_and_does_nothing(
    db: Database, keys: dict[str, str], tmp_path: Path, name: str
) -> None:
    operation, body = OPERATIONS[name], wrong(OPERATIONS[name])
    asker = Asker(create_app(Settings(data=tmp_path, **OFTEN), db))
    before = db.read(rows)
    api = await asker.ask(
        operation.method, OWN.path(operation.path), keys["admin"], json.dumps(body).encode()
    )
    problem = json.loads(api.body)
    assert api.status == 422
    named = {each["field"].rpartition(".")[2] for each in problem["errors"]}
    assert named >= set(texts(operation))
    if operation.page:
        form = urlencode(body).encode()
        kind = "application/x-www-form-urlencoded"
        page = await asker.ask("POST", OWN.path(operation.form), keys["admin"], form, kind)
        assert page.status == 422, page.body
    words = typed(operation, OWN.number) if operation.command else []
    called = {f"--{operation.options.get(each, each)}" for each in body} - set(words)
    if (
        operation.command
        and set(body) == set(texts(operation))
        and not called - {f"--{each}" for each in operation.arguments}
    ):
        first = len(operation.command.split()) + len(operation.ids)
        for place, name in enumerate(operation.arguments, first):
            words[place] = str(body[name])
        for place, each in enumerate(words):
            if each.removeprefix("--") in {*body, *(operation.options.get(one, one) for one in body)}:
                words[place + 1] = "x" * 5000
        with pytest.raises(Invalid) as refused:
            CliRunner().invoke(loa, words, catch_exceptions=False)
        assert {field for field, _ in refused.value.faults} == named
    assert db.read(rows) == before


def rows(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(audit)).scalar_one()
