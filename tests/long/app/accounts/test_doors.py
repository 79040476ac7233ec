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
from tests.app.api.served import served
from tests.engines import by_default
from tests.long.app.accounts.matrix import DECLARED
from tests.long.app.accounts.scene import OTHER, OWN, Asker, Place, build, register_names
from tests.operations import OPERATIONS

database_url = by_default
OFTEN: dict[str, Any] = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
COLUMNS = ("admin", "approver", "auditor", "vnpt", "other")
# What an operator is answered that names another carrier's key: each operation looks for itself.
OF_ANOTHER = {
    "revoke_signing_key": "404",
    "end_signing_key": "404",
}
# The scene has taken no order: whoever may carry one out is told that there is none.
NONE_TAKEN = {"repeat_order": "404 404 403 403 403"}
COMMANDS = [each for each in OPERATIONS.values() if each.command]


@pytest.fixture
def keys(db: Database) -> dict[str, str]:
    found = build(db)
    return found | {"other": found["vnpt"]}


@pytest.fixture
def server(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LOA_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # where commands write files
    with served(create_app(Settings(data=tmp_path, **OFTEN), db)) as address:
        yield address
    common.server = None


def typed(operation: Operation, place: Place) -> list[str]:
    """The operation's command about the things of a carrier, and where it names one, for this carrier."""
    words = shlex.split(example(operation).removeprefix("loa "))
    before = operation.path.partition("{")[0]
    for at, each in enumerate(operation.ids, len(operation.command.split())):
        words[at] = place.path(f"{before}{{{each.name}}}").removeprefix(before)
    if _names_a_carrier(operation):
        words += [] if "--carrier" in words else ["--carrier", ""]
        words[words.index("--carrier") + 1] = place.name
    return words


def _names_a_carrier(operation: Operation) -> bool:
    return operation.body is not None and "carrier" in operation.body[1].model_fields


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
    server: str, db: Database, keys: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, expected = {}, {}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("phone\n", "utf-8")
    for each in COMMANDS:
        said = []
        for column in COLUMNS:
            monkeypatch.setenv("LOA_KEY", keys[column])
            db.write(register_names)  # a role may have removed one
            said.append(word(server, typed(each, OTHER if column == "other" else OWN)))
        *roles, other = DECLARED[each.name].split()[1:]
        other = "403" if _names_a_carrier(each) and roles[-1] == "in" and other == "in" else other
        expected[each.name] = " ".join((*roles, OF_ANOTHER.get(each.name, other)))
        found[each.name] = " ".join(said)
    assert found == expected | NONE_TAKEN
    assert len(found) > 25


def wrong(operation: Operation) -> dict[str, Any]:
    """A body in which each text is too long, and of which the rest is right or left out."""
    assert operation.body is not None
    fields = operation.body[1].model_fields.items()
    needed = {name: (field.examples or ["x"])[0] for name, field in fields if field.is_required()}
    return needed | dict.fromkeys(texts(operation), "x" * 5001)


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
    words = typed(operation, OWN) if operation.command else []
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
                words[place + 1] = "x" * 5001
        with pytest.raises(Invalid) as refused:
            CliRunner().invoke(loa, words, catch_exceptions=False)
        assert {field for field, _ in refused.value.faults} == named
    assert db.read(rows) == before


def rows(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(audit)).scalar_one()
