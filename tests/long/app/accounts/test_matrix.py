"""The access matrix: every operation, every role, own things and another carrier's, and no credentials."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi.routing import APIRoute

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import ROUTERS, create_app
from app.security.roles import OPEN, PAGE, PAGE_DOES, PERMISSIONS
from app.web import routers
from tests.app.described import described
from tests.engines import by_default
from tests.long.app.accounts.matrix import EXPECTED
from tests.long.app.accounts.scene import OTHER, OWN, Answer, Asker, build, register_names

database_url = by_default

COLUMNS = ("none", "admin", "approver", "auditor", "own", "other")


class Operation(NamedTuple):
    """One operation of /openapi.json."""

    name: str
    method: str
    path: str
    multipart: bool


def operations(settings: Settings, db: Database) -> list[Operation]:
    found = []
    for path, methods in described(create_app(settings, db))["paths"].items():
        for method, said in methods.items():
            body = said.get("requestBody", {}).get("content", {})
            multipart = "multipart/form-data" in body
            found.append(Operation(said["operationId"], method.upper(), path, multipart))
    return found + pages()


def pages() -> list[Operation]:
    """The pages for people, which the description leaves out."""
    return [
        Operation(route.name, method, route.path, False)
        for router in routers.ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    ]


def word(answer: Answer) -> str:
    """What an answer says about access; any other refusal comes from inside."""
    assert answer.status < 500, answer
    if answer.location.startswith("/sign-in?"):
        return "303"
    return {401: "401", 403: "403", 404: "404"}.get(answer.status, "in")


def test_no_operation_is_missing_in_the_table_or_in_the_permissions(tmp_path: Path, db: Database) -> None:
    names = [each.name for each in operations(Settings(data=tmp_path), db)]
    assert len(names) == len(set(names)) > 90
    assert sorted(EXPECTED) == sorted(names)
    listed = PERMISSIONS.keys() | OPEN
    assert {name.removeprefix(PAGE_DOES) for name in names if name not in OPEN} <= listed
    # Pages that the description leaves out have their entry as well.
    hidden = {route.name for each in ROUTERS for route in each.routes if isinstance(route, APIRoute)}
    assert {name for name in hidden if not name.startswith(PAGE_DOES)} <= listed
    assert not PERMISSIONS.keys() & OPEN


@pytest.mark.timeout(120)
async def test_every_role_gets_what_the_table_says(tmp_path: Path, db: Database) -> None:
    often = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
    settings = Settings(data=tmp_path, **often)
    keys = build(db)
    asker, found = Asker(create_app(settings, db)), {}
    callers = [None, keys["admin"], keys["approver"], keys["auditor"], keys["vnpt"], keys["vnpt"]]
    for each in operations(settings, db):
        words = []
        for column, key in zip(COLUMNS, callers, strict=True):
            place = OTHER if column == "other" else OWN
            path = place.path(each.path)
            if each.name == "batch_report":
                path += f"?campaign={place.number}"
            if "sender_name" in each.name or "panel" in each.name:  # a role may have removed it before
                db.write(register_names)
            kind = "multipart/form-data; boundary=b" if each.multipart else "application/json"
            words.append(word(await asker.ask(each.method, path, key, kind=kind)))
        found[each.name] = " ".join(words)
    assert found == EXPECTED


def test_a_page_that_reads_is_asked_by_get_and_one_that_acts_by_post() -> None:
    for page in pages():
        assert page.name.startswith(PAGE)
        # A cookie of the reader's own, and words that stand in no address: neither is an act.
        if page.name not in ("page_language", "page_search_words"):
            assert (page.method == "POST") == page.name.startswith(PAGE_DOES), page.name


@pytest.mark.parametrize("name", sorted(PERMISSIONS))
def test_an_auditor_changes_nothing_but_the_own_sign_in(name: str) -> None:
    own = {"log_out", "change_password", "enrol_totp", "confirm_totp", "end_sessions"}
    reading = name.startswith(
        ("list_", "get_", "download_", "watch_", "compare_", "prove_", "print_", "verify_", "publish_", PAGE)
    ) or name.endswith("_report")
    if "auditor" in PERMISSIONS[name]:
        assert name in own or (reading and name != "freeze_report")
