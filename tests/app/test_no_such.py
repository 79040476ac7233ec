"""What is not there is said with a remedy: where those are shown that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import app
from app.cli import app as commands
from app.core import errors
from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from tests.app.client import Client
from tests.app.described import described
from tests.trees import nodes

# The office is the remedy of who has no account, only a personal link.
REMEDY = re.compile(
    r"GET /v1/|See /docs|POST /v1/|`loa |Available [a-z ]+: |Enter |Ask the office that gave you "
)


@pytest.mark.longer
def test_every_sentence_names_a_list_and_a_command_that_there_are(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    paths = described(create_app(Settings(), db))["paths"]
    db.close()
    for what in errors._SHOWN:
        sentence = errors.no_such(what, 9).detail
        method, place = re.findall(r"(GET|POST) (/v1/[\w-]+)", sentence)[0]
        assert method.lower() in paths[place], sentence
        for words in re.findall(r"`loa ([^`]+)`", sentence):
            assert CliRunner().invoke(commands, [*words.split(), "--help"]).exit_code == 0, words


@pytest.mark.longer
def test_nothing_is_missing_without_a_remedy() -> None:
    root = Path(app.__file__).parent
    found = [
        (file.relative_to(root).as_posix(), ast.unparse(call.args[0]))
        for file in root.rglob("*.py")
        if "web" not in file.relative_to(root).parts  # pages show their own way back
        for call in nodes(file.read_text("utf-8"))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "NotFound" and call.args
    ]
    assert len(found) > 3
    assert [each for each in found if not REMEDY.search(each[1]) and each[0] != "core/errors.py"] == []


@pytest.mark.parametrize("place", ["runs/9", "batches/9", "campaigns/9", "campaigns/9/events", "reports/9"])
def test_a_foreign_thing_and_one_that_is_not_there_are_told_alike(client: Client, place: str) -> None:
    answer = client.get(f"/v1/{place}")
    noun = {"batches": "batch"}.get(place.split("/")[0], place.split("/")[0].removesuffix("s"))
    assert (answer.status_code, answer.json()["detail"]) == (404, errors.no_such(noun, 9).detail)
