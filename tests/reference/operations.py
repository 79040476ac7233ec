"""The page of the API's operations."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app.api.openapi import operations
from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security.roles import OPEN, Role, may
from tests.reference.tables import sentence, table

_HEAD = """# API

Every operation, by its name in `/openapi.json`, which has bodies and answers with examples; the page `/docs`
of the server shows them to people. *Key* stands where an
[Idempotency-Key](../api.md#once-however-often-it-is-asked) is taken. How to use it: [the API](../api.md),
and the [tutorial](../tutorials/integrator.md).

"""


def page() -> str:
    """the routes of the API and app/security/roles.py."""
    with TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'loa.sqlite3'}")
        try:
            document = create_app(Settings.model_construct(), db).openapi()
        finally:
            db.close()
    every = sorted(operations(document), key=lambda each: each[2]["tags"][0])
    parts = [_HEAD]
    for tag, members in groupby(every, key=lambda each: str(each[2]["tags"][0])):
        rows = [_row(path, method, of) for path, method, of in members]
        parts.append(f"## {tag}\n" + table(("Request", "Operation", "Does", "Parameters", "Who may"), rows))
    return "".join(parts).rstrip() + "\n"


def _row(path: str, method: str, of: dict[str, Any]) -> tuple[str, ...]:
    parameters = [each for each in of.get("parameters", []) if each["in"] == "query"]
    named = [f"`{each['name']}`" for each in parameters]
    if any(each["name"] == "Idempotency-Key" for each in of.get("parameters", [])):
        named.append("*Key*")
    return (
        f"`{method.upper()} {path}`",
        f"`{of['operationId']}`",
        sentence(of["summary"]),
        ", ".join(named),
        _who(of["operationId"]),
    )


def _who(operation: str) -> str:
    if operation in OPEN:
        return "anybody, or with credentials of its own"
    allowed = [role.value for role in Role if may(role, operation)]
    return "every role" if len(allowed) == len(Role) else ", ".join(allowed)
