"""Guards: what every file must keep to, whoever wrote it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from app.core.config import Settings
from app.core.setting_sources import strangers
from app.database import schema
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security import authorization
from tests.app.client import Client
from tests.app.described import described
from tests.engines import sqlite_alone
from tests.trees import nodes, parsed

database_url = sqlite_alone

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ("app", "carriers")
# What anybody may ask, and what they get who ask for nothing.
OPEN_TO_ALL = {
    "post /v1/panel-gateway/{telephone_id}": 422,  # "telephone_id" is no number; a signed call: test_doors.py
    "get /healthz": 200,
    "get /readyz": 200,
    "get /metrics": 200,
    "post /v1/verify": 422,
    "get /v1/verify/reports": 422,
    "post /v1/session": 422,
}
ASKS_THE_TIME = {"time", "time_ns", "now", "utcnow", "today", "monotonic", "monotonic_ns", "perf_counter"}
ROW_LOCKS = ("for update", "for no key update", "for share", "skip locked")
TRANSACTIONS = {"begin", "begin_nested", "commit", "rollback"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """One file: its path from the root, its text, its tree and all that is in the tree."""

    path: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    def inside(self, *places: str) -> bool:
        return any(self.path == place or self.path.startswith(place + "/") for place in places)


def sources(*folders: str) -> list[Source]:
    return [source for folder in folders for source in _all_in(ROOT / folder) if source.inside(*folders)]


@cache
def _all_in(folder: Path) -> list[Source]:
    if folder.parent != ROOT:
        return _all_in(folder.parent)
    found = []
    for file in sorted(folder.rglob("*.py")):
        text = file.read_text("utf-8")
        found.append(Source(file.relative_to(ROOT).as_posix(), text, parsed(text), nodes(text)))
    return found


def functions(source: Source) -> Iterator[Function]:
    return (node for node in source.nodes if isinstance(node, Function))


def strings(source: Source) -> Iterator[tuple[int, str]]:
    """Every string that is no docstring, with its line."""
    alone = {id(node.value) for node in source.nodes if isinstance(node, ast.Expr)}
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def calls(source: Source, methods: set[str]) -> Iterator[tuple[int, str, str]]:
    """Line, object and method of every call of one of these methods."""
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
            yield node.lineno, ast.unparse(node.func.value), node.func.attr


def test_only_db_begins_and_commits() -> None:
    guilty = [
        f"{source.path}:{line} {owner}.{method}()"
        for source in sources("app")
        if not source.inside("app/database/connection.py")
        for line, owner, method in calls(source, TRANSACTIONS)
    ]
    guilty += [
        f"{source.path}:{line} {text!r}"
        for source in sources("app")
        if not source.inside("app/database/connection.py")
        for line, text in strings(source)
        if text.strip().upper().split(" ")[0].rstrip(";") in ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT")
    ]
    assert guilty == []


def test_only_the_ledger_and_who_claims_jobs_lock_rows() -> None:
    guilty = [
        f"{source.path}:{line}"
        for source in sources("app")
        if not source.inside("app/ledger", "app/database/jobs.py")
        for line, text in [
            *((line, text.lower()) for line, text in strings(source)),
            *((line, "skip locked") for line, _, _ in calls(source, {"with_for_update"})),
        ]
        if any(lock in text for lock in ROW_LOCKS)
    ]
    assert guilty == []


def test_only_the_clock_asks_the_time() -> None:
    guilty = [
        f"{source.path}:{line} {owner}.{method}()"
        for source in sources("app")
        if not source.inside("app/core/clock.py")
        and not source.inside("app/signed_orders/loa_carrier.py")  # runs alone, at a carrier
        for line, owner, method in calls(source, ASKS_THE_TIME)
        if owner.rpartition(".")[2] in ("time", "datetime", "date")
    ]
    guilty += [
        f"{source.path} imports from time"
        for source in sources("app")
        if not source.inside("app/core/clock.py")
        for node in source.nodes
        if isinstance(node, ast.ImportFrom) and node.module == "time"
    ]
    assert guilty == []


def test_nothing_asserts_in_the_product() -> None:
    guilty = [
        f"{source.path}:{node.lineno}"
        for source in sources(*PRODUCT)
        for node in source.nodes
        if isinstance(node, ast.Assert)
    ]
    assert guilty == []


def test_nothing_catches_every_exception() -> None:
    guilty = [
        f"{source.path}:{node.lineno}"
        for source in sources(*PRODUCT)
        for node in source.nodes
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & set(ast.unparse(node.type).split(", ")))
    ]
    # The link's submit alone may: a bug of an adapter must not be taken for an answer.
    assert [place for place in guilty if not place.startswith("app/dispatch/")] == []


def test_the_form_of_a_page_that_takes_a_file_is_asked_for_its_token_before_the_file() -> None:
    pages = {
        function.name
        for source in sources("app/web")
        for function in functions(source)
        if any(
            isinstance(node, ast.Attribute) and ast.unparse(node) == "uploads.taken"
            for node in ast.walk(function)
        )
    }
    assert pages == set(authorization._STREAMED)


def test_models_and_migrations_agree(db: Database) -> None:
    assert schema.differences(db) == []


def test_every_route_wants_credentials(db: Database) -> None:
    guarded, application = 0, create_app(Settings(), db)
    with Client(application) as stranger:
        for path, operations in described(application)["paths"].items():
            for method in operations:
                answer = stranger.request(method.upper(), path.replace("{", "").replace("}", ""))
                if (operation := f"{method} {path}") in OPEN_TO_ALL:
                    assert answer.status_code == OPEN_TO_ALL[operation], operation
                else:
                    # Webhooks have credentials of their own, and don't say which links there are.
                    wanted = 403 if path.startswith("/webhooks/") else 401
                    assert answer.status_code == wanted, f"{method} {path} answers {answer.status_code}"
                    guarded += 1
    assert guarded > 20


def test_commands_that_tests_start_refuse_no_variable_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    read = re.compile(r'environ(?:\.get\(|\[)"(LOA_\w+)"|"(LOA_\w+)" in os\.environ')
    texts = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    names = {one or other for text in texts for one, other in read.findall(text)}
    assert len(names) > 10
    for name in names:
        monkeypatch.setenv(name, "1")
    assert [each for each in strangers(Settings) if each.partition(":")[0] in names] == []
