"""Every operation of the API has its command, its method and its page's act, or says why not."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from app.api.openapi import operations
from app.cli import app as loa
from app.cli import common
from app.core.errors import AppError
from app.database.connection import Database
from app.runtime.api_app import ROUTERS
from loa_client import LoaClient
from tests import parity
from tests.app.api.served import served
from tests.app.described import described
from tests.app.signed_orders.documents import signed_result
from tests.engines import sqlite_alone
from tests.loa_client.generator import LEFT_OUT
from tests.long.app.accounts.scene import build
from tests.long.app.reports.intake.scene import PDF, body

database_url = sqlite_alone
_SAFE = ("get", "head", "options")
PASSWORD = "nine blue rivers under a tin roof"


class Recorder:
    """Keeps the names of the operations that were asked for."""

    def __init__(self, application: Any, asked: set[str]) -> None:
        self.application, self.asked = application, asked

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def noted(message: Any) -> None:
            self.asked.add(getattr(scope.get("route"), "name", ""))
            await send(message)

        await self.application(scope, receive, noted)


@pytest.fixture
def asked(application: FastAPI) -> set[str]:
    found: set[str] = set()
    application.add_middleware(Recorder, asked=found)
    return found


@pytest.fixture
def server(
    application: FastAPI, asked: set[str], db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOA_DATA", str(tmp_path))
    monkeypatch.setenv("LOA_KEY", build(db)["admin"])
    Path("list.csv").write_text("phone\n0912345678\n", encoding="utf-8")
    Path("results.csv").write_text("phone,status,time\n0912345678,DELIVRD,2024-02-05 08:00\n", "utf-8")
    Path("result.json").write_bytes(signed_result())
    Path("figures.json").write_text(json.dumps(body()), encoding="utf-8")
    Path("scan.pdf").write_bytes(PDF)
    with served(application) as address:
        yield address
    common.server = None


def said(*arguments: str) -> str:
    common.server = None
    found = CliRunner().invoke(loa, arguments, input=f"{PASSWORD}\n", catch_exceptions=False)
    return found.stdout if found.exit_code < 2 else f"wrong use: {found.output}"


def test_each_operation_has_a_command_and_an_act_or_a_reason(application: FastAPI) -> None:
    every = {each["operationId"]: method for _, method, each in operations(described(application))}
    assert parity.COMMANDS.keys() | parity.NO_COMMAND.keys() == every.keys()
    assert parity.COMMANDS.keys() & parity.NO_COMMAND.keys() == set()
    assert {name for name in every if not hasattr(LoaClient, name)} == LEFT_OUT
    pages = {route.name: route.methods for each in ROUTERS for route in each.routes}  # type: ignore[attr-defined]
    acts = {name for name, methods in pages.items() if name.startswith("page_") and "POST" in methods}
    assert {act for act in acts if act.removeprefix("page_do_") not in every} == parity.PAGES_ALONE.keys()
    changing = {name for name, method in every.items() if method not in _SAFE}
    assert {name for name in changing if f"page_do_{name}" not in acts} == parity.NO_ACT.keys() & changing
    assert all((*parity.NO_COMMAND.values(), *parity.NO_ACT.values(), *parity.PAGES_ALONE.values()))


def test_each_command_asks_the_server_for_its_operation(server: str, asked: set[str]) -> None:
    missed = {}
    for operation, command in parity.COMMANDS.items():
        asked.clear()
        try:
            told = said("--server", server, *shlex.split(command))
        except AppError as refused:  # by the server, which is enough
            told = str(refused)
        if operation not in asked:
            missed[operation] = told
    assert missed == {}


def _plain(value: Any) -> Any:
    """JSON without the spelling of times, which differs by the zone."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else value
    except ValueError:
        return value


SAME = [
    "batch list",
    "batch show 1",
    "campaign list",
    "campaign show 1",
    "directive list",
    "directive show 1",
    "directive notices",
    "do-not-send list",
    "key list",
    "receipts list",
    "receipts show 1",
    "rejected list 1",
    "report list",
    "retention certificate 1",
    "run list",
    "run show 1",
    "text preview Canh-giac",
    "unknown list 1",
    "user list",
]


@pytest.mark.prove
def test_what_a_command_shows_is_the_same_from_a_server(server: str) -> None:
    for command in SAME:
        here, there = (said(*way, *command.split(), "--json") for way in ((), ("--server", server)))
        assert _plain(json.loads(there)) == _plain(json.loads(here)), command
